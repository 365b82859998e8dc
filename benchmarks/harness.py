"""Timing in ratios: everything takes turns in one process and is divided by the floor.

The floor is what telemetry of such a call costs at the least: one CLIENT span with 20 attributes and three histogram
records with 6 attributes each in that span's context, made with the bare SDK.
"""

from __future__ import annotations

import gc
import random
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

from opentelemetry.metrics import Histogram, Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import SpanKind, Tracer, set_span_in_context

from otel_llm.background import deferred

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
        context = set_span_in_context(span)  # what makes an exemplar of the span
        for histogram in histograms:
            histogram.record(0.1, _METRIC_ATTRIBUTES, context)
        span.end()

    return work


def _time_ns(work: Work) -> int:
    start = perf_counter_ns()
    work()
    return perf_counter_ns() - start


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


#: So many calls of a kind follow one another, after one that is not counted: an application's calls are all traced, so
#: what traces them is as warm, or as cold, as what makes them. More would let the machine's moods come between.
_RUN = 5


def compare(
    name: str,
    bare: Work,
    traced: Work,
    floor: Work,
    limit: float | None = None,
    calls: int = 2000,
    units: int = 1,
    call: Work | None = None,
) -> Result:
    """What ``traced`` adds to ``bare``, in floors, a unit (a chunk of a stream, say): median and quartiles of blocks.

    The floor is measured alike: what it adds to ``call`` (default: ``bare``) when it is done after it. All take turns,
    in short runs of changing order, so that whatever else the machine does falls on all of them alike. What can wait
    until the caller has gone on is done between the runs; a ``traced`` that catches up itself has it counted in.
    """
    one_call = call or bare

    def with_floor() -> None:
        one_call()
        floor()

    blocks = 10
    ratios = []
    order = random.Random(0)
    gc.collect()
    gc.disable()
    try:
        for number in range(blocks + 1):
            taken: dict[Work, list[int]] = {work: [] for work in (bare, traced, one_call, with_floor)}
            turns = list(taken)
            for _ in range(max(calls // blocks // _RUN, 2)):
                order.shuffle(turns)
                for work in turns:
                    work()
                    taken[work].extend(_time_ns(work) for _ in range(_RUN))
                    deferred.catch_up()
            gc.collect()
            median = {work: statistics.median(times) for work, times in taken.items()}
            if number:  # the first block warms up
                least = median[with_floor] - median[one_call]
                ratios.append((median[traced] - median[bare]) / least / units)
    finally:
        gc.enable()
    low, middle, high = statistics.quantiles(ratios, n=4)
    return Result(name, middle, low, high, limit)
