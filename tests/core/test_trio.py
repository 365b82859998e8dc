"""trio cancels in a way of its own: who was cancelled and whose time was up, also through anyio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import openai
import pytest
import trio
from exits import ASK, OUTCOME

import otel_llm
from openai_clients import API_KEY
from standin.server import Reply

SOON = 0.05
#: Waits for an answer that never comes, and sets the event when it does.
Ask = Callable[[trio.Event], Awaitable[Any]]


@pytest.fixture
def ask(request: Any, gate: Any, lenient: Any, server: Any) -> Ask:
    async def call(begun: trio.Event) -> None:
        server.reply_with(Reply(body={}, delay=server.hold()))
        begun.set()
        async with client() as asking:
            await asking.chat.completions.create(**ASK)

    async def stream(begun: trio.Event) -> None:
        async with client() as asking, await asking.chat.completions.create(**ASK, stream=True) as chunks:
            begun.set()
            async for _ in chunks:
                pass

    async def read_without_closing(begun: trio.Event) -> None:
        async with client() as asking:
            chunks = await asking.chat.completions.create(**ASK, stream=True)
            begun.set()
            async for _ in chunks:
                pass

    @otel_llm.observe(name="function")
    async def function(begun: trio.Event) -> None:
        begun.set()
        await trio.sleep_forever()

    @otel_llm.observe(name="generator")
    async def words(begun: trio.Event) -> AsyncIterator[str]:
        begun.set()
        yield "Pa"
        await trio.sleep_forever()

    async def generator(begun: trio.Event) -> None:
        async for _ in words(begun):
            pass

    def client() -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(base_url=server.base_url, api_key=API_KEY, max_retries=0)

    return {"call": call, "stream": stream, "bare": read_without_closing, "function": function, "generator": generator}[
        request.param
    ]


KINDS = pytest.mark.parametrize("ask", ["call", "stream", "bare", "function", "generator"], indirect=True)


def how(recorder: Any) -> str:
    """How the one call has ended."""
    error, outcome = (recorder.attributes.get(key) for key in ("error.type", OUTCOME))
    assert recorder.span.status.is_unset is (error is None)
    assert error is None or outcome is None
    return str(error or outcome)


@KINDS
@pytest.mark.parametrize("scope", [trio.fail_after, anyio.fail_after, trio.move_on_after])
def test_a_deadline_is_an_error(recorder: Any, ask: Ask, scope: Any) -> None:
    async def work() -> None:
        with scope(SOON):
            await ask(trio.Event())

    if scope is trio.move_on_after:
        trio.run(work)
    else:
        with pytest.raises(TimeoutError if scope is anyio.fail_after else trio.TooSlowError):
            trio.run(work)
    assert how(recorder) == "TimeoutError"


@KINDS
@pytest.mark.parametrize("failing", [False, True])
def test_a_cancelled_scope_is_none(recorder: Any, ask: Ask, failing: bool) -> None:
    """Also if another task of the nursery fails, and inside of a deadline that has not come."""

    async def work() -> None:
        begun = trio.Event()
        with trio.fail_after(600):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask, begun)
                await begun.wait()
                await trio.sleep(0.02)
                if failing:
                    raise ValueError
                nursery.cancel_scope.cancel()

    if failing:
        with pytest.raises(ExceptionGroup):
            trio.run(work)
    else:
        trio.run(work)
    assert how(recorder) == "cancelled"


@KINDS
def test_the_whole_program(recorder: Any, ask: Ask) -> None:
    """The main task ends with an error: trio cancels what runs beside it."""

    async def work() -> None:
        begun = trio.Event()
        trio.lowlevel.spawn_system_task(ask, begun)
        await begun.wait()
        await trio.sleep(0.02)

    trio.run(work)
    assert how(recorder) == "cancelled"


def test_an_answer(recorder: Any, server: Any) -> None:
    async def work() -> None:
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key=API_KEY) as client:
            await client.chat.completions.create(**ASK)
            async for _ in await client.chat.completions.create(**ASK, stream=True):
                pass

    trio.run(work)
    assert [span.attributes["gen_ai.response.finish_reasons"] for span in recorder.spans] == [("stop",), ("stop",)]
