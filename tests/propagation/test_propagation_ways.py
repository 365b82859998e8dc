"""Tasks, threads, executors and decorators carry what ``otel_llm.propagate_attributes`` says."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import context as otel_context
from opentelemetry.sdk.trace import TracerProvider
from saying import said

import otel_llm
from interpreter import python


async def test_tasks(recorder: Any) -> None:
    async def work(number: int) -> None:
        async with otel_llm.propagate_attributes(session_id=f"s-{number}"):
            await asyncio.sleep(0)
            await asyncio.gather(asyncio.create_task(step(number)), step(number))

    async def step(number: int) -> None:
        await asyncio.sleep(0)
        with otel_llm.step_span(f"s-{number}"):
            await asyncio.sleep(0)

    await asyncio.gather(*(work(number) for number in range(10)))
    assert len(recorder.spans) == 20
    assert all(span.attributes["session.id"] == span.name for span in recorder.spans)


def work() -> str:
    with otel_llm.step_span("work"):
        return threading.current_thread().name


async def async_work() -> None:
    with otel_llm.step_span("async work"):
        await asyncio.sleep(0)


def test_executors_and_threads(recorder: Any) -> None:
    with ThreadPoolExecutor(1) as pool, otel_llm.propagate_attributes(session_id="s-1"), otel_llm.step_span("parent"):
        assert pool.submit(otel_llm.bind_context(work)).result() != threading.current_thread().name
        assert pool.submit(work).result()
        thread = threading.Thread(target=otel_llm.bind_context(work))
        thread.start()
        thread.join()
        pool.submit(lambda: asyncio.run(otel_llm.bind_context(async_work)())).result()  # what it makes is run elsewhere
    carried, bare, threaded, coroutine, parent = recorder.spans
    assert said(bare) == {}
    assert bare.parent is None
    for span in (carried, threaded):
        assert span.attributes["session.id"] == "s-1"
        assert span.parent.span_id == parent.context.span_id
    assert coroutine.parent is None  # the context of where `in_context` was called: there was none
    assert otel_context.get_current() == {}


def test_a_coroutine_in_another_loop(recorder: Any) -> None:
    with otel_llm.propagate_attributes(session_id="s-1"):
        carried = otel_llm.bind_context(async_work)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(carried())).result()
    assert recorder.attributes["session.id"] == "s-1"


def test_the_threading_instrumentation(recorder: Any) -> None:
    threading_instrumentation = pytest.importorskip("opentelemetry.instrumentation.threading")
    instrumentor = threading_instrumentation.ThreadingInstrumentor()
    instrumentor.instrument(skip_dep_check=True)
    try:
        with ThreadPoolExecutor(1) as pool, otel_llm.propagate_attributes(session_id="s-1"):
            pool.submit(work).result()
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
    finally:
        instrumentor.uninstrument()
    assert [span.attributes["session.id"] for span in recorder.spans] == ["s-1", "s-1"]


def test_as_a_decorator(recorder: Any) -> None:
    @otel_llm.propagate_attributes(session_id="s-1")
    @otel_llm.observe
    def step(depth: int) -> int:
        return step(depth - 1) if depth else 7

    assert step(1) == 7
    assert step.__name__ == "step"
    assert [span.attributes["session.id"] for span in recorder.spans] == ["s-1", "s-1"]


async def test_as_a_decorator_of_coroutine_functions(recorder: Any) -> None:
    @otel_llm.propagate_attributes(session_id="s-1")
    async def step() -> None:
        await async_work()

    assert asyncio.iscoroutinefunction(step)
    await asyncio.gather(step(), step())
    assert [span.attributes["session.id"] for span in recorder.spans] == ["s-1", "s-1"]


async def test_as_a_decorator_of_what_else_is_called(recorder: Any) -> None:
    class Called:
        async def __call__(self) -> None:
            await async_work()

    class Thing:
        @otel_llm.propagate_attributes(session_id="s-1")
        @staticmethod
        def static(depth: int) -> None:
            work()

        @otel_llm.propagate_attributes(session_id="s-1")
        @classmethod
        def of_class(cls, depth: int) -> None:
            work()

        @otel_llm.propagate_attributes(session_id="s-1")
        def method(self) -> None:
            work()

    await otel_llm.propagate_attributes(session_id="s-1")(Called())()
    Thing.static(1)
    Thing().static(1)
    Thing().of_class(1)
    Thing().method()
    with otel_llm.propagate_attributes(session_id="s-1"):
        carried = otel_llm.bind_context(Called())
    await carried()
    assert [span.attributes["session.id"] for span in recorder.spans] == ["s-1"] * 6


def test_a_provider_of_the_applications_own() -> None:
    """Spans that are written elsewhere are told as well, once their provider has been seen."""
    provider = TracerProvider()
    seen: list[Any] = []

    class Keep:
        def on_start(self, span: Any, parent_context: Any = None) -> None: ...
        def _on_ending(self, span: Any) -> None: ...
        def on_end(self, span: Any) -> None:
            seen.append(span)

        def shutdown(self) -> None: ...
        def force_flush(self, timeout_millis: int = 0) -> bool:
            return True

    provider.add_span_processor(Keep())  # type: ignore[arg-type]
    for _ in range(3):
        otel_llm.instrument(tracer_provider=provider)
        otel_llm.uninstrument()
    assert len(provider._active_span_processor._span_processors) == 2  # ours only once
    with otel_llm.propagate_attributes(session_id="s-1"):
        provider.get_tracer("own").start_span("own").end()
    assert seen[0].attributes["session.id"] == "s-1"


@pytest.mark.parametrize(
    "use",
    [
        "with otel_llm.propagate_attributes(session_id='s-1'): work()",
        "otel_llm.propagate_attributes(session_id='s-1')(work)()",
    ],
)
def test_a_program_that_never_instruments(use: str) -> None:
    program = f"""
