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
from ..background.forks import SHARED as FORKS
from ..background.forks import ForkPolicy
from . import tasks

CANCELLED, CLOSED = "cancelled", "closed"
#: Ends a call by an outcome, or, if that is ``None``, by the error that has left it.
End = Callable[[str | None], None]

#: How other libraries than asyncio cancel what runs in them: module and class.
_OTHERS = (("trio", "Cancelled"), ("greenlet", "GreenletExit"))
#: So many scopes of anyio, one inside of the other, are looked at.
_MAX_SCOPES = 100
#: So many errors of a group are looked at, give or take those of the last group.
_MAX_GROUPED = 1000


def cancels(error: BaseException) -> bool:
    """Whether asyncio or another library cancels what runs in it by ``error``."""
    kinds = (getattr(sys.modules.get(module), name, None) for module, name in _OTHERS)
    known = (asyncio.CancelledError, *(kind for kind in kinds if isinstance(kind, type)))
    return all(isinstance(one, known) for one in _each(error))


def _ends_program(error: BaseException) -> bool:
    """Whether ``error`` ends the program without a failure: by Ctrl-C or ``sys.exit()``.

    In an event loop Ctrl-C cancels the task that runs, and elsewhere it should be no more of an error than there.
    """
    return isinstance(error, KeyboardInterrupt) or (isinstance(error, SystemExit) and error.code in (None, 0))


def _each(error: BaseException) -> list[BaseException]:
    """``error``, or the errors of the group that it is: trio raises one where several tasks are cancelled."""
    found = [error]
    for one in found:
        if isinstance(one, BaseExceptionGroup) and len(found) < _MAX_GROUPED:
            found += one.exceptions
    return [one for one in found if not isinstance(one, BaseExceptionGroup)]


class Cancellations:
    """Ends the calls that an error which is no ``Exception`` has left, as soon as its cause is known."""

    def __init__(self, policy: ForkPolicy = FORKS) -> None:
        #: Calls whose task was cancelled for a cause that is not known yet, in the order of their ends. Appending and
        #: popping are atomic.
        self.undecided: deque[tuple[_Cancellation, End]] = deque()
        policy.add(self)

    def start_afresh(self) -> None:
        self.undecided.clear()  # the parent ends them

    def leave(self, error: BaseException, end: End) -> None:
        """Call ``end`` for a call that ``error``, which is no ``Exception``, has left: now, or soon.

        A cancellation by a timeout is a failure, and so is an error that stands for no cancellation.
        """
        if isinstance(error, GeneratorExit):
            end(CLOSED)
            return
        each = _each(error)
        if not all(_ends_program(one) or cancels(one) for one in each):
            end(None)
        elif not any(isinstance(one, asyncio.CancelledError) for one in each):
            end(None if any(_by_deadline(one) for one in each) else CANCELLED)
        elif isinstance(seen := _look(), _Cancellation):
            self.undecided.append((seen, end))
            seen.task.get_loop().call_soon(self.settle)
        else:
            end(seen)

    def settle(self, finally_: bool = False) -> None:
        """End the calls whose cause is known by now; all of them if it is ``finally_`` time to."""
        for _ in range(len(self.undecided)):
            try:
                cancellation, end = self.undecided.popleft()
            except IndexError:  # another thread was faster
                return
            if finally_ or cancellation.is_clear:
                end(cancellation.outcome())
            else:
                self.undecided.append((cancellation, end))


def _by_deadline(error: BaseException) -> bool:
    """Whether a deadline was the cause, which the errors of trio 0.31 and newer say."""
    return getattr(error, "source", None) == "deadline"


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


#: The cancellations of this process.
SHARED = Cancellations()
leave, settle = SHARED.leave, SHARED.settle
