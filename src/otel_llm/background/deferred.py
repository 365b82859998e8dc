"""Work that can wait until the caller has gone on: the records of metrics.

The three records of a call take the SDK as long as its span, and locks that a collection may hold. A thread makes them
a moment later; and whoever collects, before the metrics are read (:mod:`.active` is observed then), so that nothing is
missing from what a reader is given.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from .. import guard
from . import threads
from .forks import ForkLock

#: Seconds from the first work that waits to its being done: no more than this is a record's time late.
PAUSE = 0.1
#: So much is done in one go; then other threads have their turn, an event loop's above all.
_IN_ONE_GO = 8
#: With more than this waiting the caller does its work itself: none is lost, and memory stays bounded.
MAX_WAITING = 4096

_waiting: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
#: Who takes work out holds it until that is done: then all that came before is done too. A fork waits for it, as in
#: a child the SDK's locks that the work has taken would never be released.
_working = ForkLock()
#: What the thread waits for. Of what wakes a thread only this may be called from a finalizer, wherever that runs.
_wake: queue.SimpleQueue[None]
_thread: threading.Thread | None = None
#: Taken by whoever wakes the thread: atomic, unlike a flag.
_asleep: list[None] = [None]


def do(work: Callable[..., None], *arguments: Any) -> None:
    """Call ``work`` with ``arguments`` soon, in another thread; its errors are reported and swallowed."""
    if len(_waiting) >= MAX_WAITING:
        _do(work, arguments)
        return
    _waiting.append((work, arguments))
    if _asleep:
        _rouse()


def catch_up() -> None:
    """Do what has been waiting until now."""
    with _working.lock:
        for number in range(len(_waiting)):
            try:
                work, arguments = _waiting.popleft()
            except IndexError:  # work that asked for the rest to be done has had it
                return
            _do(work, arguments)
            if number % _IN_ONE_GO == _IN_ONE_GO - 1:
                time.sleep(0)


def _do(work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    try:
        work(*arguments)
    except Exception as error:
        guard.report("later", error)


def _rouse() -> None:
    global _thread, _wake
    try:
        _asleep.pop()
    except IndexError:  # another thread was faster
        return
    if _thread is None:
        try:
            # Made together, as gevent and eventlet may have put theirs in the place of both since this was imported: a
            # thread that is a greenlet then, and waits for a real queue, would halt the program.
            _wake = queue.SimpleQueue()
            # A daemon: what it leaves is done at exit, before an SDK shuts down that was set up before the first call.
            _thread = threads.start("metrics", _run, _wake)
            atexit.register(catch_up)
        except RuntimeError:
            _asleep[:] = [None]
            catch_up()
            return
    _wake.put(None)


def _run(wake: queue.SimpleQueue[None]) -> None:
    while True:
        wake.get()
        time.sleep(PAUSE)
        _asleep[:] = [None]  # before looking: whoever comes from now on wakes the thread again
        catch_up()


def _begin_in_child() -> None:
    """The thread, and what waits, are the parent's."""
    global _thread
    _waiting.clear()
    _asleep[:] = [None]
    _thread = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
