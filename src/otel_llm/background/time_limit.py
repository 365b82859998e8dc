"""Calls functions of the application with a time limit, on threads whose number is bounded."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from . import forks, threads

_T = TypeVar("_T")


class InterruptedWorkError(Exception):
    """A function ended by an exit or an interrupt, which is for the function and not for the thread that runs it."""


@dataclass(frozen=True, eq=False)
class Share:
    """Those calls of which at most ``most`` may be overdue, so that they leave threads to others."""

    most: int


class Job(Generic[_T]):
    """A call of a function on another thread."""

    def __init__(self, work: Callable[[], _T], share: Share | None, then: Callable[[], object] | None) -> None:
        self.work, self.share, self.then = work, share, then
        self.done = threading.Event()
        self.result: _T | None = None
        self.error: Exception | None = None
        #: Popped by the caller that gives the job up, or by the thread that has done it: only one of them can.
        self.wanted = [None]

    def outcome(self) -> _T:
        """What the function returned.

        :raises Exception: what the function raised.
        """
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]


class TimeLimit:
    """Calls functions on threads of its own, and stops waiting for one when its time is up.

    A thread that a function never gives back is lost. When all ``most_threads`` are, or as many as a share has, every
    further call fails at once, so that callers don't wait again and again.
    """

    def __init__(self, name: str, most_threads: int, interrupted: type[Exception] = InterruptedWorkError) -> None:
        self._name, self._most, self._interrupted = name, most_threads, interrupted
        self.start_afresh()
        forks.SHARED.add(self)

    def start_afresh(self) -> None:
        """In a child process: the threads are the parent's."""
        self._jobs: queue.SimpleQueue[Job[Any]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = self._busy = self._overdue = 0
        self._overdue_of: Counter[Share] = Counter()

    def run(self, work: Callable[[], _T], seconds: float, share: Share | None = None) -> _T:
        """What ``work`` returns.

        :raises TimeoutError: if it takes longer than ``seconds``, or no thread is left.
        :raises Exception: what ``work`` raises; in the place of an exit or an interrupt the error for these.
        """
        job = self._start(work, share, None)
        if not job.done.wait(seconds) and self._give_up(job):
            raise TimeoutError
        return job.outcome()

    async def arun(self, work: Callable[[], _T], seconds: float, share: Share | None = None) -> _T:
        """:meth:`run` for a coroutine of asyncio. A cancellation gives up the call."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def then() -> None:
            try:
                loop.call_soon_threadsafe(_settle, done)
            except RuntimeError:  # the loop has been closed
                return

        job = self._start(work, share, then)
        try:
            await asyncio.wait((done,), timeout=seconds)
        except BaseException:
            self._give_up(job)
            raise
        if not job.done.is_set() and self._give_up(job):
            raise TimeoutError
        return job.outcome()

    def _start(self, work: Callable[[], _T], share: Share | None, then: Callable[[], object] | None) -> Job[_T]:
        job = Job(work, share, then)
        with self._lock:
            if self._overdue >= self._most or (share is not None and self._overdue_of[share] >= share.most):
                raise TimeoutError
            self._busy += 1
            if self._busy > self._threads and self._threads < self._most:
                threads.start(self._name, self._run, self._jobs)
                self._threads += 1
        self._jobs.put(job)
        return job

    def _give_up(self, job: Job[Any]) -> bool:
        """Stop waiting for ``job``; return whether it was still running."""
        given_up = _took(job.wanted)
        if given_up:
            with self._lock:
                self._count(job, 1)
        return given_up

    def _count(self, job: Job[Any], overdue: int) -> None:
        self._overdue += overdue
        if job.share is not None:
            self._overdue_of[job.share] += overdue
            if not self._overdue_of[job.share]:
                del self._overdue_of[job.share]

    def _run(self, jobs: queue.SimpleQueue[Job[Any]]) -> None:
        while True:
            job = jobs.get()
            try:
                if job.wanted:
                    job.result = job.work()
            except Exception as error:
                job.error = error
            except BaseException as error:
                job.error = self._interrupted(type(error).__name__)
            in_time = _took(job.wanted)
            with self._lock:
                self._busy -= 1
                if not in_time:
                    self._count(job, -1)
            job.done.set()
            if job.then is not None:
                job.then()
            del job  # it holds content


def _took(token: list[None]) -> bool:
    try:
        token.pop()
    except IndexError:
        return False
    return True


def _settle(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
