"""A bounded queue whose entries are handled, each when it is due, on a daemon thread of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Generic, TypeVar

from opentelemetry.instrumentation.utils import suppress_instrumentation

from .. import guard
from . import threads

_T = TypeVar("_T")


class Worker(Generic[_T]):
    """Handles entries in the order they came. Putting one in never waits: what finds no room is refused.

    ``lock`` is the owner's, reentrant, as a span may be ended by a finalizer that runs inside of it. ``tidy`` is called
    now and then, every ``tidy_interval`` seconds, ``finish`` when the thread ends.
    """

    def __init__(
        self,
        lock: threading.RLock,
        handle: Callable[[_T], None],
        tidy: Callable[[], None],
        finish: Callable[[], None],
        size: int,
        tidy_interval: float,
    ) -> None:
        self._handle, self._tidy, self._finish = handle, tidy, finish
        self._size = size
        self._tidy_interval = tidy_interval
        self._changed = threading.Condition(lock)
        self._queue: deque[tuple[float, _T]] = deque()
        self._current: _T | None = None
        self._put = self._done = 0
        #: Entries up to this one are handled without waiting until they are due.
        self._hurry = 0
        self._thread: threading.Thread | None = None
        self._starting = self._closing = False

    def start(self) -> bool:
        """Start the thread, unless it runs; whether it did not. Not under the lock: gevent's thread, part of this one,
        would have it."""
        if self._thread is not None:
            return False
        with self._changed:
            if self._starting or self._closing:
                return False
            self._starting = True
        try:
            self._thread = threads.start("evaluation", self._run)
        except RuntimeError:
            self._starting = False  # it is tried again
            raise
        return True

    def put(self, entry: _T, due: float) -> bool:
        """Whether there is room for ``entry``, handled at ``due`` of ``monotonic`` and after those before it."""
        with self._changed:
            if self._closing or len(self._queue) >= self._size:
                return False
            self._queue.append((due, entry))
            self._put += 1
            if len(self._queue) == 1:
                self._changed.notify_all()
            return True

    def waiting(self) -> Iterator[_T]:
        """What has not been handled; to be read under the lock."""
        if self._current is not None:
            yield self._current
        for _, entry in self._queue:
            yield entry

    def flush(self, timeout: float) -> bool:
        """Handle all that is here now without waiting for it to be due; whether that took less than ``timeout``
        seconds."""
        deadline = monotonic() + timeout
        with self._changed:
            target = self._hurry = max(self._hurry, self._put)
            self._changed.notify_all()
            while self._done < target:
                left = deadline - monotonic()
                if left <= 0 or threading.current_thread() is self._thread:
                    return False
                self._changed.wait(left)
        return True

    def close(self, timeout: float) -> list[_T]:
        """Handle what is here, for ``timeout`` seconds at most; what remains undone is given back."""
        deadline = monotonic() + timeout
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self.flush(timeout)
        with self._changed:
            left = list(self.waiting())
            self._queue.clear()
            self._done = self._put
            self._changed.notify_all()
        if self._thread is None:
            guard.never_raise(self._finish)()
        elif self._thread is not threading.current_thread():
            self._thread.join(max(deadline - monotonic(), 0.0))
        return left

    def pause(self, seconds: float) -> None:
        """Wait, on the worker's thread, between two tries; not at all once it is closing."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing, seconds)

    def _run(self) -> None:
        with suppress_instrumentation():
            tidied = monotonic()
            while (entry := self._next(tidied + self._tidy_interval)) is not self._END:
                if entry is not None:
                    self._handle_one(entry)
                if monotonic() - tidied >= self._tidy_interval:
                    guard.never_raise(self._tidy)()
                    tidied = monotonic()
            guard.never_raise(self._finish)()

    _END = object()

    def _next(self, tidy_at: float) -> object:
        """The next entry when it is due; ``None`` when it is time to tidy; ``_END`` when there will be none."""
        with self._changed:
            while True:
                now = monotonic()
                hurried = self._done < self._hurry or self._closing
                if self._queue and (hurried or self._queue[0][0] <= now):
                    self._current = self._queue.popleft()[1]
                    return self._current
                if self._closing and not self._queue:
                    return self._END
                if now >= tidy_at:
                    return None
                self._changed.wait(min(tidy_at, self._queue[0][0] if self._queue else tidy_at) - now)

    def _handle_one(self, entry: object) -> None:
        try:
            self._handle(entry)  # type: ignore[arg-type]
        except Exception as error:
            guard.report("Worker", error)
        finally:
            with self._changed:
                if self._current is entry:
                    self._current = None
                self._done = min(self._done + 1, self._put)
                self._changed.notify_all()
