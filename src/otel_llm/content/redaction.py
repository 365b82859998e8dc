"""The interface of redactors, and the time limit under which functions of the application are called."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from opentelemetry.instrumentation.utils import suppress_instrumentation

from ..background import forks, threads

_T = TypeVar("_T")


class Where(NamedTuple):
    """Where a text stands.

    ``attribute`` is the name of the attribute that it becomes, or is a part of, such as ``gen_ai.input.messages``. In
    JSON, ``path`` leads to it by keys and indexes, such as ``(0, "parts", 0, "content")``.
    """

    attribute: str
    path: tuple[str | int, ...] = ()


class Redactor(Protocol):
    """Replaces what must not be recorded. It is called on several threads, and must not raise.

    The same text at the same attribute is taken to give the same result.
    """

    def __call__(self, text: str, where: Where, /) -> str:
        """``text`` as it may be recorded."""
        ...


class RedactorError(Exception):
    """A redactor gave no text."""


class _Job(Generic[_T]):
    def __init__(self, work: Callable[[], _T]) -> None:
        self.work = work
        self.done = threading.Event()
        self.result: _T | None = None
        self.error: Exception | None = None
        #: Popped by the caller that gives the job up, or by the thread that has done it: only one of them can.
        self.wanted = [None]


class TimeLimit:
    """Calls functions on threads of its own, and stops waiting for one after ``seconds``.

    A thread that a function never gives back is lost. When all are, every further call fails at once, so that callers
    don't wait again and again.
    """

    MOST_THREADS = 4

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.start_afresh()
        forks.SHARED.add(self)

    def start_afresh(self) -> None:
        """In a child process: the threads are the parent's."""
        self._jobs: queue.SimpleQueue[_Job[Any]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = self._busy = self._overdue = 0

    def call(self, work: Callable[[], _T]) -> _T:
        """What ``work`` returns.

        :raises TimeoutError: if it takes longer than the limit, or no thread is left.
        :raises Exception: what ``work`` raises; a :class:`RedactorError` in the place of an exit or an interrupt.
        """
        job = _Job(work)
        with self._lock:
            if self._overdue >= self.MOST_THREADS:
                raise TimeoutError
            self._busy += 1
            if self._busy > self._threads and self._threads < self.MOST_THREADS:
                threads.start("redaction", self._run, self._jobs)
                self._threads += 1
        self._jobs.put(job)
        if not job.done.wait(self._seconds) and _took(job.wanted):
            with self._lock:
                self._overdue += 1
            raise TimeoutError
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]

    def _run(self, jobs: queue.SimpleQueue[_Job[Any]]) -> None:
        with suppress_instrumentation():  # a function may ask a model itself
            while True:
                job = jobs.get()
                try:
                    if job.wanted:
                        job.result = job.work()
                except Exception as error:
                    job.error = error
                except BaseException as error:  # an exit is for the function, not for this thread
                    job.error = RedactorError(type(error).__name__)
                in_time = _took(job.wanted)
                with self._lock:
                    self._busy -= 1
                    self._overdue -= not in_time
                job.done.set()
                del job  # it holds content


def _took(token: list[None]) -> bool:
    try:
        token.pop()
    except IndexError:
        return False
    return True
