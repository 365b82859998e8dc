"""Feedback as rules see it, and the samplers of this process that hear it."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

from opentelemetry.trace import format_span_id, format_trace_id

#: Labels that mean that the person was not content.
NEGATIVE = frozenset({"down", "thumbs_down", "thumbs-down", "negative", "bad", "no", "dislike", "wrong"})
POSITIVE = frozenset({"up", "thumbs_up", "thumbs-up", "positive", "good", "yes", "like", "right"})


class Said(NamedTuple):
    """What a person said of a trace."""

    name: str
    score: float | None
    label: str | None
    scale: str = "0-1"

    @property
    def negative(self) -> bool:
        """Whether the score is in the lower half of its scale; without a score, whether the label is negative."""
        if self.score is None:
            return (self.label or "").strip().lower() in NEGATIVE
        return self.score < _middle(self.scale)


def _middle(scale: str) -> float:
    low, _, high = scale.partition("-")
    try:
        return (float(low) + float(high)) / 2
    except ValueError:
        return 0.5


class Place(NamedTuple):
    """The span of a held trace that feedback on it is shown at."""

    trace_id: str
    span_id: str

    @classmethod
    def of(cls, trace_id: int, span_id: int) -> Place:
        return cls(format_trace_id(trace_id), format_span_id(span_id))


class Hearer(Protocol):
    """A sampler that may still hold the trace that feedback is about."""

    def find(self, attribute: str, value: str) -> Place | None: ...

    def hear(self, trace_id: int, said: Said) -> bool: ...

    @property
    def dataset(self) -> Path | None: ...


class Hearers:
    """The samplers of this process."""

    def __init__(self) -> None:
        self._known: weakref.WeakSet[Hearer] = weakref.WeakSet()

    def add(self, hearer: Hearer) -> None:
        self._known.add(hearer)

    def remove(self, hearer: Hearer) -> None:
        self._known.discard(hearer)

    def find(self, attribute: str, value: str) -> Place | None:
        """The newest held trace with a span whose ``attribute`` is ``value``."""
        return next((place for one in list(self._known) if (place := one.find(attribute, value)) is not None), None)

    def hear(self, trace_id: str, said: Said) -> bool:
        """Tell each of what was ``said``; return whether one holds the trace, so that its rules can take it."""
        return any([one.hear(int(trace_id, 16), said) for one in list(self._known)])  # noqa: C419 - tell all of them

    def datasets(self) -> Iterable[Path]:
        """The SQLite datasets that samplers store items in."""
        return dict.fromkeys(path for one in list(self._known) if (path := one.dataset) is not None)


#: One for the process, as its traces are.
SHARED = Hearers()
