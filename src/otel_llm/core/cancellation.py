"""Tells a cancelled operation from one whose time was up: asyncio cancels both."""

from __future__ import annotations

import asyncio
import gc
from time import monotonic
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from .. import guard

#: So many objects are looked at: a cancellation must not take long.
_MAX_LOOKS = 2000


def outcome_of(error: BaseException) -> str | None:
    """``cancelled`` or ``closed`` if ``error`` says that the caller no longer wants the answer; ``None`` for a failure.

    A cancellation by a timeout that has expired is a failure.
    """
    if isinstance(error, GeneratorExit):
        return "closed"
    if isinstance(error, asyncio.CancelledError):
        return None if timed_out(error) else "cancelled"
    return None


def timed_out(error: BaseException) -> bool:
    """Whether ``error`` is the cancellation by which an ``asyncio.timeout`` ends what is inside of it."""
    return isinstance(error, asyncio.CancelledError) and bool(_expired())


@guard.never_raise
def _expired() -> bool:
    """Whether an expired timeout is around the current task, or around one that waits for it.

    A timeout is found where it is kept: on the stack of the coroutine that entered it.
    """
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop is running here
        return False
    return task is not None and (_on_a_stack(task) or _heap.finds(task))


def _on_a_stack(task: Any) -> bool:
    pending: list[Any] = [task]
    seen: set[int] = set()
    for _ in range(_MAX_LOOKS):
        if not pending:
            break
        one = pending.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, asyncio.Task):
            pending.append(one.get_coro())
            for callback, _context in getattr(one, "_callbacks", None) or ():
                pending += [found for found in gc.get_referents(callback) if isinstance(found, asyncio.Task)]
            continue
        for found in gc.get_referents(one):
            owner = getattr(found, "__self__", None) if callable(found) else found
            if isinstance(owner, asyncio.Timeout):
                if owner.expired():
                    return True
            elif isinstance(found, _STEPS) or type(found).__name__ in _STEP_NAMES:
                pending.append(found)
    return False


class _HeapSearch:
    """Looks for an expired timeout among all objects that refer to a task.

    The stack of a coroutine that runs can't be seen, so this is the only way to a timeout that the task itself entered.
    A search takes milliseconds in a large program: at most a twentieth of the time is spent on it. In between the last
    answer holds, as cancellations that come so fast mostly have one cause: a provider that is down, or a service that
    shuts down.
    """

    def __init__(self) -> None:
        self._not_before = 0.0
        self._found = False

    def finds(self, task: Any) -> bool:
        began = monotonic()
        if began >= self._not_before:
            self._found = any(isinstance(one, asyncio.Timeout) and one.expired() for one in gc.get_referrers(task))
            ended = monotonic()
            self._not_before = ended + 20 * (ended - began)
        return self._found


_heap = _HeapSearch()
_STEPS = (CoroutineType, GeneratorType, AsyncGeneratorType)
#: What an asynchronous generator and a coroutine are waited for by; these types have no public name.
_STEP_NAMES = frozenset({"async_generator_asend", "async_generator_athrow", "coroutine_wrapper", "FutureIter"})
