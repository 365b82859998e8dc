"""Our own code breaks: the caller does not notice, the log says so once, and not what was in the prompt."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from answers import BODIES, BODY_CALLS, STREAM_CALLS, STREAMS
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from outcomes import outcome, read_stream, read_value

import otel_llm
from otel_llm import ContentCapture, Settings
from otel_llm.background import deferred
from otel_llm.content import policy
from otel_llm.core import call, instruments, listeners, nesting, recording, request
from otel_llm.protocols.openai import chat, content, embeddings, responses
from otel_llm.providers import openai as provider

CONTENT = Settings(capture_content=ContentCapture.SPAN_AND_EVENT, stream_usage=True)
PROMPT = "capital of France"


class BrokenError(Exception):
    """Ours, and its text quotes the prompt."""


def broken(*args: Any, **kwargs: Any) -> Any:
    raise BrokenError(f"What is the {PROMPT}?")


#: What breaks: where, and its name.
PLACES: list[tuple[Any, str]] = [
    (provider, "_body"),
    (provider.Servers, "of"),
    (provider, "watch_stream"),
    (provider, "watch_response"),
    (provider, "read_body"),
    (provider, "note_exchange"),
    (nesting, "start"),
    (content.MessageConverter, "message"),
    (content.MessageConverter, "choice"),
    (chat, "usage"),
    (chat, "is_usage_only"),
    (chat.ChatAccumulator, "__init__"),
    (chat.ChatAccumulator, "add"),
    (chat.ChatAccumulator, "response"),
    (responses.ResponseAccumulator, "add"),
    (responses.ResponseAccumulator, "response"),
    (responses, "finish_reason"),
    (embeddings, "_dimensions"),
    (recording, "encode"),
    (call.Call, "_record_metrics"),
    (request.Response, "describe"),
    (recording.Recording, "emit"),
    (call.Call, "chunk"),
    (instruments.Instruments, "_series_of"),
    (policy, "dumps"),
]


@pytest.fixture
def unaffected(recorder: Any, server: Any, client: Any, async_client: Any, quiet: Any) -> Any:
    """Every call has its outcome whatever ``break_it`` breaks; the warnings logged meanwhile."""

    async def unaffected(break_it: Any) -> list[logging.LogRecord]:
        asked = [(ask, BODIES["good"], read_value) for ask in BODY_CALLS.values()]
        asked += [(ask, STREAMS["good"], read_stream) for ask in STREAM_CALLS.values()]
        asked += [
            (BODY_CALLS["chat"], BODIES["error"], read_value),
            (STREAM_CALLS["chat"], STREAMS["null"], read_stream),
        ]
        asked = [(ask, reply, read, kind) for ask, reply, read in asked for kind in (client, async_client)]
        otel_llm.uninstrument()
        expected = []
        for ask, reply, read, kind in asked:
            server.reply_with(reply)
            expected.append(await outcome(lambda ask=ask, kind=kind: ask(kind), read))
        recorder.instrument(CONTENT)
        break_it()
        quiet.clear()
        for (ask, reply, read, kind), wanted in zip(asked, expected, strict=True):
            server.reply_with(reply)
            assert await outcome(lambda ask=ask, kind=kind: ask(kind), read) == wanted
        deferred.catch_up()
        records = [record for record in quiet.records if record.name == "otel_llm"]
        assert not any(record.exc_info or PROMPT in record.getMessage() for record in records)
        quiet.clear()
        recorder.span_exporter.clear()
        recorder.log_exporter.clear()
        return records

    return unaffected


@pytest.mark.parametrize(("owner", "name"), PLACES, ids=[f"{o.__name__.split('.')[-1]}.{n}" for o, n in PLACES])
async def test_a_function_of_ours(unaffected: Any, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    records = await unaffected(lambda: monkeypatch.setattr(owner, name, broken))
    said = [record.getMessage() for record in records]
    assert said
    assert all("otel-llm failed in" in line and "BrokenError" in line for line in said)
    assert len({line.split(";")[0] for line in said}) == len(said)  # once a place


@pytest.mark.parametrize("instance", ["tracer", "logger", "instruments"])
async def test_what_we_write_to(unaffected: Any, monkeypatch: pytest.MonkeyPatch, instance: str) -> None:
    from otel_llm.providers.openai import OpenAIInstrumentor

    class Broken:
        def __getattr__(self, name: str) -> Any:
            return broken

    assert await unaffected(lambda: setattr(OpenAIInstrumentor().telemetry, instance, Broken()))


async def test_an_exporter(unaffected: Any, recorder: Any) -> None:
    class Exporter:
        export = staticmethod(broken)
        shutdown = force_flush = print

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Exporter()))  # type: ignore[arg-type]

    def break_it() -> None:
        otel_llm.uninstrument()
        otel_llm.instrument(settings=CONTENT, tracer_provider=provider, meter_provider=MeterProvider())

    await unaffected(break_it)


async def test_a_span_processor(unaffected: Any, recorder: Any) -> None:
    class Processor:
        on_start = on_end = _on_ending = staticmethod(broken)
        shutdown = force_flush = print

    provider = TracerProvider()
    provider.add_span_processor(Processor())  # type: ignore[arg-type]

    def break_it() -> None:
        otel_llm.uninstrument()
        otel_llm.instrument(settings=CONTENT, tracer_provider=provider)

    assert await unaffected(break_it)


async def test_who_hears_of_the_end_of_calls(unaffected: Any) -> None:
    """One who fails keeps it neither from the caller nor from the next."""
    heard: list[listeners.EndedCall] = []

    def listen() -> None:
        listeners.SHARED.add(broken)
        listeners.SHARED.add(heard.append)

    try:
        assert await unaffected(listen)
    finally:
        listeners.SHARED.remove(broken)
        listeners.SHARED.remove(heard.append)
    assert heard


def test_an_error_that_cannot_be_read(recorder: Any, server: Any, quiet: Any) -> None:
    """Its text and its code fail: the span ends all the same, with its class."""
    import openai

    class UnreadableError(Exception):
        code = property(broken)
        __str__ = broken

    def hook(request: Any) -> None:
        raise UnreadableError

    recorder.instrument(CONTENT)
    with openai.OpenAI(base_url=server.base_url, api_key="x", max_retries=0) as client:
        client._client.event_hooks = {"request": [hook]}
        with pytest.raises((openai.APIConnectionError, UnreadableError)) as caught:
            client.embeddings.create(model="e", input="x")
    assert recorder.span.attributes["error.type"].endswith(type(caught.value).__name__)
    quiet.clear()


def test_a_log_handler_that_fails(recorder: Any, client: Any, monkeypatch: pytest.MonkeyPatch, quiet: Any) -> None:
    class Handler(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            return bool(broken())

    handler = Handler()
    logging.getLogger("otel_llm").addHandler(handler)
    try:
        monkeypatch.setattr(provider, "_body", broken)
        assert BODY_CALLS["chat"](client).choices
    finally:
        logging.getLogger("otel_llm").removeHandler(handler)
    quiet.clear()
