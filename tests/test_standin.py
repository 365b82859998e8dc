"""The stand-in speaks the provider's protocol: the installed SDK, set to validate strictly, takes every answer."""

from __future__ import annotations

import base64
import inspect
import json
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest

openai = pytest.importorskip("openai")

from pydantic import BaseModel  # noqa: E402

from standin.openai import OpenAIServer, error  # noqa: E402
from standin.server import Reply, Server, sse  # noqa: E402

ASK = [{"role": "user", "content": "What is the capital of France?"}]
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": n, "parameters": WEATHER}} for n in ("get_weather", "get_time")]
FLAT_TOOLS = [{"type": "function", "strict": True, **tool["function"]} for tool in TOOLS]  # type: ignore[dict-item]
# The first SDKs with the Responses API expect a `content` in reasoning items that the provider never sent.
TYPES_REASONING = hasattr(openai.types.responses, "ResponseReasoningItem")
CHAT = {"model": "gpt-4o-mini", "messages": ASK}


class Capital(BaseModel):
    city: str
    population: int | None


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running
    assert running.failures == []


@pytest.fixture
def client(server: OpenAIServer) -> Iterator[Any]:
    with openai.OpenAI(
        base_url=server.base_url, api_key="sk-test", max_retries=0, _strict_response_validation=True
    ) as made:
        yield made


@pytest.fixture
def loose(server: OpenAIServer) -> Iterator[Any]:
    """As an application has it; for the answers that some SDKs' own types are too narrow for."""
    with openai.OpenAI(base_url=server.base_url, api_key="sk-test", max_retries=0) as made:
        yield made


@pytest.fixture
async def aclient(server: OpenAIServer) -> Any:
    async with openai.AsyncOpenAI(
        base_url=server.base_url, api_key="sk-test", max_retries=0, _strict_response_validation=True
    ) as made:
        yield made


def helper(client: Any, name: str) -> Any:
    """`client.chat.completions.parse/stream`, under `client.beta` in older SDKs."""
    found = getattr(client.chat.completions, name, None) or getattr(client.beta.chat.completions, name, None)
    return found or pytest.skip(f"this SDK has no chat {name}() helper")


def needs(method: Any, *parameters: str) -> None:
    if missing := [p for p in parameters if p not in inspect.signature(method).parameters]:
        pytest.skip(f"this SDK has no {missing}")


def test_chat(client: Any, server: OpenAIServer) -> None:
    raw = client.chat.completions.with_raw_response.create(**CHAT, n=2)
    answer = raw.parse()
    assert raw.headers["x-request-id"].startswith("req_")
    assert raw.headers["openai-processing-ms"]
    assert answer.model == "gpt-4o-mini-2024-07-18"
    assert [choice.finish_reason for choice in answer.choices] == ["stop", "stop"]
    assert "capital of France" in answer.choices[0].message.content
    assert answer.choices[0].message.content != answer.choices[1].message.content
    assert answer.usage.prompt_tokens_details.cached_tokens == 0
    assert answer.usage.completion_tokens_details.reasoning_tokens == 0
    assert (answer.service_tier, answer.system_fingerprint) == ("default", "fp_44709d6fcb")
    assert server.requests[-1].json["model"] == "gpt-4o-mini"


def test_chat_that_is_cut_reasons_or_hits_the_cache(client: Any) -> None:
    cut = client.chat.completions.create(**CHAT, max_tokens=3)
    assert (cut.choices[0].finish_reason, cut.usage.completion_tokens) == ("length", 3)
    thought = client.chat.completions.create(model="o3-mini", messages=ASK, reasoning_effort="low")
    assert thought.usage.completion_tokens_details.reasoning_tokens == 64
    long = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "word " * 2000}])
    assert long.usage.prompt_tokens_details.cached_tokens % 128 == 0
    assert long.usage.prompt_tokens > long.usage.prompt_tokens_details.cached_tokens > 0


