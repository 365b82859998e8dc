"""Every way out of a call ends exactly one span, and leaves nothing current."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import threading
from typing import Any

import pytest
from standin.server import Reply, sse

ASK: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
INPUT: dict[str, Any] = {"model": "gpt-4o-mini", "input": "hi"}
REASONS = "gen_ai.response.finish_reasons"
OUTCOME = "otel_llm.stream.outcome"


def chunk(words: str | None, reason: str | None = None) -> dict[str, Any]:
    delta = {} if words is None else {"content": words}
    return {
        "id": "c-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4o-mini-2024-07-18",
        "service_tier": "default",
        "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
    }


@pytest.fixture
def gate(server: Any, recorder: Any) -> Any:
    """The server sends one chunk, then waits at this gate."""
    recorder.missing |= {"gen_ai.response.id", "gen_ai.response.model", "openai.response.service_tier"}
    recorder.missing |= {
        "gen_ai.response.time_to_first_chunk",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
    }
    gate = server.hold()
    server.reply_with(Reply(chunks=sse(chunk("Pa"), gate, chunk("ris"), chunk(None, "stop"))))
    yield gate
    gate.open()


def ended(recorder: Any, error: str | None = None, outcome: str | None = None, reasons: Any = ("error",)) -> None:
    attributes = recorder.attributes  # of the one span
    given = (attributes.get("error.type"), attributes.get(OUTCOME), attributes.get(REASONS))
    assert given == (error, outcome, reasons)
    assert len(recorder.points("gen_ai.client.operation.duration")) == 1


class Interrupt(BaseException):  # noqa: N818
    """As KeyboardInterrupt is one, which would stop the test run."""


INTERRUPT = f"{__name__}.Interrupt"


# --- calls ---------------------------------------------------------------------------------------


def test_returned(recorder: Any, client: Any) -> None:
    client.chat.completions.create(**ASK)
    ended(recorder, reasons=("stop",))


def test_raised(recorder: Any, client: Any) -> None:
    import openai

    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(**{**ASK, "model": "error-404"})
    ended(recorder, "openai.NotFoundError")


def interrupting(client: Any) -> None:
    def interrupt(request: Any) -> None:
        raise Interrupt

    client._client.event_hooks = {"request": [interrupt]}


def test_interrupted(recorder: Any, client: Any) -> None:
    interrupting(client)
    with pytest.raises(Interrupt):
        client.chat.completions.create(**ASK)
    ended(recorder, INTERRUPT)


async def waiting_for_headers(server: Any, async_client: Any) -> asyncio.Task[Any]:
    gate = server.hold()
    server.reply_with(Reply(body={}, delay=gate))
    task = asyncio.ensure_future(async_client.chat.completions.create(**ASK))
    await asyncio.to_thread(gate.reached.wait, 30)
    return task


async def test_cancelled_before_the_headers(recorder: Any, server: Any, async_client: Any) -> None:
    task = await waiting_for_headers(server, async_client)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    ended(recorder, "asyncio.exceptions.CancelledError")


async def test_timed_out(recorder: Any, server: Any, async_client: Any) -> None:
    gate = server.hold()
    server.reply_with(Reply(body={}, delay=gate))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as limit:
            call = asyncio.ensure_future(async_client.chat.completions.create(**ASK))
            await asyncio.to_thread(gate.reached.wait, 30)
            limit.reschedule(0)
            await call
    ended(recorder, "asyncio.exceptions.CancelledError")


async def test_never_awaited(recorder: Any, async_client: Any) -> None:
    async_client.chat.completions.create(**ASK).close()
    assert recorder.spans == []


@pytest.mark.parametrize("where", ["the same context", "another context", "another thread"])
async def test_coroutine_closed(recorder: Any, server: Any, async_client: Any, where: str) -> None:
    server.reply_with(Reply(body={}, delay=server.hold()))
    coroutine = async_client.chat.completions.create(**ASK)
    coroutine.send(None)  # as far as the first wait
    if where == "the same context":
        coroutine.close()
    elif where == "another context":
        contextvars.Context().run(coroutine.close)
        ended(recorder, "GeneratorExit")
        return left_current()
    else:
        thread = threading.Thread(target=coroutine.close)
        thread.start()
        thread.join()
        ended(recorder, "GeneratorExit")
        return left_current()
    return ended(recorder, "GeneratorExit")


def left_current() -> None:
    """A coroutine stepped by hand and closed elsewhere can't take back what it made current here; the test does."""
    from opentelemetry import context

    context.attach(context.Context())


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
    with pytest.raises(Interrupt), client.chat.completions.create(**ASK, stream=True) as stream:
        next(iter(stream))
        raise Interrupt
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
    ended(recorder, "asyncio.exceptions.CancelledError")


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


def test_a_log_of_the_sdk_is_none_of_ours(quiet: Any) -> None:
    """What the checks above rely on: a context that can't be detached is logged by OpenTelemetry."""
    from opentelemetry import context

    token = contextvars.Context().run(context.attach, context.Context())
    context.detach(token)
    assert any(record.levelno == logging.ERROR for record in quiet.records)
    quiet.clear()
