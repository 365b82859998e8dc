"""Remembers endpoints whose answers show that they hold no language model."""

from __future__ import annotations

from .invocation import Invocation

#: After so many answers in a row that no language model gave, the endpoint is taken to have none.
_ENOUGH = 3
#: The most endpoints for which answers are counted.
_MOST_KNOWN = 256


class Misses:
    """Counts the answers in a row that no language model gave, for each endpoint."""

    def __init__(self) -> None:
        self._counts: dict[tuple[object, ...], int] = {}

    def enough(self, made: Invocation) -> bool:
        """Whether requests to the same model as ``made`` are not traced any more."""
        return self._counts.get(_place(made), 0) >= _ENOUGH

    def add(self, made: Invocation, certain: bool) -> None:
        """Note that ``made`` called no language model; ``certain`` if its answer proves it."""
        counts, place = self._counts, _place(made)
        if len(counts) >= _MOST_KNOWN:
            counts.clear()
        counts[place] = _ENOUGH if certain else counts.get(place, 0) + 1

    def clear(self, made: Invocation) -> None:
        """Note that ``made`` called a language model."""
        if self._counts:
            self._counts.pop(_place(made), None)


def _place(made: Invocation) -> tuple[object, ...]:
    """The key of the called model: the server, and the names in the request."""
    return made.server.address, *(made.target or {}).items()
