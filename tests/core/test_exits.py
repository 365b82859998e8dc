"""Every way out of a call ends exactly one span, and leaves nothing current."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import pytest
from exits import ASK, INTERRUPT, Interrupt, ended

from standin.server import Reply

# --- calls ---------------------------------------------------------------------------------------


def test_returned(recorder: Any, client: Any) -> None:
    client.chat.completions.create(**ASK)
    ended(recorder, reasons=("stop",))


def test_a_number_that_no_attribute_holds(recorder: Any, client: Any) -> None:
    """It is left out; the span stays."""
    client.chat.completions.create(**ASK, temperature=10**400, seed=2**70)
    ended(recorder, reasons=("stop",))
    assert not {"gen_ai.request.temperature", "gen_ai.request.seed"} & set(recorder.attributes)


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
    ended(recorder, outcome="cancelled")


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
        ended(recorder, outcome="closed")
        return left_current()
    else:
        thread = threading.Thread(target=coroutine.close)
        thread.start()
        thread.join()
        ended(recorder, outcome="closed")
        return left_current()
    return ended(recorder, outcome="closed")


def left_current() -> None:
    """A coroutine stepped by hand and closed elsewhere can't take back what it made current here; the test does."""
    from opentelemetry import context

    context.attach(context.Context())
