"""What the Collector makes of metrics: running totals, of all spans, whatever sampling leaves out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from e2e.load import attribute, post, request, trace
from e2e.program import samples
from e2e.programs import CONFIGURATION, KEPT_STORE, Collector, Program, free_address, get, until

pytestmark = pytest.mark.timeout(300)

FILES = ("common", "ingest", "spans", "sampling", "evaluation", "jaeger")
DECIDED = "otelcol_processor_tail_sampling_global_count_traces_sampled"


@pytest.fixture
def collector(tmp_path: Path, run: Callable[[Program], Program]) -> Collector:
    """It keeps no trace but those that it must."""
    settings = {
        "COLLECTOR_KEEP_PERCENT": "0",
        "COLLECTOR_DECISION_WAIT": "1s",
        "COLLECTOR_METRICS_INTERVAL": "1s",
        "JAEGER_OTLP": free_address(),
    }
    collector = Collector(pieces(*FILES), tmp_path, settings)
    run(collector)
    return collector


def pieces(*names: str) -> list[Path]:
    return [CONFIGURATION / "otelcol" / f"{name}.yaml" for name in names]


def page(collector: Collector) -> dict[str, float]:
    return samples(get(collector.metrics, "/metrics").decode())


def left_out(collector: Collector) -> float:
    lines = get(collector.internal_metrics, "/metrics").decode().splitlines()
    return samples("\n".join(line for line in lines if 'sampled="false"' in line)).get(DECIDED, 0)


def test_metrics_are_of_all_spans_also_of_those_that_are_not_kept(collector: Collector) -> None:
    for _ in range(10):
        spans = trace(3)
        for span in spans:
            span.attributes.append(attribute("gen_ai.usage.input_tokens", 7))
        assert post(collector.otlp_http, request("shop", spans))
    until(lambda: left_out(collector) == 10, 60, "none is kept")
    until(lambda: page(collector).get("traces_span_metrics_calls_total") == 30, 60, "all are counted")
    until(lambda: page(collector).get("otel_llm_span_input_tokens_total") == 210, 60, "and their tokens")


def test_what_a_full_queue_refuses_is_not_counted(tmp_path: Path, run: Callable[[Program], Program]) -> None:
    """The same ten spans, sent until they are accepted: counted then, once."""
    waits = tmp_path / "waits.yaml"
    waits.write_text("exporters: {otlp_grpc/jaeger: {sending_queue: {block_on_overflow: false}}}")
    store = tmp_path / "store.yaml"
    store.write_text(KEPT_STORE)
    sink = Collector([*pieces("common", "from-agents", "keep-all"), store], tmp_path, name="sink")
    settings = {"COLLECTOR_METRICS_INTERVAL": "1s", "COLLECTOR_QUEUE_BYTES": "20000", "JAEGER_OTLP": sink.otlp_grpc}
    collector = Collector([*pieces("common", "ingest", "spans", "keep-all", "jaeger"), waits], tmp_path, settings)
    run(collector)
    for spans in iter(lambda: trace(10, "x" * 1000), None):
        if not post(collector.otlp_http, request("shop", spans)):
            break  # the queue is full
    body = request("shop", spans)
    assert [post(collector.otlp_http, body) for _ in range(5)] == [False] * 5
    accepted = collector.internal()["otelcol_receiver_accepted_spans"]
    until(
        lambda: page(collector).get("traces_span_metrics_calls_total") == accepted, 60, "what was accepted is counted"
    )

    run(sink)
    until(lambda: post(collector.otlp_http, body), 60, "there is room again")
    until(lambda: page(collector)["traces_span_metrics_calls_total"] >= accepted + 10, 60, "counted when accepted")
    assert page(collector)["traces_span_metrics_calls_total"] == accepted + 10


def test_deltas_become_running_totals(collector: Collector) -> None:
    temporality: dict[type, AggregationTemporality] = dict.fromkeys((Counter, Histogram), AggregationTemporality.DELTA)
    exporter = OTLPMetricExporter(f"http://{collector.otlp_http}/v1/metrics", preferred_temporality=temporality)
    provider = MeterProvider([PeriodicExportingMetricReader(exporter)], resource=Resource.create({"service.name": "d"}))
    meter = provider.get_meter("test")
    spent, took = meter.create_counter("spent"), meter.create_histogram("took", unit="s")
    for total in (3, 6, 9):
        spent.add(3, {"model": "m"})
        took.record(0.5, {"model": "m"})
        provider.force_flush()
        until(lambda total=total: page(collector).get("spent_total") == total, 60, "it adds up")
        until(lambda total=total: page(collector).get("took_seconds_count") == total / 3, 60, "so does that")
    provider.shutdown()