def test_chat_tools(client: Any) -> None:
    both = client.chat.completions.create(**CHAT, tools=TOOLS).choices[0]
    assert both.finish_reason == "tool_calls"
    assert both.message.content is None
    assert [call.function.name for call in both.message.tool_calls] == ["get_weather", "get_time"]
    assert json.loads(both.message.tool_calls[0].function.arguments) == {"city": "Paris"}
    one = client.chat.completions.create(**CHAT, tools=TOOLS, parallel_tool_calls=False).choices[0]
    assert len(one.message.tool_calls) == 1
    forced = {"type": "function", "function": {"name": "get_time"}}
    named = client.chat.completions.create(**CHAT, tools=TOOLS, tool_choice=forced).choices[0]
    assert [call.function.name for call in named.message.tool_calls] == ["get_time"]
    result = {"role": "tool", "tool_call_id": both.message.tool_calls[0].id, "content": "sunny"}
    after = client.chat.completions.create(
        model="gpt-4o", messages=[*ASK, both.message.model_dump(exclude_none=True), result], tools=TOOLS
    )
    assert after.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("counted", [False, True])
def test_chat_stream(client: Any, counted: bool) -> None:
    options = {"stream_options": {"include_usage": True}} if counted else {}
    chunks = list(client.chat.completions.create(**CHAT, n=2, stream=True, **options))
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    assert len(usages) == counted
    if counted:
        assert chunks[-1].choices == []
    whole = client.chat.completions.create(**CHAT, n=2)
    for index in (0, 1):
        pieces = [c.choices[0] for c in chunks if c.choices and c.choices[0].index == index]
        assert len(pieces) > 4
        assert "".join(piece.delta.content or "" for piece in pieces) == whole.choices[index].message.content
        assert pieces[-1].finish_reason == "stop"


def test_chat_stream_of_tool_calls(client: Any) -> None:
    calls: dict[int, str] = {}
    for chunk in client.chat.completions.create(**CHAT, tools=TOOLS, stream=True):
        for call in chunk.choices[0].delta.tool_calls or ():
            calls[call.index] = calls.get(call.index, "") + call.function.arguments
    assert {index: json.loads(text) for index, text in calls.items()} == {0: {"city": "Paris"}, 1: {"city": "Paris"}}


def test_chat_helpers(client: Any) -> None:
    parsed = helper(client, "parse")(**CHAT, response_format=Capital)
    assert parsed.choices[0].message.parsed == Capital(city="Paris", population=1)
    with helper(client, "stream")(**CHAT, response_format=Capital) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert final.choices[0].message.parsed == Capital(city="Paris", population=1)


async def test_chat_async(aclient: Any) -> None:
    assert (await aclient.chat.completions.create(**CHAT)).choices[0].message.content
    chunks = [chunk async for chunk in await aclient.chat.completions.create(**CHAT, stream=True)]
    assert chunks[-1].choices[0].finish_reason == "stop"
    parsed = await helper(aclient, "parse")(**CHAT, response_format=Capital)
    assert parsed.choices[0].message.parsed.city == "Paris"
    async with helper(aclient, "stream")(**CHAT) as stream:
        assert (await stream.get_final_completion()).choices[0].message.content


def test_responses(client: Any) -> None:
    answer = client.responses.create(model="gpt-4o", input="Why is the sky blue?", instructions="Be brief.")
    assert (answer.status, answer.model) == ("completed", "gpt-4o-2024-08-06")
    assert "sky blue" in answer.output_text
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    cut = client.responses.create(model="gpt-4o", input="Why?", max_output_tokens=2)
    assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    failed = client.responses.create(model="error-failed", input="Why?")
    assert (failed.status, failed.error.code, failed.output) == ("failed", "server_error", [])


