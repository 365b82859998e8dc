"""Runs one check of one text, within its time limit, and says what it takes the place of if it fails."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
from collections.abc import Callable
from time import perf_counter
from typing import Any

from .. import guard
from ..background.time_limit import InterruptedWorkError, TimeLimit
from .check import MOST_OVERDUE, Check, Fail, understood
from .result import Action, Result

_logger = logging.getLogger("otel_llm")

#: The most threads on which checks of this process run.
MOST_THREADS = 32
#: Texts up to so many characters are checked by patterns where the check is called; longer ones on a thread, so that
#: the time limit holds, and an event loop goes on.
SHORT, SHORT_IN_LOOP = 65536, 8192

#: The threads of all checks, which may be made anew for each request.
THREADS = TimeLimit("guardrail", MOST_THREADS)


class Limits:
    """The time limit in seconds of checks that have none of their own, and what happens when they fail."""

    def __init__(self, timeout: float, fail: Fail) -> None:
        self.timeout, self.fail = timeout, fail

    def seconds(self, check: Check) -> float:
        return self.timeout if check.timeout is None else check.timeout

    def failed(self, check: Check, error: BaseException, text: str) -> Result:
        """The result of a ``check`` that failed with ``error``."""
        passes = (check.fail or self.fail) == "open"
        kind = type(error)
        if check.told.first(kind.__qualname__):
            _logger.warning(
                "The guardrail %s failed (%s); a text that it fails on is %s\n%s",
                check.name,
                kind.__name__,
                "passed on unchecked" if passes else "blocked",
                guard.frames(error.__traceback__),
            )
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        reason = "timeout" if isinstance(error, TimeoutError) else "failed"
        if passes:
            return Result(Action.PASS, reason, text, error=name)
        return Result(Action.BLOCK, reason, error=name)


def run(check: Check, text: str, limits: Limits) -> tuple[Result, float]:
    """What ``check`` says of ``text``, and the seconds that it took."""
    started = perf_counter()
    try:
        if check.quick and len(text) <= SHORT:
            result = understood(check.function(text), text)
        else:
            returned = THREADS.run(_in_context(check, text), limits.seconds(check), check.late.share)
            result = understood(returned, text)
    except Exception as error:
        result = limits.failed(check, error, text)
    return result, perf_counter() - started


async def arun(check: Check, text: str, limits: Limits) -> tuple[Result, float]:
    """:func:`run` for coroutines of asyncio."""
    started = perf_counter()
    try:
        if check.quick and len(text) <= SHORT_IN_LOOP:
            result = understood(check.function(text), text)
        elif check.awaits:
            result = understood(await _awaited(check, text, limits.seconds(check)), text)
        else:
            returned = await THREADS.arun(_in_context(check, text), limits.seconds(check), check.late.share)
            result = understood(returned, text)
    except Exception as error:
        result = limits.failed(check, error, text)
    return result, perf_counter() - started


def _in_context(check: Check, text: str) -> Callable[[], Any]:
    """The call of ``check`` in the context of here, so that what it traces is in this trace."""
    context = contextvars.copy_context()
    return lambda: context.run(_call, check, text)


def _call(check: Check, text: str) -> Any:
    """Call the function of ``check`` on this thread, which has no event loop."""
    returned = check.function(text)
    return asyncio.run(_finish(returned)) if inspect.isawaitable(returned) else returned


async def _finish(awaitable: Any) -> Any:
    return await awaitable


async def _awaited(check: Check, text: str, seconds: float) -> Any:
    """What the coroutine function of ``check`` returns. One that ignores its cancellation is not waited for."""
    if len(check.late.tasks) >= MOST_OVERDUE:
        raise TimeoutError
    task = asyncio.ensure_future(check.function(text))
    try:
        await asyncio.wait((task,), timeout=seconds)
    except BaseException:
        _abandon(check, task)
        raise
    if not task.done():
        _abandon(check, task)
        raise TimeoutError
    if task.cancelled():  # by itself: that does not cancel the caller
        raise InterruptedWorkError(asyncio.CancelledError.__name__)
    return task.result()


def _abandon(check: Check, task: asyncio.Future[Any]) -> None:
    check.late.tasks.add(task)

    def ended(task: asyncio.Future[Any]) -> None:
        check.late.tasks.discard(task)
        if not task.cancelled():
            task.exception()  # so that asyncio does not complain that nobody has asked for it

    task.add_done_callback(ended)
    task.cancel()
