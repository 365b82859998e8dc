"""Tells a cancelled operation from one whose time was up: asyncio cancels the task for both.

A timeout is on the stack of the task that has entered it: the cancelled task, or one that waits for it. It is found
there at once while the frame that holds it is suspended. In a frame that is running it can't be seen, but it takes the
cancellation back (``Task.uncancel``) when the error leaves it. So such a call is ended a moment later, in the next turn
of the event loop, with its clock stopped.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from .. import guard
from . import tasks

CANCELLED, CLOSED = "cancelled", "closed"
#: Ends a call by an outcome, or, if that is ``None``, by the error that has left it.
End = Callable[[str | None], None]

#: Calls whose task was cancelled for a cause that is not known yet, the first first. Appending and popping are atomic.
undecided: deque[tuple[_Cancellation, End]] = deque()
#: How other libraries than asyncio cancel what runs in them: module and class.
_OTHERS = (("trio", "Cancelled"), ("greenlet", "GreenletExit"))
#: So many scopes of anyio, one inside of the other, are looked at.
_MAX_SCOPES = 100


def leave(error: BaseException, end: End) -> None:
    """Call ``end`` for a call that ``error``, which is no ``Exception``, has left: now, or soon.

    A cancellation by a timeout is a failure, and so is an error that nobody cancels by (``KeyboardInterrupt``).
    """
    if isinstance(error, GeneratorExit):
        end(CLOSED)
    elif not isinstance(error, asyncio.CancelledError):
        end(CANCELLED if _cancels(error) else None)
    elif isinstance(seen := _look(), _Cancellation):
        undecided.append((seen, end))
        seen.task.get_loop().call_soon(settle)
    else:
        end(seen)


def _cancels(error: BaseException) -> bool:
    """Whether another library than asyncio cancels by ``error``."""
    kinds = (getattr(sys.modules.get(module), name, None) for module, name in _OTHERS)
    return any(isinstance(kind, type) and isinstance(error, kind) for kind in kinds)


def settle(finally_: bool = False) -> None:
    """End the calls of which the cause is known by now; all of them if it is ``finally_`` time to."""
    for _ in range(len(undecided)):
        try:
            cancellation, end = undecided.popleft()
        except IndexError:  # another thread was faster
            return
        if finally_ or cancellation.is_clear:
            end(cancellation.outcome())
        else:
            undecided.append((cancellation, end))


class _Cancellation:
    """The cancellation of a task, seen as its error passes."""

    __slots__ = ("_depth", "task")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.task = task
        self._depth = task.cancelling()

    @property
    def _taken_back(self) -> bool:
        return self.task.cancelling() < self._depth

    @property
    def is_clear(self) -> bool:
        """Whether the error has passed all that could take it back, or what has taken it back."""
        return self._taken_back or asyncio.current_task(self.task.get_loop()) is not self.task

    @guard.never_raise
    def outcome(self) -> str | None:
        """``None`` if a timeout was the cause."""
        task = self.task
        if not self._taken_back:  # an error that waits for what cleans up behind it has not left the timeout
            return None if _has_expired(tasks.on_stack_of(task)) else CANCELLED
        # A task group cancels its own task as well, if another of its tasks fails, and takes that back.
        failed = isinstance(getattr(task, "_exception", None), BaseExceptionGroup)
        return CANCELLED if failed or any(_is_failing(one) for one in tasks.on_stack_of(task)) else None


def _look() -> _Cancellation | str | None:
    """What shows while the error passes: an outcome, ``None`` for a timeout, or what is to be looked at later."""
    try:
        task = asyncio.current_task()
        if task is None:
            return CANCELLED
        if scopes := _cancelled_scopes(task):
            now = task.get_loop().time()
            return None if any(scope.deadline <= now for scope in scopes) else CANCELLED
        if _has_expired(tasks.on_stack_of(task)):  # what of it can be seen
            return None
        if any(_ends_in_time(one) for one in tasks.waiting_for(task)):
            return None
        return _Cancellation(task) if task.cancelling() else CANCELLED
    except Exception as failure:  # no loop is running here, or a task is of another make
        if not isinstance(failure, RuntimeError):
            guard.report("cancellation", failure)
        return CANCELLED


def _cancelled_scopes(task: asyncio.Task[Any]) -> list[Any]:
    """The scopes of anyio that ``task`` is inside of and that are cancelled."""
    backend = sys.modules.get("anyio._backends._asyncio")
    states: Any = getattr(backend, "_task_states", {})
    scope = getattr(states.get(task), "cancel_scope", None)
    found = []
    for _ in range(_MAX_SCOPES):
        if scope is None:
            break
        if scope.cancel_called:
            found.append(scope)
        scope = getattr(scope, "_parent_scope", None)
    return found


def _ends_in_time(task: Any) -> bool:
    """Whether ``task``, which is suspended, waits no longer because a time is up."""
    if _has_expired(tasks.on_stack_of(task)):
        return True
    # Before Python 3.12 wait_for has no timeout that could be found, but cancels what it waits for.
    return not task.cancelling() and tasks.waits_in(task, "_cancel_and_wait")


def _has_expired(objects: Iterable[Any]) -> bool:
    return any(isinstance(one, asyncio.Timeout) and one.expired() for one in objects)


def _is_failing(one: Any) -> bool:
    return isinstance(one, asyncio.TaskGroup) and bool(getattr(one, "_parent_cancel_requested", False))
