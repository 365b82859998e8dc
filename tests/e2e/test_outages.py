"""Backends and Collectors that die under load: what was acknowledged arrives, and what is lost is counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from e2e.load import Sender
from e2e.programs import CONFIGURATION, Collector, Jaeger, free_address, until

pytestmark = pytest.mark.timeout(300)

Run = Callable[[Any], Any]

FILES = ("common", "ingest", "keep-all", "evaluation", "jaeger")
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


def all_arrive(jaeger: Jaeger, sent: dict[str, int], seconds: float = 90) -> None:
    """Each trace whole in Jaeger, in time; those seen whole are not asked for again."""
    left = dict(sent)

    def none_left() -> bool:
        lacking = missing(jaeger, left)
        for trace_id in left.keys() - lacking.keys():
            del left[trace_id]
        return not left

    until(none_left, seconds, f"all {len(sent)} traces are in Jaeger whole")


def test_jaeger_killed_for_a_minute_under_load_gets_every_span(jaeger: Jaeger, collector: Collector) -> None:
    sender = Sender(collector.otlp_http, "outage", text="x" * 2000, pause=0.05)
    with sender.running():
        until(lambda: len(sender.acknowledged) > 20, 30, "the load runs")
        jaeger.kill()
        before = len(sender.acknowledged)
        pause(OUTAGE_SECONDS)
        during = len(sender.acknowledged) - before
        jaeger.start()
        after = len(sender.acknowledged)
        until(lambda: len(sender.acknowledged) > after + 20, 30, "the load still runs")
    assert during > 100, "the senders went on while Jaeger was away"
    assert sender.refused == 0, "and were not refused"
    all_arrive(jaeger, sender.acknowledged)


def test_what_a_killed_collector_acknowledged_arrives(jaeger: Jaeger, collector: Collector) -> None:
    """Killed three times, with Jaeger away too at the second time, so that its queue is full of work."""
    sender = Sender(collector.otlp_http, "killed", text="x" * 2000)
    with sender.running(threads=4):
        for kill in range(3):
            goal = len(sender.acknowledged) + 100
            until(lambda goal=goal: len(sender.acknowledged) > goal, 60, "the load runs")
            if kill == 1:
                jaeger.kill()
                goal = len(sender.acknowledged) + 100
                until(lambda goal=goal: len(sender.acknowledged) > goal, 60, "the load runs without Jaeger")
            collector.kill()
            collector.start()
            if kill == 1:
                jaeger.start()
        goal = len(sender.acknowledged) + 100
        until(lambda: len(sender.acknowledged) > goal, 60, "the load runs again")
    all_arrive(jaeger, sender.acknowledged)


def test_a_backend_that_never_comes_back_costs_neither_memory_nor_disk_nor_the_application(
    run: Run, tmp_path: Path
) -> None:
    queue = 4 * MEBIBYTE
    settings = {"JAEGER_OTLP": free_address(), "COLLECTOR_QUEUE_BYTES": str(queue), "COLLECTOR_MEMORY_MIB": "256"}
    collector = run(Collector(AGENT, tmp_path, settings))
    exporter = OTLPSpanExporter(f"http://{collector.otlp_http}/v1/traces", timeout=2)
    provider = TracerProvider(resource=Resource({"service.name": "lonely"}), shutdown_on_exit=False)
    processor = BatchSpanProcessor(exporter, max_queue_size=512, max_export_batch_size=128, schedule_delay_millis=100)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("test")

    def work() -> bool:
        for _ in range(100):
            with tracer.start_as_current_span("chat model", attributes={"gen_ai.input.messages": "x" * 4000}):
                pass
        return counted(collector) > 0

    until(work, 60, "the Collector counts what it can't take")
    resident = collector.resident_bytes
    for _ in range(50):
        work()
        time.sleep(0.05)
    provider.shutdown()
    assert on_disk(collector) < 4 * queue
    assert collector.resident_bytes < max(256 * MEBIBYTE, 1.5 * resident)


def counted(collector: Collector) -> float:
    counts = collector.internal()
    return counts.get("otelcol_exporter_enqueue_failed_spans", 0) + counts.get("otelcol_receiver_refused_spans", 0)


def on_disk(collector: Collector) -> int:
    return sum(path.stat().st_size for path in (collector.data / "queue").rglob("*") if path.is_file())
