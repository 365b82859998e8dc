"""Timing in ratios: everything is measured in turn in one process and divided by the floor of the same round.

The floor is what telemetry of such a call costs at the least: one CLIENT span with 20 attributes and three histogram
records with 6 attributes each, made with the bare SDK.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from time import thread_time_ns
from typing import Any

from opentelemetry.metrics import Histogram, Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import SpanKind, Tracer

Work = Callable[[], Any]

_SPAN_ATTRIBUTES: dict[str, Any] = {
    **{f"bench.text.{n}": f"value number {n}" for n in range(12)},
    **{f"bench.count.{n}": n for n in range(5)},
    **{f"bench.ratio.{n}": n / 7 for n in range(2)},
    "bench.list": ("stop",),
}
_METRIC_ATTRIBUTES = {f"bench.dimension.{n}": f"value {n}" for n in range(6)}


class NullExporter(SpanExporter):
    def export(self, spans: Any) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def tracer_provider(sampled: bool = True) -> TracerProvider:
    provider = TracerProvider(sampler=ALWAYS_ON if sampled else ALWAYS_OFF)
    provider.add_span_processor(BatchSpanProcessor(NullExporter(), max_queue_size=65536))
    return provider


def meter_provider() -> MeterProvider:
    return MeterProvider([InMemoryMetricReader()])


def floor_work(tracer: Tracer, meter: Meter) -> Work:
    histograms: list[Histogram] = [meter.create_histogram(f"bench.{n}") for n in range(3)]

    def work() -> None:
        span = tracer.start_span("floor", kind=SpanKind.CLIENT, attributes=_SPAN_ATTRIBUTES)
        for histogram in histograms:
            histogram.record(0.1, _METRIC_ATTRIBUTES)
        span.end()

    return work


def per_call_ns(work: Work, calls: int) -> float:
    """Nanoseconds of processor time a call took on this thread, garbage collection kept out."""
    gc.collect()
    gc.disable()
    try:
        start = thread_time_ns()
        for _ in range(calls):
            work()
        return (thread_time_ns() - start) / calls
    finally:
        gc.enable()


@dataclass
class Result:
    """A measurement in floors (or a share of something), and the limit it is held to."""

    name: str
    median: float
    low: float
    high: float
    limit: float | None = None

    @property
    def within(self) -> bool:
        return self.limit is None or self.median <= self.limit

    def __str__(self) -> str:
        limit = "" if self.limit is None else f"  limit {self.limit:5.2f} {'ok' if self.within else 'OVER'}"
        return f"{self.name:<44} {self.median:6.2f}  [{self.low:5.2f} .. {self.high:5.2f}]{limit}"


def compare(
    name: str,
    bare: Work,
    traced: Work,
    floor: Work,
    limit: float | None = None,
    switch: Callable[[bool], None] = lambda on: None,
    rounds: int = 15,
    calls: int = 200,
    units: int = 1,
) -> Result:
    """What ``traced`` adds to ``bare``, in floors, a unit (a chunk of a stream, say): median and quartiles of rounds.

    ``switch`` turns the instrumentation on and off around each, so that the same work can be both.
    """
    ratios = []
    for number in range(rounds + 1):
        switch(False)
        without = per_call_ns(bare, calls)
        switch(True)
        with_ours = per_call_ns(traced, calls)
        least = per_call_ns(floor, calls)
        if number:  # the first round warms up
            ratios.append((with_ours - without) / least / units)
    switch(False)
    low, median, high = statistics.quantiles(ratios, n=4)
    return Result(name, median, low, high, limit)
