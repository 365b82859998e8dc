"""Every way out of a stream ends exactly one span, and leaves nothing current."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import threading
from typing import Any

import pytest
from exits import ASK, INPUT, OUTCOME, REASONS, Interrupt, chunk, ended

from processes import run
from standin.server import Reply, sse

# --- streams ---------------------------------------------------------------------------------------


def test_drained(recorder: Any, client: Any, gate: Any) -> None:
    gate.open()
    assert len(list(client.chat.completions.create(**ASK, stream=True))) == 3
    ended(recorder, reasons=("stop",))


def test_left_by_break(recorder: Any, client: Any, gate: Any) -> None:
    with client.chat.completions.create(**ASK, stream=True) as stream:
        for _ in stream:
            break
        assert recorder.spans == []
    ended(recorder, outcome="closed")


def test_left_by_an_exception(recorder: Any, client: Any, gate: Any) -> None:
    def read() -> None:
        with client.chat.completions.create(**ASK, stream=True) as stream:
            next(iter(stream))
            raise Interrupt

    with pytest.raises(Interrupt):
        read()
    ended(recorder, outcome="closed")


def test_closed_unread(recorder: Any, client: Any, gate: Any) -> None:
    stream = client.chat.completions.create(**ASK, stream=True)
    stream.close()
    stream.close()
    ended(recorder, outcome="closed")


def test_closed_after_the_last_reason(recorder: Any, client: Any, server: Any) -> None:
    server.reply_with(Reply(chunks=sse(chunk("Paris", "stop"), server.hold())))
    with client.chat.completions.create(**ASK, stream=True) as stream:
        next(stream)
    ended(recorder, reasons=("stop",))


@pytest.mark.parametrize("how", ["close", "aclose"])
async def test_closed_async(recorder: Any, async_client: Any, gate: Any, how: str) -> None:
    stream = await async_client.chat.completions.create(**ASK, stream=True)
    await anext(stream)
    await getattr(stream, how, stream.close)()
    ended(recorder, outcome="closed")


@pytest.mark.parametrize("read", [0, 1])
def test_dropped(recorder: Any, client: Any, gate: Any, read: int) -> None:
    stream = client.chat.completions.create(**ASK, stream=True)
    for _ in range(read):
        next(stream)
    del stream
    gc.collect()
    ended(recorder, outcome="abandoned")


@pytest.mark.parametrize("read", [0, 1])
async def test_dropped_async(recorder: Any, async_client: Any, gate: Any, read: int) -> None:
    stream = await async_client.chat.completions.create(**ASK, stream=True)
    for _ in range(read):
        await anext(stream)
    del stream
    gc.collect()
    ended(recorder, outcome="abandoned")


async def test_cancelled_between_chunks(recorder: Any, async_client: Any, gate: Any) -> None:
    stream = await async_client.chat.completions.create(**ASK, stream=True)
    first = await anext(stream)
    task = asyncio.ensure_future(anext(stream))
    await asyncio.to_thread(gate.reached.wait, 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert first.choices
    ended(recorder, outcome="cancelled")


async def test_closed_by_another_task(recorder: Any, async_client: Any, gate: Any) -> None:
    stream = await async_client.chat.completions.create(**ASK, stream=True)
    await anext(stream)
    reading = asyncio.ensure_future(anext(stream))
    await asyncio.to_thread(gate.reached.wait, 30)
    await stream.close()
    reading.cancel()
    await asyncio.wait([reading])
    assert len(recorder.spans) == 1


@pytest.mark.parametrize("model", ["error-cut", "error-stream"])
def test_failed_half_way(recorder: Any, client: Any, model: str) -> None:
    import openai

    with pytest.raises((openai.APIError, Exception)) as caught:
        list(client.chat.completions.create(**{**ASK, "model": model}, stream=True))
    kind = type(caught.value)
    ended(recorder, f"{kind.__module__}.{kind.__qualname__}")


def test_a_response_that_failed(recorder: Any, client: Any) -> None:
    recorder.missing.add("openai.response.service_tier")
    list(client.responses.create(**{**INPUT, "model": "error-failed"}, stream=True))
    assert recorder.attributes["error.type"] == "server_error"
    assert recorder.attributes[REASONS] == ("error",)


def test_read_by_a_generator_of_another_thread(recorder: Any, client: Any, gate: Any) -> None:
    def words() -> Any:
        with client.chat.completions.create(**ASK, stream=True) as stream:
            yield from stream

    generator = words()
    thread = threading.Thread(target=lambda: contextvars.Context().run(next, generator))
    thread.start()
    thread.join()
    generator.close()
    ended(recorder, outcome="closed")


def test_helper_of_the_sdk_closed(recorder: Any, client: Any, gate: Any) -> None:
    completions = client.chat.completions
    helper = completions.stream if hasattr(completions, "stream") else client.beta.chat.completions.stream
    with helper(**ASK) as stream:
        next(iter(stream))
    ended(recorder, outcome="closed")


# --- raw responses -----------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_raw_left_unread(recorder: Any, client: Any, gate: Any, stream: bool) -> None:
    extra = {"stream": True} if stream else {}
    with client.chat.completions.with_streaming_response.create(**ASK, **extra) as response:
        assert response.status_code == 200
    ended(recorder, outcome="closed")


def test_raw_left_half_way(recorder: Any, client: Any, gate: Any) -> None:
    with client.chat.completions.with_streaming_response.create(**ASK, stream=True) as response:
        for _ in response.iter_lines():
            break
    ended(recorder, outcome="closed")


async def test_raw_left_half_way_async(recorder: Any, async_client: Any, gate: Any) -> None:
    async with async_client.chat.completions.with_streaming_response.create(**ASK, stream=True) as response:
        lines = response.iter_lines()
        await anext(lines)
        await lines.aclose()
    ended(recorder, outcome="closed")


def test_raw_dropped(recorder: Any, client: Any, gate: Any) -> None:
    response = client.chat.completions.with_raw_response.create(**ASK, stream=True)
    next(response.parse())
    del response
    gc.collect()
    assert recorder.attributes[OUTCOME] in ("closed", "abandoned")
    ended(recorder, outcome=recorder.attributes[OUTCOME])


# --- a finalizer runs anywhere -------------------------------------------------------------------------


def test_dropped_while_the_sdk_holds_a_lock(recorder: Any, client: Any, gate: Any, server: Any) -> None:
    """The garbage collector finds a dropped stream while a span is being ended: the thread must not wait for itself."""
    from opentelemetry.sdk.trace import SpanProcessor

    class Locking(SpanProcessor):
        lock = threading.Lock()

        def on_end(self, span: Any) -> None:
            assert self.lock.acquire(blocking=False)  # a real processor would wait for ever
            gc.collect()
            self.lock.release()

    recorder.tracer_provider.add_span_processor(Locking())
    gc.disable()
    try:
        stream = client.chat.completions.create(**ASK, stream=True)
        next(stream)
        del stream
        client.embeddings.create(model="e", input="x")
    finally:
        gc.enable()
    assert [span.name for span in recorder.spans] == ["embeddings e"]
    client.embeddings.create(model="e", input="x")
    assert len(recorder.spans) == 3
    dropped = recorder.spans[1]
    assert dropped.attributes[OUTCOME] == "abandoned"
    assert dropped.end_time <= recorder.spans[2].start_time


def test_dropped_there_when_no_call_follows() -> None:
    told = run(
        """
        import gc
        import openai, otel_llm
        from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
        from standin.openai import OpenAIServer

        class Collecting(SpanProcessor):
            def on_end(self, span):
                gc.collect()

        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(formatter=lambda span: span.name + "\\n")))
        provider.add_span_processor(Collecting())
        otel_llm.instrument("openai", tracer_provider=provider)
        with OpenAIServer() as server, openai.OpenAI(base_url=server.base_url, api_key="x") as client:
            gc.disable()
            stream = client.responses.create(model="r", input="hi", stream=True)
            next(stream)
            del stream
            client.embeddings.create(model="e", input="x")
        """
    )
    assert told.stdout.splitlines() == ["embeddings e", "chat r"]


def test_a_log_of_the_sdk_is_none_of_ours(quiet: Any) -> None:
    """What the checks above rely on: a context that can't be detached is logged by OpenTelemetry."""
    from opentelemetry import context

    token = contextvars.Context().run(context.attach, context.Context())
    context.detach(token)
    assert any(record.levelno == logging.ERROR for record in quiet.records)
    quiet.clear()
