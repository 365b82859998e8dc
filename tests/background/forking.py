"""A program that forks while other threads make calls, end spans, make garbage, and collect it or the metrics.

Each child makes a traced call, sends what it has and ends. What becomes of the children is printed as JSON: the stacks
of those that hung, how many could not send all in time, and the seconds that the slowest fork took.

``python forking.py COLLECTING CHILDREN DIRECTORY``; COLLECTING is ``garbage``, ``metrics`` or ``both``.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

import otel_llm
from otel_llm.evaluation import EvaluationSampler

#: A child that takes so many seconds hangs.
LIMIT = 10.0


class NoSpans(SpanExporter):
    def export(self, spans: Any) -> SpanExportResult:
        return SpanExportResult.SUCCESS


class NoMetrics(MetricExporter):
    def export(self, metrics_data: MetricsData, timeout_millis: float = 0, **kwargs: Any) -> MetricExportResult:
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 0) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 0, **kwargs: Any) -> None:
        """Nothing to shut down."""


class Dropped:
    """What ends a span when it is collected."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self.me = self
        self.span = tracer.start_span("dropped")

    def __del__(self) -> None:
        self.span.end()


def call() -> None:
    with otel_llm.chat_span("m", "own", messages="hi") as span:
        span.chunk("Hello")


def main(collecting: str, children: int, directory: Path) -> None:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(NoSpans()))
    provider.add_span_processor(EvaluationSampler(1.0, sink=directory / "items.db", grace=0.0))
    trace.set_tracer_provider(provider)
    meters = MeterProvider([PeriodicExportingMetricReader(NoMetrics(), export_interval_millis=3_600_000)])
    metrics.set_meter_provider(meters)
    log = otel_llm.log_prompts(directory / "prompts.jsonl")
    call()  # imports what it needs: Python itself hangs in a child that is forked while another thread imports
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            call()
            Dropped(provider.get_tracer("application"))
            time.sleep(0)

    def collect() -> None:
        while not over.is_set():
            if collecting in ("garbage", "both"):
                gc.collect(0)
            if collecting in ("metrics", "both"):
                meters.force_flush()
            time.sleep(0)

    threads = [threading.Thread(target=run) for run in (work, collect)]
    for thread in threads:
        thread.start()
    hung: list[str] = []
    unsent = 0
    slowest = 0.0
    for _ in range(children):
        with tempfile.TemporaryFile("w+") as stacks:
            began = time.monotonic()
            child = os.fork()
            if not child:
                faulthandler.dump_traceback_later(LIMIT, exit=True, file=stacks)
                call()
                os._exit(0 if otel_llm.flush(LIMIT / 4) else 3)
            slowest = max(slowest, time.monotonic() - began)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            stacks.seek(0)
            if text := stacks.read():
                hung.append(text)
            unsent += code == 3
    over.set()
    for thread in threads:
        thread.join()
    log.shutdown()
    provider.shutdown()
    meters.shutdown()
    print(json.dumps({"children": children, "hung": hung, "unsent": unsent, "slowest_fork": slowest}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
