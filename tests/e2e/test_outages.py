"""Backends and Collectors that die under load: what was acknowledged arrives, and what is lost is counted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from e2e.load import Sender
from e2e.programs import CONFIGURATION, Collector, Jaeger, free_address, until

pytestmark = pytest.mark.timeout(900)

Run = Callable[[Any], Any]

FILES = ("common", "ingest", "spans", "keep-all", "evaluation", "jaeger")
AGENT = [CONFIGURATION / "otelcol" / f"{name}.yaml" for name in FILES]
OUTAGE_SECONDS = 60
MEBIBYTE = 1 << 20


@pytest.fixture
def jaeger(run: Run, tmp_path: Path) -> Jaeger:
    return run(Jaeger(tmp_path))


@pytest.fixture
def collector(run: Run, tmp_path: Path, jaeger: Jaeger) -> Collector:
    return run(Collector(AGENT, tmp_path, {"JAEGER_OTLP": jaeger.otlp_grpc}))


def pause(seconds: float) -> None:
    """An outage has a length."""
    time.sleep(seconds)


def missing(jaeger: Jaeger, sent: dict[str, int]) -> dict[str, int]:
    """Trace id -> how many of its spans Jaeger lacks, for those where it lacks any."""
    lacking = {}
    for trace_id, count in sent.items():
        stored = {
            span["spanId"] for part in jaeger.trace(trace_id) for scope in part["scopeSpans"] for span in scope["spans"]
        }
        if len(stored) != count:
            lacking[trace_id] = count - len(stored)
    return lacking


def all_arrive(jaeger: Jaeger, sent: dict[str, int]) -> None:
    """Each trace whole in Jaeger; as long as some arrive the others have time."""
    left = dict(sent)
    while left:
        before = len(left)

        def fewer(before: int = before) -> bool:
            nonlocal left
            left = {trace_id: sent[trace_id] for trace_id in missing(jaeger, left)}
            return len(left) < before

        until(fewer, 90, f"of {len(sent)} traces the last {before} are in Jaeger whole")


def test_jaeger_killed_for_a_minute_under_load_gets_every_span(jaeger: Jaeger, collector: Collector) -> None:
    sender = Sender(collector.otlp_http, "outage", text="x" * 2000)
    with sender.running():
        until(lambda: len(sender.acknowledged) > 20, 120, "the load runs")
        jaeger.kill()
        before = len(sender.acknowledged)
        pause(OUTAGE_SECONDS)
        during = len(sender.acknowledged) - before
        jaeger.start()
        after = len(sender.acknowledged)
        until(lambda: len(sender.acknowledged) > after + 20, 120, "the load still runs")
    assert during > 100, "the senders went on while Jaeger was away"
    assert sender.refused == 0, "and were not refused"
    all_arrive(jaeger, sender.acknowledged)


def test_what_a_killed_collector_acknowledged_arrives(jaeger: Jaeger, collector: Collector) -> None:
    """Killed three times, with Jaeger away too at the second time, so that its queue is full of work."""
    sender = Sender(collector.otlp_http, "killed", text="x" * 2000, threads=4)
    with sender.running():
        for kill in range(3):
            goal = len(sender.acknowledged) + 100
            until(lambda goal=goal: len(sender.acknowledged) > goal, 120, "the load runs")
            if kill == 1:
                jaeger.kill()
                goal = len(sender.acknowledged) + 100
                until(lambda goal=goal: len(sender.acknowledged) > goal, 120, "the load runs without Jaeger")
            collector.kill()
            collector.start()
            if kill == 1:
                jaeger.start()
        goal = len(sender.acknowledged) + 100
        until(lambda: len(sender.acknowledged) > goal, 120, "the load runs again")
    all_arrive(jaeger, sender.acknowledged)


def test_a_backend_that_never_comes_back_costs_a_bounded_sum_and_every_lost_span_is_counted(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The application's spans go on being made; the Collector refuses what its full queue can't take; the SDK drops."""
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    queue = 4 * MEBIBYTE
    settings = {"JAEGER_OTLP": free_address(), "COLLECTOR_QUEUE_BYTES": str(queue), "COLLECTOR_MEMORY_MIB": "256"}
    settings["COLLECTOR_DISK_RESERVE_BYTES"] = str(MEBIBYTE)
    collector = run(Collector(AGENT, tmp_path, settings))
    own = InMemoryMetricReader()
    meters = MeterProvider([own])
    # Long enough for what the Collector takes: a request given up by the sender and taken nevertheless counts twice.
    exporter = OTLPSpanExporter(f"http://{collector.otlp_http}/v1/traces", timeout=5, meter_provider=meters)
    provider = TracerProvider(resource=Resource({"service.name": "lonely"}), shutdown_on_exit=False)
    batches = {"max_queue_size": 512, "max_export_batch_size": 128, "schedule_delay_millis": 100}
    provider.add_span_processor(BatchSpanProcessor(exporter, **batches, meter_provider=meters))
    tracer = provider.get_tracer("test")
    made = 0

    def work() -> int:
        nonlocal made
        for _ in range(100):
            with tracer.start_as_current_span("chat model", attributes={"gen_ai.input.messages": "x" * 4000}):
                made += 1
        return made

    def refused() -> float:
        return collector.internal().get("otelcol_receiver_refused_spans", 0)

    until(lambda: work() and refused(), 120, "the Collector counts what it refuses")
    resident, disk, enough = collector.resident_bytes, on_disk(collector), refused() + 3 * 128
    until(lambda: work() and refused() > enough, 240, "and goes on counting")
    provider.shutdown()

    assert on_disk(collector) == disk < 8 * queue, "pages of a database that doubles, with the queue in them"
    assert collector.resident_bytes < resident + 32 * MEBIBYTE
    exported, processed = (
        sdk_counts(own, f"otel.sdk.{part}") for part in ("exporter.span.exported", "processor.span.processed")
    )
    assert processed["queue_full"] > 0
    # The SDK counts a span as dropped before it appends it: one that finds room in between is counted as both.
    assert made <= sum(processed.values()) <= made + 8
    assert sum(exported.values()) == processed[""]
    assert collector.internal()["otelcol_receiver_accepted_spans"] == exported[""] > 0

    def refusals_are_counted_where_they_are_made() -> bool:
        counts = collector.internal()
        return counts["otelcol_exporter_enqueue_failed_spans"] == counts["otelcol_receiver_refused_spans"]

    until(refusals_are_counted_where_they_are_made, 60, "the last refused request has ended in the Collector too")


def sdk_counts(reader: InMemoryMetricReader, name: str) -> Counter[str]:
    """What the SDK counted of its own spans: error type, empty for none, -> number."""
    counts: Counter[str] = Counter()
    data = reader.get_metrics_data()
    for metric in (m for r in data.resource_metrics for scope in r.scope_metrics for m in scope.metrics):
        if metric.name == name:
            for point in metric.data.data_points:
                counts[str(point.attributes.get("error.type", ""))] += point.value
    return counts


def on_disk(collector: Collector) -> int:
    return sum(path.stat().st_size for path in (collector.data / "queue").rglob("*") if path.is_file())
