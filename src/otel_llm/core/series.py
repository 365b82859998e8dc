"""Bounds the time series that the metrics of one process make in a backend, over all instruments and scopes.

A series is what Prometheus stores: one for a counter's attributes, and one for each bucket, the sum and the count of a
histogram's.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from .. import semconv as s
from .dimensions import CHOSEN, MAX_SERIES, OVERFLOW, PROMPT, Fixed

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import Counter, Histogram, Meter

_logger = logging.getLogger("otel_llm")

#: The detail that is given up first, one after the other.
_DETAILS = (PROMPT, (s.LLM_TENANT_ID,), tuple(CHOSEN))
#: The share of all series that may have a prompt or a tenant, so that those leave room for models and errors.
_DETAILED = 0.5
#: The share that is kept for what has :data:`.OVERFLOW`, so that nothing is lost for want of a series.
_OVERFLOWING = 1 / 3
#: The attributes of the last series of an instrument: what the conventions require, with the values that we choose.
_LAST = (
    s.OPERATION_NAME,
    s.PROVIDER_NAME,
    s.AGENT_NAME,
    s.WORKFLOW_NAME,
    s.TOOL_NAME,
    s.GUARDRAIL_COMPONENT_NAME,
    s.ERROR_TYPE,
    s.TOKEN_TYPE,
    s.TOKEN_MODALITY,
)
_OURS = frozenset({s.OPERATION_NAME, s.TOKEN_TYPE, s.TOKEN_MODALITY})


class SeriesBudget:
    """How many time series the metrics of this process may have."""

    def __init__(self, limit: int = MAX_SERIES) -> None:
        self.limit = limit
        self._used = self._detailed = 0
        self._warned = False

    def admits(self, attributes: Mapping[str, Any], series: int, last: bool) -> bool:
        """Whether there is room for ``series`` more with ``attributes``. If so, they are counted."""
        detailed = any(attributes.get(name, OVERFLOW) != OVERFLOW for name in (*PROMPT, s.LLM_TENANT_ID))
        if self._used + series > self.limit * (1 if last else 1 - _OVERFLOWING):
            return False
        if detailed and self._detailed + series > self.limit * _DETAILED:
            return False
        self._used += series
        self._detailed += series if detailed else 0
        return True

    def refuse(self) -> None:
        """Say once that a measurement has no room at all."""
        if not self._warned:
            self._warned = True
            _logger.warning(
                "The metrics of this process have reached their limit of %d time series (OTEL_LLM_METRICS_MAX_SERIES):"
                " what a further instrument measures is not recorded.",
                self.limit,
            )


class ScopeSeries:
    """The series of one instrumentation scope, whichever meter records them."""

    def __init__(self, budget: SeriesBudget) -> None:
        self._budget = budget
        self._points: dict[str, Points] = {}

    def of(self, instrument: str, series: int = 1) -> Points:
        """The points of ``instrument``, of which each makes so many ``series``."""
        return self._points.setdefault(instrument, Points(self._budget, series))

    def on(self, meter: Meter) -> Meter:
        """``meter``, whose histograms and counters keep to the budget."""
        return cast("Meter", _Metered(meter, self))


class Points:
    """The attributes with which one instrument has been recorded."""

    def __init__(self, budget: SeriesBudget, series: int) -> None:
        """``series`` is how many time series each set of attributes makes."""
        self._budget, self._each = budget, series
        self._admitted: set[tuple[tuple[str, Any], ...]] = set()
        #: Results of :meth:`within` by its argument.
        self._known: dict[tuple[tuple[str, Any], ...], Mapping[str, Any] | None] = {}

    def within(self, attributes: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """``attributes`` with as much detail as there is room for; ``None``: there is none at all."""
        if type(attributes) is not Fixed:
            return self._within(attributes)
        known = attributes.known
        if self not in known:
            known[self] = self._within(attributes)
        return known[self]

    def _within(self, attributes: Mapping[str, Any]) -> Mapping[str, Any] | None:
        given = tuple(attributes.items())
        try:
            return self._known[given]
        except KeyError:
            found = self._admit(attributes)
        if len(self._known) < MAX_SERIES:
            self._known[given] = found
        return found

    def _admit(self, attributes: Mapping[str, Any]) -> Mapping[str, Any] | None:
        *coarser, last = _coarser(attributes)
        for candidate in (*coarser, last):
            key = tuple(candidate.items())
            if key in self._admitted or self._budget.admits(candidate, self._each, candidate is last):
                self._admitted.add(key)
                return candidate
        self._budget.refuse()
        return None


def _coarser(attributes: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """``attributes`` with less and less detail."""
    yield attributes
    coarse = dict(attributes)
    for names in _DETAILS:
        if any(coarse.get(name, OVERFLOW) != OVERFLOW for name in names):
            coarse = {name: OVERFLOW if name in names else value for name, value in coarse.items()}
            yield coarse
    yield {name: attributes[name] if name in _OURS else OVERFLOW for name in _LAST if name in attributes}


class _Metered:
    """The part of a meter that instruments are made by."""

    def __init__(self, meter: Meter, series: ScopeSeries) -> None:
        self._meter, self._series = meter, series

    def create_histogram(
        self, name: str, unit: str, description: str, *, explicit_bucket_boundaries_advisory: Sequence[float]
    ) -> Histogram:
        histogram = self._meter.create_histogram(
            name, unit, description, explicit_bucket_boundaries_advisory=explicit_bucket_boundaries_advisory
        )
        # A bucket for each boundary and one above them, the sum and the count.
        points = self._series.of(name, len(explicit_bucket_boundaries_advisory) + 3)
        return cast("Histogram", _BoundedHistogram(histogram, points))

    def create_counter(self, name: str, unit: str, description: str) -> Counter:
        counter = self._meter.create_counter(name, unit, description)
        return cast("Counter", _BoundedCounter(counter, self._series.of(name)))


class _BoundedHistogram:
    def __init__(self, histogram: Histogram, points: Points) -> None:
        self._histogram, self._points = histogram, points

    def record(self, amount: float, attributes: Mapping[str, Any], context: Context | None = None) -> None:
        if (within := self._points.within(attributes)) is not None:
            self._histogram.record(amount, within, context)


class _BoundedCounter:
    def __init__(self, counter: Counter, points: Points) -> None:
        self._counter, self._points = counter, points

    def add(self, amount: float, attributes: Mapping[str, Any], context: Context | None = None) -> None:
        if (within := self._points.within(attributes)) is not None:
            self._counter.add(amount, within, context)
