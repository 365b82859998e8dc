"""Whatever a provider answers, the caller gets what the SDK gives without instrumentation."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import openai
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st

import otel_llm
from fuzz.values import JSON, damaged, outcome
from openai_clients import client, server, session_server
from otel_llm import ContentCapture, Settings
from standin.eventstream import parts
from standin.sagemaker import SageMakerServer, event_stream
from standin.wire import Reply, sse

__all__ = ["client", "server", "session_server"]

MESSAGES: Any = [{"role": "user", "content": "Hi"}]
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "prompt_tokens_details": {"cached_tokens": 1}}
TOOL_CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
MESSAGE = {"role": "assistant", "content": "Hello", "tool_calls": [TOOL_CALL]}
CHAT = {
    "id": "chat-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m-1",
    "choices": [{"index": 0, "finish_reason": "stop", "message": MESSAGE}],
    "usage": USAGE,
}
CHUNK = {**CHAT, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": MESSAGE, "finish_reason": None}]}
OUTPUT = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}
RESPONSE = {
    "id": "resp-1",
    "object": "response",
    "created_at": 1,
    "model": "m-1",
    "status": "completed",
    "output": [OUTPUT, {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}],
    "usage": {"input_tokens": 3, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 1}},
}
EVENT = {"type": "response.completed", "sequence_number": 1, "response": RESPONSE}
EMBEDDINGS = {"object": "list", "model": "m-1", "data": [{"index": 0, "embedding": [0.5]}], "usage": USAGE}
GENERATED = [{"generated_text": "Hello", "details": {"finish_reason": "length", "generated_tokens": 2}}]
TOKEN = {"token": {"id": 1, "text": "Hello"}, "generated_text": None, "details": {"generated_tokens": 1}}


@pytest.fixture(autouse=True)
def _no_failure_of_ours(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG, "otel_llm")
    yield
    logged = [record.getMessage() for record in caplog.get_records("call") if record.name.startswith("otel_llm")]
    assert [text for text in logged if "failed in" in text] == []


@pytest.fixture
def compare(recorder: Any) -> Iterator[Callable[[Callable[[], Any]], None]]:
    """Make a call without and with instrumentation, and expect the same of both."""

    def both(call: Callable[[], Any]) -> None:
        otel_llm.uninstrument()
        plain = outcome(call)
        recorder.instrument(Settings(capture_content=ContentCapture.SPAN_AND_EVENT))
        assert outcome(call) == plain

    yield both
    # What these answers lack, the conventions can't have; what is recorded of them is the other tests' matter.
    recorder.span_exporter.clear()
    recorder.log_exporter.clear()
    recorder.metric_reader.get_metrics_data()
    recorder.missing |= {"gen_ai.response.model", "server.address"}


@pytest.mark.parametrize(
    ("sound", "ask"),
    [
        (CHAT, lambda client: client.chat.completions.create(model="m", messages=MESSAGES)),
        (RESPONSE, lambda client: client.responses.create(model="m", input="Hi")),
        (EMBEDDINGS, lambda client: client.embeddings.create(model="m", input="Hi", encoding_format="float")),
    ],
    ids=["chat", "responses", "embeddings"],
)
@given(data=st.data())
def test_any_body_of_openai(
    server: Any, client: openai.OpenAI, compare: Any, sound: Any, ask: Callable[[openai.OpenAI], Any], data: Any
) -> None:
    body = data.draw(damaged(sound))
    reply = Reply(headers={"content-type": "application/json"}, body=json.dumps(body).encode())

    def call() -> Any:
        server.reply_with(reply)
        return ask(client)

    compare(call)


@pytest.mark.parametrize(
    ("sound", "ask"),
    [
        (CHUNK, lambda client: client.chat.completions.create(model="m", messages=MESSAGES, stream=True)),
        (EVENT, lambda client: client.responses.create(model="m", input="Hi", stream=True)),
    ],
    ids=["chat", "responses"],
)
@given(data=st.data())
def test_any_stream_of_openai(
    server: Any, client: openai.OpenAI, compare: Any, sound: Any, ask: Callable[[openai.OpenAI], Any], data: Any
) -> None:
    events = data.draw(st.lists(damaged(sound), max_size=4))
    broken = data.draw(st.sampled_from([[], [b"data: {\n\n"], [b"\xff\xfe\n\n"], [b": ping\n\n"]]))
    reply = Reply(
        headers={"content-type": "text/event-stream"},
        chunks=[
            *sse(*(json.dumps(event) for event in events), done=False),
            *broken,
            *sse(done=data.draw(st.booleans())),
        ],
    )

    def call() -> Any:
        server.reply_with(reply)
        return list(ask(client))

    compare(call)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[tuple[SageMakerServer, Any]]:
    session = boto3.session.Session("x", "y", region_name="us-east-1")
    with SageMakerServer() as server:
        config = Config(retries={"total_max_attempts": 1}, proxies={})
        client = session.client("sagemaker-runtime", endpoint_url=server.url, config=config)
        yield server, client
        client.close()


@given(body=st.one_of(damaged(GENERATED), damaged(CHAT), st.binary(max_size=30)))
def test_any_body_of_sagemaker(endpoint: Any, compare: Any, body: Any) -> None:
    server, client = endpoint
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()

    def call() -> Any:
        server.reply_with(Reply(headers={"content-type": "application/json"}, body=payload))
        sent = json.dumps({"inputs": "Hi"})
        answer = client.invoke_endpoint(EndpointName="tgi", Body=sent, ContentType="application/json")
        return answer["Body"].read()

    compare(call)


@given(pieces=st.lists(st.one_of(damaged(TOKEN), damaged(CHUNK), st.binary(min_size=1, max_size=30)), max_size=4))
def test_any_stream_of_sagemaker(endpoint: Any, compare: Any, pieces: list[Any]) -> None:
    server, client = endpoint
    lines = [piece if isinstance(piece, bytes) else f"data:{json.dumps(piece)}\n\n".encode() for piece in pieces]

    def call() -> Any:
        server.reply_with(event_stream(list(parts(lines)), "text/event-stream"))
        sent = json.dumps({"inputs": "Hi", "stream": True})
        answer = client.invoke_endpoint_with_response_stream(
            EndpointName="tgi", Body=sent, ContentType="application/json"
        )
        return list(answer["Body"])

    compare(call)


@given(messages=JSON, temperature=JSON, tools=JSON)
def test_any_request_to_openai(
    server: Any, client: openai.OpenAI, compare: Any, messages: Any, temperature: Any, tools: Any
) -> None:
    def call() -> Any:
        server.reply_with(Reply(body=CHAT))
        asked: Any = {"messages": messages, "temperature": temperature, "tools": tools}
        return client.chat.completions.create(model="m", **asked).choices[0].finish_reason

    compare(call)
