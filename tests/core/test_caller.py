"""The caller never notices: whatever the server answers, the outcome is that without us, and there is one span."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import openai
import pytest
from answers import BODIES, BODY_CALLS, STREAM_CALLS, STREAMING_CALLS, STREAMS, Ask
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from outcomes import outcome, read_stream, read_value, reader

import otel_llm
from otel_llm import ContentCapture, MetricGeneration, Settings

#: Everything on: what reads most of an answer breaks most easily.
EVERYTHING = Settings(
    capture_content=ContentCapture.SPAN_AND_EVENT,
    emit_event=True,
    metrics=MetricGeneration.BOTH,
    capture_media=True,
)
#: A malformed answer lacks what the conventions want of an answer.
_ANSWERED = {
    "gen_ai.response.id",
    "gen_ai.response.model",
    "gen_ai.response.finish_reasons",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.embeddings.dimension.count",
    "openai.response.service_tier",
    "gen_ai.response.time_to_first_chunk",
}


@pytest.fixture
def compare(recorder: Any, server: Any, client: Any, async_client: Any) -> Any:
    recorder.missing |= _ANSWERED

    async def compare(calls: dict[str, Ask], reply: Any, read: Any) -> None:
        otel_llm.uninstrument()
        expected = {}
        for kind in (client, async_client):
            for name, ask in calls.items():
                server.reply_with(reply)
                expected[kind, name] = await outcome(lambda ask=ask, kind=kind: ask(kind), read)
        sent = [(request.path, request.body) for request in server.requests]
        for kind, settings in ((client, Settings()), (client, EVERYTHING), (async_client, EVERYTHING)):
            server.clear()
            recorder.instrument(settings)
            for name, ask in calls.items():
                before = len(recorder.spans)
                server.reply_with(reply)
                given = await outcome(lambda ask=ask, kind=kind: ask(kind), read)
                assert given == expected[kind, name], name
                if len(recorder.spans) == before:  # the first SDKs do not close a stream that fails
                    for _ in range(20):  # each of the generators that were dropped is closed in a turn of the loop
                        await asyncio.sleep(0)
                    gc.collect()
                assert len(recorder.spans) == before + 1, name
            half = sent[: len(calls)] if kind is client else sent[len(calls) :]
            assert [(request.path, request.body) for request in server.requests] == half
        # Whatever was recorded can be exported: one string that is no UTF-8 or one too large a number loses a batch.
        encode_spans(recorder.spans).SerializeToString()
        encode_logs(recorder.log_exporter.get_finished_logs()).SerializeToString()
        encode_metrics(recorder.metrics).SerializeToString()

    return compare


@pytest.mark.parametrize("name", BODIES)
async def test_a_body(compare: Any, name: str) -> None:
    await compare(BODY_CALLS, BODIES[name], read_value)


@pytest.mark.parametrize("name", STREAMS)
async def test_a_stream(compare: Any, name: str) -> None:
    await compare(STREAM_CALLS, STREAMS[name], read_stream)


@pytest.mark.parametrize("how", ["parse", "read", "text", "json", "iter_bytes", "iter_text", "iter_lines", "close"])
@pytest.mark.parametrize("name", ["good", "empty body", "HTML", "dropped", "cut off", "too deep", "invalid UTF-8"])
async def test_a_body_read_by_the_caller(compare: Any, name: str, how: str) -> None:
    calls = {key: ask for key, ask in STREAMING_CALLS.items() if "stream" not in key}
    await compare(calls, BODIES[name], reader(how))


@pytest.mark.parametrize("how", ["parse", "read", "text", "iter_bytes", "iter_text", "iter_lines", "close"])
@pytest.mark.parametrize("name", ["good", "no [DONE]", "dropped", "too deep", "invalid UTF-8", "byte by byte"])
async def test_a_stream_read_by_the_caller(compare: Any, name: str, how: str) -> None:
    calls = {key: ask for key, ask in STREAMING_CALLS.items() if "stream" in key}
    await compare(calls, STREAMS[name], reader(how))


def test_what_the_wrapper_looks_like(recorder: Any, client: Any) -> None:
    import inspect
    import typing

    for kind in (openai.OpenAI, openai.AsyncOpenAI):
        method = kind.request
        assert inspect.iscoroutinefunction(method) is (kind is openai.AsyncOpenAI)
        assert next(iter(inspect.signature(method).parameters)) == "self"
        assert method.__name__ == "request"
        assert typing.get_overloads(method.__wrapped__) is not None
    assert inspect.ismethod(client.request)
    assert client.request.__self__ is client
