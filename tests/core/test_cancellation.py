"""Who was cancelled and whose time was up, whatever asyncio and anyio put between the two."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from exits import ASK, OUTCOME

import otel_llm
from processes import run
from standin.server import Reply

#: Waits for an answer that never comes.
Ask = Callable[[], Awaitable[Any]]
SOON = 0.05


class Kinds:
    """The kinds of calls that a task may wait in."""

    def __init__(self, server: Any, client: Any) -> None:
        self.server, self.client = server, client
        self.begun = asyncio.Event()

    async def call(self) -> None:
        self.server.reply_with(Reply(body={}, delay=self.server.hold()))
        self.begun.set()
        await self.client.chat.completions.create(**ASK)

    async def stream(self) -> None:
        stream = await self.client.chat.completions.create(**ASK, stream=True)
        self.begun.set()
        async for _ in stream:
            pass

    @otel_llm.observe(name="function")
    async def function(self) -> None:
        self.begun.set()
        await asyncio.Event().wait()


@pytest.fixture
def kinds(server: Any, gate: Any, async_client: Any) -> Kinds:
    return Kinds(server, async_client)


@pytest.fixture(params=["call", "stream", "function"])
def ask(request: Any, lenient: Any, kinds: Kinds) -> Ask:
    wait: Ask = getattr(kinds, request.param)
    return wait


def how(recorder: Any, name: str | None = None) -> str:
    """How the one call, or the span of ``name``, has ended."""
    (span,) = [span for span in recorder.spans if name in (None, span.name)]
    error, outcome = (span.attributes.get(key) for key in ("error.type", OUTCOME))
    assert span.status.is_unset is (error is None)
    assert error is None or outcome is None
    return str(error or outcome)


# --- timeouts --------------------------------------------------------------------------------------


async def around(ask: Ask) -> None:
    async with asyncio.timeout(SOON):
        await ask()


async def within_another(ask: Ask) -> None:
    async with asyncio.timeout(600), asyncio.timeout(SOON):
        await ask()


async def around_another(ask: Ask) -> None:
    async with asyncio.timeout(SOON), asyncio.timeout(600):
        await ask()


async def with_a_cleanup_that_waits(ask: Ask) -> None:
    async with asyncio.timeout(SOON):
        try:
            await ask()
        finally:
            for _ in range(5):
                await asyncio.sleep(0)


async def of_a_task(ask: Ask) -> None:
    async with asyncio.timeout(SOON):
        await asyncio.ensure_future(ask())


async def of_a_task_of_a_task(ask: Ask) -> None:
    async def middle() -> None:
        await asyncio.ensure_future(ask())

    async with asyncio.timeout(SOON):
        await asyncio.ensure_future(middle())


async def of_several(ask: Ask) -> None:
    async with asyncio.timeout(SOON):
        await asyncio.gather(ask(), asyncio.sleep(600))


async def of_a_group(ask: Ask) -> None:
    async with asyncio.timeout(SOON), asyncio.TaskGroup() as group:
        group.create_task(ask())  # type: ignore[arg-type]
        await asyncio.sleep(600)


async def waiting(ask: Ask) -> None:
    await asyncio.wait_for(ask(), SOON)


async def waiting_in_a_task(ask: Ask) -> None:
    await asyncio.wait_for(asyncio.ensure_future(ask()), SOON)


async def of_anyio(ask: Ask) -> None:
    with anyio.fail_after(SOON):
        await ask()


TIMEOUTS = [
    *(around, within_another, around_another, with_a_cleanup_that_waits, of_a_task, of_a_task_of_a_task),
    *(of_several, of_a_group, waiting, waiting_in_a_task, of_anyio),
]


@pytest.mark.parametrize("timeout", TIMEOUTS)
async def test_a_timeout_is_an_error(recorder: Any, ask: Ask, timeout: Any) -> None:
    with pytest.raises(TimeoutError):
        await timeout(ask)
    await asyncio.sleep(0)
    assert how(recorder) == "TimeoutError"


@pytest.mark.parametrize("timeout", TIMEOUTS)
async def test_a_cancellation_within_a_timeout_is_none(
    recorder: Any, ask: Ask, kinds: Kinds, timeout: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "SOON", 300)
    task = asyncio.ensure_future(timeout(ask))
    await kinds.begun.wait()
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert how(recorder) == "cancelled"


async def test_a_timeout_that_is_ignored(recorder: Any, ask: Ask) -> None:
    with anyio.move_on_after(SOON):
        await ask()
    assert how(recorder) == "TimeoutError"


# --- cancellations ---------------------------------------------------------------------------------


async def test_a_scope_of_anyio_that_is_cancelled(recorder: Any, ask: Ask, kinds: Kinds) -> None:
    """As Starlette does it when a client disconnects."""
    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await kinds.begun.wait()
        await anyio.sleep(0.02)
        group.cancel_scope.cancel()
    assert how(recorder) == "cancelled"


async def test_the_host_of_a_scope_that_is_cancelled(recorder: Any, ask: Ask, kinds: Kinds) -> None:
    async def cancel(scope: anyio.CancelScope) -> None:
        await kinds.begun.wait()
        await anyio.sleep(0.02)
        scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(cancel, group.cancel_scope)
        await ask()
    assert how(recorder) == "cancelled"


@pytest.mark.parametrize("others", [0, 1])
async def test_another_task_of_the_group_fails(recorder: Any, ask: Ask, kinds: Kinds, others: int) -> None:
    """The group cancels the task that it is in, and takes that back, as a timeout does."""

    async def fail() -> None:
        await kinds.begun.wait()
        await asyncio.sleep(0.02)
        raise ValueError

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            for _ in range(others):
                group.create_task(asyncio.sleep(600))
            await ask()

    with pytest.raises(ExceptionGroup):
        await asyncio.ensure_future(work())
    assert how(recorder) == "cancelled"


async def test_another_task_is_cancelled_directly(recorder: Any, ask: Ask, kinds: Kinds) -> None:
    """The task that waits for it is inside of a timeout, which has not expired."""

    async def work() -> None:
        async with asyncio.timeout(600):
            await asyncio.wait_for(task, 300)

    task = asyncio.ensure_future(ask())
    waiting = asyncio.ensure_future(work())
    await kinds.begun.wait()
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert how(recorder) == "cancelled"


# --- the end comes once, and in time -----------------------------------------------------------------


async def test_what_is_inside_ends_before_what_is_around(recorder: Any, lenient: Any, kinds: Kinds) -> None:
    @otel_llm.observe(name="around")
    async def work() -> None:
        await around(kinds.function)

    with pytest.raises(TimeoutError):
        await work()
    assert [span.name for span in recorder.spans] == ["function", "around"]
    inner, outer = recorder.spans
    assert inner.end_time <= outer.end_time


async def test_a_timeout_around_two(recorder: Any, ask: Ask) -> None:
    """As the error leaves the outer one, the cause may still be unknown."""

    @otel_llm.observe(name="outer")
    async def work() -> None:
        await ask()

    with pytest.raises(TimeoutError):
        await around(work)
    await asyncio.sleep(0)
    inner, outer = recorder.spans
    assert outer.name == "outer"
    assert [span.attributes["error.type"] for span in (inner, outer)] == ["TimeoutError", "TimeoutError"]


async def test_what_is_around_waits_for_what_is_inside(recorder: Any, lenient: Any, kinds: Kinds) -> None:
    @otel_llm.observe(name="around")
    async def work() -> None:
        await kinds.function()

    task = asyncio.ensure_future(work())
    await kinds.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [span.name for span in recorder.spans] == ["function", "around"]


async def test_a_flush_at_once_sees_it(recorder: Any, lenient: Any, kinds: Kinds) -> None:
    async def work() -> None:
        try:
            await kinds.function()
        finally:
            otel_llm.flush()
            seen.append(how(recorder))

    seen: list[str] = []
    task = asyncio.ensure_future(work())
    await kinds.begun.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert seen == ["cancelled"]


PROGRAM = """
import asyncio
import otel_llm
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
provider = TracerProvider()
def line(span): return f"{span.name} {span.attributes['otel_llm.stream.outcome']}\\n"
provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(formatter=line)))
trace.set_tracer_provider(provider)
otel_llm.instrument()
"""


def test_what_is_pending_when_the_program_ends() -> None:
    told = run(
        PROGRAM
        + """
