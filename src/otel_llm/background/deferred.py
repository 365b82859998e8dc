"""Records metrics on a background thread, off the caller's path.

Recording the metrics of a call takes the SDK as long as recording its span, and it needs locks that a metrics
collection may hold. So a thread does it, at most ``PAUSE`` seconds later. A collection first records what still waits
(:mod:`otel_llm.core.active_calls` is observed in each collection), so that no reader misses any.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

from .. import guard
from .forks import SHARED as FORKS
from .forks import ForkLock, ForkPolicy
from .worker import Worker

_logger = logging.getLogger("otel_llm")

#: Seconds that the thread waits after the first work was added. No record is later than that.
PAUSE = 0.1
#: How many records are made in one go. Afterwards other threads get their turn, above all that of an event loop.
IN_ONE_GO = 8
#: With more than this waiting, the caller does its own work: nothing is lost, and memory stays bounded.
MAX_WAITING = 4096
#: After so many seconds without progress, work that has no room is dropped: doing it would block the caller, too.
STALLED = 2.0
#: The most seconds that :meth:`Deferred.catch_up` waits for work that another thread has begun.
PATIENCE = 5.0


class Deferred:
    """Does work soon, on a thread that starts with the first of it. Errors of work are reported and swallowed."""

    def __init__(self, policy: ForkPolicy = FORKS) -> None:
        self._policy = policy
        self._worker: Worker[None] = Worker("metrics", self._work, size=4, policy=policy)
        #: Held during work. A fork waits for it: in the child, the SDK's locks that the work holds would stay locked
        #: for ever.
        self._working = ForkLock(policy)
        self._waiting: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        #: Holds a token while the thread sleeps. The caller that takes the token wakes the thread. Taking is atomic,
        #: unlike testing and clearing a flag.
        self._asleep: list[None] = [None]
        self.start_afresh()
        policy.add(self)

    def start_afresh(self) -> None:
        self._waiting.clear()  # the parent does it
        self._asleep[:] = [None]
        self._progressed = 0.0
        self._warned = False
        self._lock = threading.RLock()
        self.dropped = 0

    def do(self, work: Callable[..., None], *arguments: Any) -> None:
        """Call ``work`` with ``arguments`` soon, on another thread.

        It takes no lock, so it may be called anywhere, also by a finalizer or a signal handler that interrupts it.
        """
        if len(self._waiting) >= MAX_WAITING:
            self._do_without_room(work, arguments)
            return
        self._waiting.append((work, arguments))
        if self._asleep:
            self._rouse()

    def catch_up(self, timeout: float = PATIENCE, most: int = MAX_WAITING) -> bool:
        """Do the work that waits now, but at most ``most`` records of it, on this thread. Return whether it is done.

        It is not done if another thread is stuck in its own work for ``timeout`` seconds.
        """
        deadline = monotonic() + timeout
        left = min(len(self._waiting), most)
        while True:
            lock = self._working.lock
            if not lock.acquire(timeout=max(deadline - monotonic(), 0.0)):
                return False
            try:
                for _ in range(min(left, IN_ONE_GO)):
                    try:
                        work, arguments = self._waiting.popleft()
                    except IndexError:  # another thread has done the rest
                        return True
                    _do(work, arguments)
            finally:
                self._progressed = monotonic()
                lock.release()
            left -= IN_ONE_GO
            if left <= 0:
                return True
            sleep(0)

    def _do_without_room(self, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        if monotonic() - self._progressed < STALLED:
            _do(work, arguments)
            return
        with self._lock:
            self.dropped += 1
            if self._warned:
                return
            self._warned = True
        _logger.warning("metrics can't be recorded: the SDK does not answer; what has no room to wait is dropped")

    def _rouse(self) -> None:
        try:
            self._asleep.pop()
        except IndexError:  # another thread was faster
            return
        self._progressed = monotonic()
        try:
            if self._worker.start():
                # The last to be registered is the first to run: before the SDK's own, which was set up earlier.
                atexit.unregister(self.catch_up)
                atexit.register(self.catch_up)
            self._worker.put(None, self._progressed + PAUSE)
        except RuntimeError:  # no thread can be started
            self._asleep[:] = [None]
            self.catch_up()

    def _work(self, entry: None) -> None:
        self._asleep[:] = [None]  # before looking at the queue: work that is added from now on wakes the thread again
        while self._waiting and self.catch_up(most=IN_ONE_GO):
            self._policy.stand_back()


def _do(work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    try:
        work(*arguments)
    except Exception as error:
        guard.report("deferred work", error)


#: The work of this process that can wait.
SHARED = Deferred()
do, catch_up = SHARED.do, SHARED.catch_up
