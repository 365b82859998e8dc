"""The span of a generator ends on every way out of it, once, and with what it ended by."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import weakref
from typing import Any

import pytest
from counting import OUTCOME, acount, clean, count, here

import otel_llm


def test_closed(recorder: Any) -> None:
    running = count()
    next(running)
    running.close()
    assert recorder.attributes[OUTCOME] == "closed"
    assert list(running) == []
    assert recorder.span


def test_what_it_returns_when_it_is_closed(recorder: Any) -> None:
    """Whoever closes it is given that, from Python 3.13."""

    def stream() -> Any:
        try:
            yield 1
        except GeneratorExit:
            return "closed"

    plain, observed = stream(), otel_llm.observe(stream)()
    next(plain)
    next(observed)
    assert observed.close() == plain.close()
    assert recorder.attributes[OUTCOME] == "closed"


async def test_an_error_is_not_kept(recorder: Any) -> None:
    """By a cycle, until the garbage collector comes by."""

    class ThrownError(Exception):
        pass

    gc.collect()
    gc.disable()
    try:
        for running in (count(), acount()):
            error = ThrownError()
            gone = weakref.ref(error)
            with contextlib.suppress(ThrownError):
                if hasattr(running, "athrow"):
                    await anext(running)
                    await running.athrow(error)
                else:
                    next(running)
                    running.throw(error)
            del error
            assert gone() is None
    finally:
        gc.enable()


def test_broken_off_and_dropped(recorder: Any) -> None:
    for _ in count():
        break
    gc.collect()
    assert recorder.attributes[OUTCOME] == "closed"


def test_never_begun(recorder: Any) -> None:
    count().close()
    count()
    gc.collect()
    assert recorder.spans == []


def test_dropped_in_another_context(recorder: Any) -> None:
    running = [count()]
    contextvars.copy_context().run(next, running[0])
    contextvars.copy_context().run(running.clear)
    gc.collect()
    assert recorder.attributes[OUTCOME] == "closed"


def test_its_own_cleaning_up_runs_inside_of_it(recorder: Any) -> None:
    seen = []

    @otel_llm.observe
    def stream() -> Any:
        try:
            yield 1
        finally:
            seen.append(here())

    running = stream()
    next(running)
    running.close()
    assert seen == [recorder.span.context.span_id]


def test_an_error_of_its_own(recorder: Any) -> None:
    @otel_llm.observe
    def stream() -> Any:
        yield 1
        raise ValueError("no")

    running = stream()
    next(running)
    with pytest.raises(ValueError, match="no"):
        next(running)
    assert recorder.attributes["error.type"] == "ValueError"


def test_an_error_of_the_consumers(recorder: Any) -> None:
    """It is the consumer's: the generator was closed by it."""
    running = count()

    def consume() -> None:
        for _ in running:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        consume()
    running.close()
    assert recorder.attributes[OUTCOME] == "closed"
    assert "error.type" not in recorder.attributes


def test_an_error_thrown_into_it(recorder: Any) -> None:
    running = count()
    next(running)
    with pytest.raises(ValueError, match="thrown"):
        running.throw(ValueError("thrown"))
    assert recorder.attributes["error.type"] == "ValueError"


def test_one_that_will_not_be_closed(recorder: Any) -> None:
    @otel_llm.observe
    def stubborn() -> Any:
        with contextlib.suppress(GeneratorExit):
            yield 1
        yield 2

    running = stubborn()
    next(running)
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
        running.close()
    assert recorder.attributes["error.type"] == "RuntimeError"


async def test_closed_async(recorder: Any) -> None:
    running = acount()
    await anext(running)
    await running.aclose()
    assert recorder.attributes[OUTCOME] == "closed"
    assert clean()


async def test_an_error_async(recorder: Any) -> None:
    @otel_llm.observe
    async def stream() -> Any:
        yield 1
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        async for _ in stream():
            pass
    assert recorder.attributes["error.type"] == "ValueError"
    assert clean()


async def test_cancelled_while_it_waits(recorder: Any) -> None:
    begun = asyncio.Event()

    @otel_llm.observe
    async def stream() -> Any:
        begun.set()
        await asyncio.Event().wait()
        yield 1

    async def read() -> None:
        async for _ in stream():
            pass

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert recorder.attributes["otel_llm.stream.outcome"] == "cancelled"
    assert "error.type" not in recorder.attributes


async def test_dropped_async(recorder: Any) -> None:
    """The loop closes what is dropped, in a task of its own."""
    running: Any = acount()
    await anext(running)
    del running
    gc.collect()
    for _ in range(100):
        if recorder.spans:
            break
        await asyncio.sleep(0.01)
    assert recorder.attributes[OUTCOME] == "closed"
    assert clean()


def test_left_to_the_end_of_the_loop(recorder: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Which closes all that it knows at once; a generator that waits as it is closed would be closed twice."""
    closed = []

    @otel_llm.observe
    async def stream() -> Any:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            closed.append(here())

    async def leave() -> list[Any]:
        running = [stream() for _ in range(8)]
        for one in running:
            await anext(one)
        return running

    running = asyncio.run(leave())
    assert len(running) == 8
    assert [record.getMessage() for record in caplog.records] == []
    assert sorted(closed) == sorted(span.context.span_id for span in recorder.spans)
    assert {span.attributes[OUTCOME] for span in recorder.spans} == {"closed"}


def test_dropped_async_without_a_loop(recorder: Any) -> None:
    class Pause:
        def __await__(self) -> Any:
            yield

    @otel_llm.observe
    async def stream() -> Any:
        await Pause()
        yield 1

    running = stream()
    reading = running.asend(None)
    contextvars.copy_context().run(reading.send, None)
    reading.close()
    del reading, running
    gc.collect()
    assert recorder.attributes[OUTCOME] == "closed"
