"""A bounded queue whose entries are handled on a thread of its own: the only place where a lasting thread starts."""

from __future__ import annotations

import contextlib
import math
import queue
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic, sleep
from typing import Generic, TypeVar

from opentelemetry.instrumentation.utils import suppress_instrumentation

from .. import guard
from . import activity, forks, threads

_T = TypeVar("_T")


class _Mark:
    """An entry that tells :meth:`Worker.flush` that all entries before it have been handled."""

    __slots__ = ("given_up", "reached")

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.given_up = False


class Worker(Generic[_T]):
    """Calls ``handle`` with each entry, in the order they came, on a daemon thread that starts with the first one.

    :meth:`put` takes no lock and never waits, so it may be called anywhere: in a finalizer, in a signal handler, inside
    of itself. An entry is handled by the thread or given to ``give_up`` after :meth:`close`, never both. ``finish`` is
    called when the thread ends, ``tidy`` every ``tidy_interval`` seconds. A child process starts with an empty queue.
    """

    def __init__(
        self,
        name: str,
        handle: Callable[[_T], object],
        *,
        size: int,
        give_up: Callable[[_T], object] = lambda entry: None,
        finish: Callable[[], object] = lambda: None,
        tidy: Callable[[], object] = lambda: None,
        tidy_interval: float = math.inf,
        policy: forks.ForkPolicy = forks.SHARED,
    ) -> None:
        self._name = name
        self._handle, self._give_up, self._finish, self._tidy = handle, give_up, finish, tidy
        self._size = size
        self._tidy_interval = tidy_interval
        self._closing = False
        self.start_afresh()
        policy.add(self)

    def start_afresh(self) -> None:
        self._queue: deque[tuple[float, _T | _Mark]] = deque()
        #: One token for each mark in the queue: while there are any, nothing waits until it is due.
        self._marks: list[None] = []
        #: Holds a token while the thread sleeps. The caller that takes the token wakes the thread, or starts it.
        self._asleep: list[None] = [None]
        #: What the thread waits for. ``SimpleQueue.put`` is reentrant, unlike ``Condition.notify``.
        self._wake: queue.SimpleQueue[None] | None = None
        self._thread: threading.Thread | None = None
        self._here: int | None = None
        self._ended = False
        self._lock = threading.RLock()
        self.dropped = 0

    # --- by any thread ---------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """The number of entries that are not handled yet. The one being handled is not among them."""
        return len(self._queue)

    def put(self, entry: _T, due: float = 0.0) -> bool:
        """Have ``entry`` handled, at the time ``due`` of ``monotonic`` at the earliest; return whether there was room.

        An entry without room is counted as dropped.

        :raises RuntimeError: if the thread can't be started. The entry stays, and the next call tries again.
        """
        if self._closing or len(self._queue) >= self._size:
            self.drop()
            return False
        self._queue.append((due, entry))
        activity.SHARED.any = True
        if self._asleep:
            self._rouse()
        return True

    def drop(self) -> None:
        """Count one more entry that was lost."""
        with self._lock:
            self.dropped += 1

    def start(self) -> bool:
        """Start the thread if it does not run; return whether it was started.

        Where :meth:`put` is called under a lock, call this before, without the lock: under gevent another greenlet may
        run while the thread starts.

        :raises RuntimeError: if it can't be started.
        """
        return self._wake is None and self._rouse()

    def flush(self, timeout: float) -> bool:
        """Handle what waits now without waiting until it is due; return whether that took at most ``timeout`` seconds.

        Called by the worker's own thread it returns ``False``.
        """
        if not self._queue and (self._wake is None or self._ended):
            return True
        if threading.get_ident() == self._here:
            return False
        mark = _Mark()
        self._marks.append(None)
        self._queue.append((0.0, mark))
        try:
            self._hurry()
        except RuntimeError:
            return False
        return mark.reached.wait(timeout) and not mark.given_up

    def close(self, timeout: float) -> bool:
        """Handle what waits and end the thread; return whether that took at most ``timeout`` seconds.

        After that time what the thread has not begun is given up and counted as dropped. The entry that it is handling
        stays with it.
        """
        deadline = monotonic() + timeout
        self._closing = True
        while self._wake is None:
            if self._ended:
                return True
            if _took(self._asleep):  # there is no thread, and there may be no way to start one any more
                self._run(queue.SimpleQueue())
                return True
            if monotonic() >= deadline:
                return False
            sleep(0.001)  # another thread starts it
        self._hurry()
        if threading.get_ident() == self._here:
            self._give_up_all()
            return False
        over = self._over.wait(timeout)
        if not over:
            self._give_up_all()
        elif self._thread is not None:
            self._thread.join(max(deadline - monotonic(), 0.0))
        return over

    def _rouse(self) -> bool:
        """Wake the thread, or start it; return whether it was started."""
        if not _took(self._asleep):
            return False
        if self._ended:
            self._asleep.append(None)
            self._give_up_all()
        elif self._wake is not None:
            self._wake.put(None)
        else:
            # Made now, as gevent or eventlet may have replaced queues, events and threads since the import: a thread
            # that is a greenlet and waits for a real queue would halt the program.
            self._stop, self._over = threading.Event(), threading.Event()
            self._wake = queue.SimpleQueue()
            try:
                self._thread = threads.start(self._name, self._run, self._wake)
            except RuntimeError:
                self._wake = None
                self._asleep.append(None)
                raise
            return True
        return False

    def _hurry(self) -> None:
        """Wake the thread, so that it looks at the queue."""
        if self._closing and self._wake is not None:
            self._stop.set()
        if self._ended:
            self._give_up_all()
        elif self._wake is not None:
            self._wake.put(None)
        else:
            self._rouse()

    def _give_up_all(self) -> None:
        while self._queue:
            try:
                _, entry = self._queue.popleft()
            except IndexError:  # another thread was faster
                return
            if isinstance(entry, _Mark):
                self._marks.pop()
                entry.given_up = True
                entry.reached.set()
            else:
                self.drop()
                guard.never_raise(self._give_up)(entry)

    # --- on the worker's thread ------------------------------------------------------------------

    def pause(self, seconds: float) -> None:
        """Wait between two tries of ``handle``. Does not wait if the worker is closing."""
        if not self._closing:
            self._stop.wait(seconds)

    def _run(self, wake: queue.SimpleQueue[None]) -> None:
        self._here = threading.get_ident()
        with suppress_instrumentation():
            tidied = monotonic()
            while self._next(wake, tidied + self._tidy_interval):
                if monotonic() - tidied >= self._tidy_interval:
                    guard.never_raise(self._tidy)()
                    tidied = monotonic()
            guard.never_raise(self._finish)()
        self._here = None
        if self._wake is not None:
            self._over.set()

    def _next(self, wake: queue.SimpleQueue[None], tidy_at: float) -> bool:
        """Handle the next entry, or wait until it is due or until ``tidy_at``; return whether there may be more."""
        now = monotonic()
        try:
            due = self._queue[0][0]
            ready = due <= now or bool(self._marks) or self._closing
            entry = self._queue.popleft()[1] if ready else None
        except IndexError:  # nothing waits
            if self._ended:
                return False
            self._ended = self._closing
            if self._ended or not self._asleep:
                # From now on a call of `put` wakes the thread, or gives its entry up. An entry that came before that is
                # found by looking once more.
                self._asleep[:] = [None]
                return True
            due, ready, entry = math.inf, False, None
        if ready:
            self._handle_one(entry)
        elif now < tidy_at:
            until = min(due, tidy_at)
            with contextlib.suppress(queue.Empty):
                wake.get(timeout=None if until == math.inf else until - now)
        return True

    def _handle_one(self, entry: _T | _Mark | None) -> None:
        if isinstance(entry, _Mark):
            self._marks.pop()
            entry.reached.set()
            return
        try:
            self._handle(entry)  # type: ignore[arg-type]
        except BaseException as error:  # not even SystemExit or a cancellation ends this thread
            guard.report(f"{self._name} thread", error)


def _took(token: list[None]) -> bool:
    """Take the token, which only one of several threads can."""
    try:
        token.pop()
    except IndexError:
        return False
    return True
