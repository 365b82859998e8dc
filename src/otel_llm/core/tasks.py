"""What can be seen of asyncio tasks: who waits for a task, and what is on its stack.

All of it is reached from the task itself, in a bounded number of steps. Nothing is searched for in the heap.
"""

from __future__ import annotations

import asyncio
import functools
import gc
from collections.abc import Iterator
from types import AsyncGeneratorType, CoroutineType, FunctionType, GeneratorType
from typing import Any

#: So many objects are looked at, at most: a cancellation must not take long.
_MAX_LOOKS = 500
#: So many tasks are found to wait for another.
_MAX_WAITING = 20
_STEPS = (CoroutineType, GeneratorType, AsyncGeneratorType)
#: Other types that lead to the next step of an await; they have no public name.
_STEP_NAMES = frozenset({"async_generator_asend", "async_generator_athrow", "coroutine_wrapper", "FutureIter"})


def waiting_for(task: Any) -> list[Any]:
    """The tasks that wait for ``task``: directly or through other tasks, ``gather``, ``wait``, ``wait_for`` or a
    ``TaskGroup``; the nearest first."""
    found: list[Any] = []
    pending = [task]
    seen: set[int] = set()
    while pending and len(seen) < _MAX_LOOKS and len(found) < _MAX_WAITING:
        future = pending.pop(0)
        if id(future) in seen:
            continue
        seen.add(id(future))
        for callback, _context in getattr(future, "_callbacks", None) or ():
            for waiter in _behind(callback):
                if isinstance(waiter, asyncio.Task) and waiter not in found:
                    found.append(waiter)
                pending.append(waiter)
    return found


def _behind(callback: Any) -> Iterator[Any]:
    """The futures that go on when a future's ``callback`` is called."""
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.TaskGroup):
        yield owner._parent_task  # type: ignore[attr-defined]
        return
    if isinstance(callback, functools.partial):  # by which wait_for is told
        held = callback.args
    elif isinstance(callback, FunctionType):  # of gather and wait, whose own future is in the closure
        held = tuple(gc.get_referents(*callback.__closure__ or ()))
        held = tuple(one for one in held if not isinstance(one, asyncio.Task))
    else:  # the wake-up of a task, whose type has no name
        held = tuple(gc.get_referents(callback))
    yield from (one for one in held if isinstance(one, asyncio.Future))


def on_stack_of(task: Any) -> Iterator[Any]:
    """The objects on the stack of ``task``, among them what it is inside of by ``async with``.

    The frames of a task that are running can't be seen. Those that a cancellation has not reached yet are not running.
    """
    pending: list[Any] = [task.get_coro()]
    seen: set[int] = set()
    while pending and len(seen) < _MAX_LOOKS:
        step = pending.pop()
        if step is None or id(step) in seen:
            continue
        seen.add(id(step))
        for found in gc.get_referents(step):
            yield getattr(found, "__self__", found) if callable(found) else found
            if isinstance(found, _STEPS) or type(found).__name__ in _STEP_NAMES:
                pending.append(found)


def waits_in(task: Any, function: str) -> bool:
    """Whether ``task`` is suspended inside of asyncio's coroutine ``function``."""
    step = task.get_coro()
    for _ in range(_MAX_LOOKS):
        if step is None:
            return False
        code = getattr(step, "cr_code", None)
        if code is not None and code.co_name == function and code.co_filename == asyncio.tasks.__file__:
            return True
        step = getattr(step, "cr_await", None)
    return False
