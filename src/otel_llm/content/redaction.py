"""The interface of redactors, and the time limit under which functions of the application are called."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

from opentelemetry.instrumentation.utils import suppress_instrumentation

from ..background import time_limit

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


class TimeLimit(time_limit.TimeLimit):
    """Calls functions of the application for ``seconds`` at most, without traces: one may ask a model itself."""

    MOST_THREADS = 4

    def __init__(self, seconds: float) -> None:
        super().__init__("redaction", self.MOST_THREADS, RedactorError)
        self._seconds = seconds

    def call(self, work: Callable[[], _T]) -> _T:
        """What ``work`` returns.

        :raises TimeoutError: if it takes longer than the limit, or no thread is left.
        :raises Exception: what ``work`` raises; a :class:`RedactorError` in the place of an exit or an interrupt.
        """

        def untraced() -> _T:
            with suppress_instrumentation():
                return work()

        return self.run(untraced, self._seconds)