@otel_llm.observe(name="left")
async def wait():
    await asyncio.Event().wait()

async def main():
    task = asyncio.ensure_future(wait())
    await asyncio.sleep(0)

asyncio.run(main())
""",
    )
    assert told.stdout == "left cancelled\n"


def test_a_loop_that_turns_no_more() -> None:
    told = run(
        PROGRAM
        + """
@otel_llm.observe(name="left")
async def wait():
    asyncio.current_task().cancel()
    loop.stop()
    await asyncio.Event().wait()

loop = asyncio.new_event_loop()
task = loop.create_task(wait())
loop.run_forever()
loop.stop()
loop.run_forever()
loop.close()
""",
    )
    assert told.stdout == "left cancelled\n"


async def test_nothing_is_searched_for_in_the_heap(recorder: Any, lenient: Any, kinds: Kinds) -> None:
    """That takes milliseconds in a large program, on the thread of the event loop."""
    searches: list[Any] = []

    def note(frame: Any, event: str, argument: Any) -> None:
        if event == "c_call" and argument in (gc.get_referrers, gc.get_objects):
            searches.append(argument)

    sys.setprofile(note)
    try:
        with pytest.raises(TimeoutError):
            await around(kinds.function)
    finally:
        sys.setprofile(None)
    assert searches == []