def test_responses_tools_and_reasoning(client: Any, loose: Any) -> None:
    client = client if TYPES_REASONING else loose
    reasoning = {"effort": "low", "summary": "auto"}
    search = {"type": "web_search_preview"}
    answer = client.responses.create(
        model="o4-mini", input="Weather?", tools=[search, *FLAT_TOOLS], reasoning=reasoning
    )
    assert [i.type for i in answer.output] == ["reasoning", "web_search_call", "function_call", "function_call"]
    assert answer.usage.output_tokens_details.reasoning_tokens == 64
    results = [
        {"type": "function_call_output", "call_id": item.call_id, "output": "sunny"}
        for item in answer.output
        if item.type == "function_call"
    ]
    after = client.responses.create(
        model="o4-mini",
        input=results,
        tools=FLAT_TOOLS,
        previous_response_id=answer.id,
        text={"format": {"type": "text"}},
    )
    assert (after.output[-1].type, after.previous_response_id) == ("message", answer.id)


def test_responses_stream(client: Any) -> None:
    search = {"type": "web_search_preview"}
    ask: dict[str, Any] = {"model": "o4-mini", "input": "Weather?"}
    if TYPES_REASONING:
        ask["reasoning"] = {"effort": "low", "summary": "auto"}
    events = list(client.responses.create(**ask, tools=[search], stream=True))
    kinds = [event.type for event in events]
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    assert "response.web_search_call.searching" in kinds
    assert ("response.reasoning_summary_text.delta" in kinds) == TYPES_REASONING
    deltas = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert deltas == events[-1].response.output_text
    calls = list(client.responses.create(**ask, tools=FLAT_TOOLS, stream=True))
    deltas = "".join(event.delta for event in calls if event.type == "response.function_call_arguments.delta")
    assert deltas == '{"city": "Paris"}' * 2


def test_responses_events_are_valid(server: OpenAIServer, client: Any) -> None:
    """Held against the union of all events, which is stricter than what the SDK does with each."""
    from openai.types.responses import ResponseStreamEvent
    from pydantic import TypeAdapter

    adapter: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    tools = [{"type": "web_search_preview"}, *FLAT_TOOLS]
    for given in ({"tools": tools}, {"model": "error-failed"}, {"max_output_tokens": 1}, {"model": "error-stream"}):
        reasoning = {"reasoning": {"effort": "low", "summary": "auto"}} if TYPES_REASONING else {}
        ask = {"model": "o4-mini", "input": "Weather?", **reasoning, **given}
        with client.responses.with_streaming_response.create(**ask, stream=True) as raw:
            lines = [line.removeprefix("data: ") for line in raw.iter_lines() if line.startswith("data: ")]
        assert len(lines) >= 3
        for line in lines:
            adapter.validate_json(line)


def test_responses_helpers(client: Any) -> None:
    if not hasattr(client.responses, "stream"):
        pytest.skip("this SDK has no responses.stream()")
    assert client.responses.parse(model="gpt-4o", input="?", text_format=Capital).output_parsed.city == "Paris"
    with client.responses.stream(model="gpt-4o", input="?", text_format=Capital) as stream:
        assert {event.type for event in stream} >= {"response.output_text.delta", "response.completed"}
        assert stream.get_final_response().output_parsed.city == "Paris"


async def test_responses_async(aclient: Any) -> None:
    assert (await aclient.responses.create(model="gpt-4o", input="?")).output_text
    events = [event async for event in await aclient.responses.create(model="gpt-4o", input="?", stream=True)]
    assert events[-1].type == "response.completed"