import otel_llm
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

with otel_llm.propagate_attributes(session_id="early"):  # no SDK as yet
    pass
trace.set_tracer_provider(TracerProvider())

def work():
    with otel_llm.step_span("ours"):
        span = trace.get_tracer("theirs").start_span("theirs")
        assert trace.get_current_span().attributes["session.id"] == span.attributes["session.id"] == "s-1"

{use}
"""
    python("-c", program)


def holding(which: str) -> Any:
    return otel_llm.propagate_attributes(session_id="s-1") if which == "context" else otel_llm.step_span("s")


@pytest.mark.parametrize("which", ["context", "step"])
def test_entered_and_left_by_different_threads(recorder: Any, which: str) -> None:
    """As a dependency of a web framework's is, that is a generator."""
    both = holding(which)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(contextvars.copy_context().run, both.__enter__).result()
        pool.submit(contextvars.copy_context().run, both.__exit__, None, None, None).result()


@pytest.mark.parametrize("which", ["context", "step"])
async def test_a_generator_that_is_dropped(recorder: Any, which: str) -> None:
    """The loop closes it in a task of its own, as when a browser goes away."""
    closed = asyncio.Event()

    async def stream() -> Any:
        try:
            with holding(which):
                yield 1
        finally:
            closed.set()

    async for _ in stream():
        break
    gc.collect()
    await asyncio.wait_for(closed.wait(), 30)


@pytest.mark.parametrize("which", ["context", "step"])
def test_left_where_it_is_current_but_was_not_entered(recorder: Any, which: str) -> None:
    both = holding(which)

    def leave() -> None:
        both.__exit__(None, None, None)
        assert otel_context.get_current() == {}

    def enter() -> None:
        both.__enter__()
        contextvars.copy_context().run(leave)

    contextvars.copy_context().run(enter)


@pytest.mark.parametrize("decorate", [otel_llm.propagate_attributes(session_id="s"), otel_llm.bind_context])
def test_a_coroutine_that_is_dropped(decorate: Any) -> None:
    class Pause:
        def __await__(self) -> Any:
            yield

    async def wait() -> None:
        await Pause()

    waiting = decorate(wait)()
    contextvars.copy_context().run(waiting.send, None)
    waiting.close()
