"""Reads what a gateway adds to an answer: its cost, in a header of the response."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import Any

from ... import guard


class GatewayCosts:
    """Reads the cost of an answer from the headers that are named in ``names``.

    An answer that the SDK has parsed has lost its headers, so :meth:`note` is to be called before that, in the same
    task or thread.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(names)
        self._headers: ContextVar[Mapping[str, str] | None] = ContextVar("otel_llm-headers", default=None)

    def forget(self) -> None:
        """Forget the headers that were noted last."""
        if self._headers.get() is not None:
            self._headers.set(None)

    @guard.never_raise
    def note(self, response: Any) -> None:
        """Note the headers of an HTTP ``response`` that the SDK has just received."""
        self._headers.set(response.headers)

    def noted(self) -> tuple[float, str] | None:
        """The amount in the headers that were noted last, with its currency."""
        return self.told(self._headers.get())

    def told(self, headers: Mapping[str, str] | None) -> tuple[float, str] | None:
        """The amount in ``headers``, with its currency. A gateway that knows no price sends 0, which is not a cost."""
        for name in self._names if headers else ():
            if (text := headers.get(name)) is not None and (amount := _amount(text)):  # type: ignore[union-attr]
                return amount, "USD"
        return None


def _amount(text: str) -> float | None:
    try:
        amount = float(text)
    except ValueError:
        return None
    return amount if 0 < amount < math.inf else None