def test_responses_in_the_background(client: Any) -> None:
    needs(client.responses.create, "background")
    queued = client.responses.create(model="gpt-4o", input="?", background=True)
    assert (queued.status, queued.output, queued.usage) == ("queued", [], None)
    read = [client.responses.retrieve(queued.id) for _ in range(3)]
    assert [response.status for response in read] == ["in_progress", "completed", "completed"]
    assert read[-1].output_text
    other = client.responses.create(model="gpt-4o", input="?", background=True)
    assert client.responses.cancel(other.id).status == "cancelled"
    assert client.responses.retrieve(other.id).status == "cancelled"
    client.responses.delete(other.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(other.id)
    needs(client.responses.retrieve, "stream")
    events = list(client.responses.retrieve(queued.id, stream=True))
    resumed = list(client.responses.retrieve(queued.id, stream=True, starting_after=3))
    assert [event.sequence_number for event in resumed] == [event.sequence_number for event in events[4:]]
    assert events[1].type == "response.queued"


def test_completions(client: Any, loose: Any) -> None:
    whole = client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Say hello", max_tokens=100)
    assert (whole.choices[0].finish_reason, whole.usage.prompt_tokens > 0) == ("stop", True)
    chunks = list(
        loose.completions.create(
            model="gpt-3.5-turbo-instruct",
            prompt="Say hello",
            max_tokens=100,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert "".join(c.choices[0].text for c in chunks if c.choices) == whole.choices[0].text
    assert chunks[-1].usage == whole.usage


def test_embeddings(client: Any, loose: Any, server: OpenAIServer) -> None:
    made = loose.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
    assert server.requests[-1].json["encoding_format"] == "base64"
    assert [len(item.embedding) for item in made.data] == [1536, 1536]
    floats = client.embeddings.create(
        model="text-embedding-3-small", input="one", encoding_format="float", dimensions=8
    )
    assert len(floats.data[0].embedding) == 8
    raw = loose.embeddings.create(model="text-embedding-3-small", input="one", encoding_format="base64", dimensions=8)
    packed = raw.data[0].embedding
    unpacked = struct.unpack("<8f", base64.b64decode(packed)) if isinstance(packed, str) else packed
    assert list(unpacked) == pytest.approx(floats.data[0].embedding, abs=1e-6)


def test_images(client: Any) -> None:
    made = client.images.generate(model="dall-e-2", prompt="A cat", n=2)
    assert [image.url is not None for image in made.data] == [True, True]
    image = ("cat.png", b"png", "image/png")
    edited = client.images.edit(model="gpt-image-1", image=image, prompt="A dog")
    assert edited.data[0].b64_json
    assert client.images.create_variation(image=image, response_format="b64_json").data[0].b64_json
    needs(client.images.generate, "stream")
    events = client.images.generate(model="gpt-image-1", prompt="A cat", stream=True, partial_images=1)
    assert [event.type for event in events] == ["image_generation.partial_image", "image_generation.completed"]


def test_audio(client: Any, server: OpenAIServer) -> None:
    spoken = client.audio.speech.create(model="tts-1", voice="alloy", input="Hello")
    assert spoken.read().startswith(b"standin-sound")
    with client.audio.speech.with_streaming_response.create(model="tts-1", voice="alloy", input="Hello") as stream:
        assert sum(len(piece) for piece in stream.iter_bytes()) == 4 * 16 * 19
    sound = ("a.wav", b"RIFF", "audio/wav")
    heard = client.audio.transcriptions.create(model="gpt-4o-transcribe", file=sound)
    assert heard.text.startswith("The quick")
    assert server.requests[-1].form["file"] == b"RIFF"
    assert client.audio.transcriptions.create(model="whisper-1", file=sound, response_format="text").strip()
    verbose = client.audio.transcriptions.create(model="whisper-1", file=sound, response_format="verbose_json")
    assert verbose.language == "english"
    assert client.audio.translations.create(model="whisper-1", file=sound).text
    needs(client.audio.transcriptions.create, "stream")
    events = list(client.audio.transcriptions.create(model="gpt-4o-transcribe", file=sound, stream=True))
    assert events[-1].type == "transcript.text.done"


def test_moderations_and_batches(client: Any) -> None:
    judged = client.moderations.create(input=["one", "two"], model="omni-moderation-latest")
    assert [result.flagged for result in judged.results] == [False, False]
    ask = {"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    batch = client.batches.create(**ask)
    states = [batch.status, *(client.batches.retrieve(batch.id).status for _ in range(2))]
    assert states == ["validating", "in_progress", "completed"]
    assert client.batches.cancel(client.batches.create(**ask).id).status == "cancelling"


def test_azure_paths(server: OpenAIServer) -> None:
    with openai.AzureOpenAI(
        azure_endpoint=server.url, api_key="key", api_version="2025-04-01-preview", _strict_response_validation=True
    ) as client:
        assert client.chat.completions.create(**CHAT).model == "gpt-4o-mini-2024-07-18"
        assert server.requests[-1].path == "/openai/deployments/gpt-4o-mini/chat/completions"
        assert server.requests[-1].query == {"api-version": "2025-04-01-preview"}
        answer = client.responses.create(model="gpt-4o", input="?")
        assert server.requests[-1].path.endswith("/responses")
        assert client.responses.retrieve(answer.id).id == answer.id


@pytest.mark.parametrize(
    ("model", "kind", "code"),
    [
        ("error-400", "BadRequestError", None),
        ("error-401", "AuthenticationError", "invalid_api_key"),
        ("error-404", "NotFoundError", "model_not_found"),
        ("error-429", "RateLimitError", "rate_limit_exceeded"),
        ("error-quota", "RateLimitError", "insufficient_quota"),
        ("error-500", "InternalServerError", None),
        ("error-context", "BadRequestError", "context_length_exceeded"),
        ("error-drop", "APIConnectionError", None),
    ],
)
def test_errors(client: Any, model: str, kind: str, code: str | None) -> None:
    with pytest.raises(getattr(openai, kind)) as raised:
        client.chat.completions.create(model=model, messages=ASK)
    assert raised.value.code == code


def test_streams_that_break(client: Any, loose: Any) -> None:
    with pytest.raises(openai.APIError, match="had an error"):
        list(client.chat.completions.create(model="error-stream", stream=True, messages=ASK))
    last = list(loose.responses.create(model="error-stream", stream=True, input="?"))[-1]
    assert "error" in (getattr(last, "type", None), getattr(last, "event", None))  # 1.66 takes it for another kind
    for create, given in (
        (client.chat.completions.create, {"messages": ASK}),
        (client.responses.create, {"input": "?"}),
    ):
        stream = create(model="error-cut", stream=True, **given)
        assert next(stream)
        with pytest.raises(Exception, match=r"peer closed|incomplete|Connection"):
            list(stream)


def test_scripted_replies_come_first_and_once(client: Any, server: OpenAIServer) -> None:
    server.reply_with(error(503, "later"), path="/v1/responses")
    server.reply_with(error(429, "slow down"), lambda request: error(400, request.json["model"]))
    with pytest.raises(openai.RateLimitError, match="slow down"):
        client.chat.completions.create(**CHAT)
    with pytest.raises(openai.BadRequestError, match="gpt-4o-mini"):
        client.chat.completions.create(**CHAT)
    assert client.chat.completions.create(**CHAT).choices
    with pytest.raises(openai.InternalServerError):
        client.responses.create(model="gpt-4o", input="?")
    assert len(server.requests) == 4


def test_a_gate_holds_a_stream_and_sees_the_client_leave(client: Any, server: OpenAIServer) -> None:
    gate = server.hold()
    piece = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": []}
    server.reply_with(Reply(chunks=sse(piece, gate, piece)), Reply(chunks=sse(piece, server.hold(), piece)))
    stream = client.chat.completions.create(**CHAT, stream=True)
    next(stream)
    assert gate.reached.wait(30)
    gate.open()
    assert len(list(stream)) == 1
    left = client.chat.completions.create(**CHAT, stream=True)
    next(left)
    left.close()
    request = server.requests[-1]
    assert request.done.wait(30)
    assert request.disconnected


def test_stop_ends_threads_and_frees_the_port() -> None:
    before = threading.active_count()
    server = OpenAIServer().start()
    with openai.OpenAI(base_url=server.base_url, api_key="sk-test", max_retries=0) as client:
        client.embeddings.create(model="text-embedding-3-small", input="one")
        port = server.port
        server.stop()  # with the client's connection still open
    assert threading.active_count() == before
    with Server(port=port) as again:
        assert again.port == port


def test_a_failing_script_is_kept_for_the_test_to_see() -> None:
    def broken(request: Any) -> Reply:
        raise LookupError(request.path)

    with Server() as server:
        server.reply_with(broken)
        client = openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0)
        with client, pytest.raises(openai.InternalServerError):
            client.models.list()
        assert [type(failure) for failure in server.failures] == [LookupError]
