"""A POST to an endpoint that is not known makes a span if its answer has a usage, and none otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai
import pytest
from either import Either
from openai import _base_client

from otel_llm import ContentCapture, Settings
from otel_llm.providers.openai import endpoints
from standin.openai import OpenAIServer
from standin.server import Reply

USAGE = {"input_tokens": 900, "output_tokens": 12, "total_tokens": 912}
ANSWER = {"id": "new_1", "model": "m-2026", "usage": USAGE}
Send = Callable[[Any], Any]
#: What the SDK is made with.
HTTP: Any = getattr(_base_client, "httpx2", None) or _base_client.httpx  # type: ignore[attr-defined]


def _posted(client: Any, **more: Any) -> Any:
    return client.post("/new/endpoint", body={"model": "m", "question": "a secret"}, **more)


WAYS: dict[str, Send] = {
    "object": lambda client: _posted(client, cast_to=object),
    "response": lambda client: _posted(client, cast_to=HTTP.Response),
    "with_options": lambda client: _posted(client.with_options(timeout=30), cast_to=object),
    "raw": lambda client: _posted(client, cast_to=object, options={"headers": {"X-Stainless-Raw-Response": "true"}}),
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_usage_makes_a_span_and_metrics(recorder: Any, server: OpenAIServer, api: Either, way: str) -> None:
    recorder.instrument(Settings(capture_content=ContentCapture.SPAN_ONLY))
    recorder.missing |= {"gen_ai.response.finish_reasons", "openai.response.service_tier"}
    server.reply_with(Reply(body=ANSWER))
    await api(WAYS[way])
    span = recorder.span
    assert span.name == "generate_content m"
    found = dict(span.attributes)
    assert found["otel_llm.operation.name"] == "new/endpoint"
    assert found["gen_ai.response.model"] == "m-2026"
    assert (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"]) == (900, 12)
    assert "a secret" not in str(found)
    assert recorder.points("gen_ai.client.token.usage")


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/files", {"id": "file_1", "bytes": 3}),
        ("/new", {"usage": None}),
        ("/new", {"usage": {"seconds": 3}}),
        ("/new", [USAGE]),
        ("/chat/completions/chatcmpl_1", ANSWER),  # sets metadata of a stored completion
        ("/threads/t/runs/r", ANSWER),
    ],
)
async def test_other_posts_make_none(recorder: Any, server: OpenAIServer, api: Either, path: str, answer: Any) -> None:
    recorder.instrument()
    server.reply_with(Reply(body=answer))
    assert await api(lambda client: client.post(path, body={}, cast_to=object)) == answer
    assert recorder.spans == []


async def test_an_error_reaches_the_caller(recorder: Any, server: OpenAIServer, api: Either) -> None:
    recorder.instrument()
    server.reply_with(Reply(status=400, body={"error": {"message": "bad"}}))
    with pytest.raises(openai.BadRequestError):
        await api(WAYS["object"])
    assert recorder.spans == []


async def test_a_stream_is_said_once(
    recorder: Any, server: OpenAIServer, api: Either, caplog: pytest.LogCaptureFixture
) -> None:
    recorder.instrument()
    kind = openai.AsyncStream if api.is_async else openai.Stream
    reply = Reply(chunks=[f"data: {json.dumps(ANSWER)}\n\n".encode()], headers={"Content-Type": "text/event-stream"})
    for _ in range(2):
        server.reply_with(reply)
        chunks = await api.drain(lambda client: _posted(client, cast_to=object, stream=True, stream_cls=kind[object]))
        assert chunks == [ANSWER]
    assert recorder.spans == []
    said = [record.message for record in caplog.records if "is not known to otel-llm" in record.message]
    assert len(said) == 1
    assert "POST /new/endpoint" in said[0]


async def test_a_method_of_a_newer_sdk(
    recorder: Any, server: OpenAIServer, api: Either, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder.instrument()
    recorder.missing |= {"gen_ai.response.finish_reasons", "gen_ai.response.id", "gen_ai.usage.output_tokens"}
    monkeypatch.setattr(endpoints, "KNOWN", {})
    await api(lambda client: client.embeddings.create(model="e", input="x"))
    assert recorder.span.name == "generate_content e"
    assert recorder.attributes["otel_llm.operation.name"] == "embeddings"
    assert recorder.attributes["gen_ai.usage.input_tokens"] > 0
