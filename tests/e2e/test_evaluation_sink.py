"""Traces that EvaluationSampler chose are in the Collector's file, whole, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from e2e import otlp
from e2e.programs import CONFIGURATION, Collector, Jaeger, until
from otel_llm.evaluation import EvaluationSampler

pytestmark = pytest.mark.timeout(600)

TRACES = 300
Run = Callable[[Any], Any]
Ids = dict[str, set[str]]


def configuration(sampling: str) -> list[Path]:
    return [
        CONFIGURATION / "otelcol" / f"{name}.yaml"
        for name in ("common", "ingest", "spans", sampling, "evaluation", "jaeger")
    ]


def send(collector: Collector, tmp_path: Path) -> tuple[Ids, Ids, Ids]:
    """Traces of three spans; by trace id, the span ids of all, of those chosen for evaluation, of those with an error.

    An error has a trace of its own, which is not necessarily chosen.
    """
    provider = TracerProvider(resource=Resource({"service.name": "sampled"}), shutdown_on_exit=False)
    provider.add_span_processor(EvaluationSampler(0.3, sink=tmp_path / "items.jsonl"))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"http://{collector.otlp_http}/v1/traces")))
    kept = InMemorySpanExporter()
    provider.add_span_processor(BatchSpanProcessor(kept))
    tracer = provider.get_tracer("test")
    for number in range(TRACES):
        with tracer.start_as_current_span("answer"):
            with tracer.start_as_current_span("retrieval"):
                pass
            with tracer.start_as_current_span("chat") as span:
                if number % 10 == 0:
                    span.set_status(StatusCode.ERROR)
    provider.shutdown()
    everything: Ids = {}
    chosen: Ids = {}
    failed: Ids = {}
    for span in kept.get_finished_spans():
        trace_id, span_id = f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"
        everything.setdefault(trace_id, set()).add(span_id)
        if (span.attributes or {}).get("otel_llm.eval.sampled"):
            chosen.setdefault(trace_id, set()).add(span_id)
        if span.status.status_code is StatusCode.ERROR:
            failed[trace_id] = set()
    assert 0 < len(chosen) < TRACES
    assert all(chosen[trace_id] == everything[trace_id] for trace_id in chosen), "chosen whole"
    return everything, chosen, {trace_id: everything[trace_id] for trace_id in failed}


def by_trace(spans: list[dict[str, Any]]) -> Ids:
    found: Ids = {}
    for span in spans:
        found.setdefault(span["trace"], set()).add(span["id"])
    return found


def in_jaeger(jaeger: Jaeger, trace_ids: Ids) -> Ids:
    return by_trace(otlp.spans(part for trace_id in trace_ids for part in jaeger.trace(trace_id)))


def in_file(collector: Collector) -> Ids:
    return by_trace(otlp.spans_of_file(collector.data / "eval" / "traces.jsonl"))


def test_without_sampling_everything_is_in_jaeger_and_the_chosen_in_the_file(run: Run, tmp_path: Path) -> None:
    jaeger = run(Jaeger(tmp_path))
    collector = run(Collector(configuration("keep-all"), tmp_path, {"JAEGER_OTLP": jaeger.otlp_grpc}))
    everything, chosen, _ = send(collector, tmp_path)
    until(lambda: in_jaeger(jaeger, everything) == everything, 120, "everything is in Jaeger")
    collector.stop()
    assert in_file(collector) == chosen


def test_tail_sampling_keeps_the_chosen_and_the_failed(run: Run, tmp_path: Path) -> None:
    jaeger = run(Jaeger(tmp_path))
    settings = {
        "JAEGER_OTLP": jaeger.otlp_grpc,
        "COLLECTOR_KEEP_PERCENT": "0",
        "COLLECTOR_DECISION_WAIT": "2s",
        "COLLECTOR_DECISION_WAIT_AFTER_ROOT": "2s",
    }
    collector = run(Collector(configuration("sampling"), tmp_path, settings))
    everything, chosen, failed = send(collector, tmp_path)
    until(lambda: in_jaeger(jaeger, chosen | failed) == chosen | failed, 120, "what is kept is in Jaeger")
    collector.stop()
    assert in_jaeger(jaeger, everything) == chosen | failed
    assert in_file(collector) == chosen
