"""Spans that are larger than what Kafka takes at a time: each arrives, cut and told, and takes none with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from e2e import load, otlp
from e2e.programs import CONFIGURATION, KEPT_STORE, Collector, Kafka, until

pytestmark = pytest.mark.timeout(300)

Run = Callable[[Any], Any]

MEBIBYTE = 1 << 20
LIMIT = 2 * MEBIBYTE
SENT = "otelcol_exporter_sent_spans"
CUT, DROPPED = (f"otelcol_processor_span_limit_{name}_spans" for name in ("cut", "dropped"))


def collector(run: Run, directory: Path, *names: str, **settings: str) -> Collector:
    directory.mkdir(exist_ok=True)
    store = directory / "store.yaml"
    store.write_text(KEPT_STORE)
    pieces = [CONFIGURATION / "otelcol" / f"{name}.yaml" for name in names if name != "store"]
    return run(Collector([*pieces, *([store] if "store" in names else [])], directory, settings, name=names[1]))


def agent(run: Run, directory: Path) -> Collector:
    return collector(run, directory, "common", "ingest", "spans", "keep-all", "store")


def kept(of: Collector) -> dict[str, dict[str, Any]]:
    return {span["id"]: span for span in otlp.spans_of_file(of.data / "kept.jsonl")}


def small() -> list[Span]:
    return load.trace(10, "x" * 100)


def large(size: int = 5 * MEBIBYTE) -> Span:
    (span,) = load.trace(1, "ü" * (size // 2))
    span.attributes.append(load.attribute("gen_ai.output.messages", "y" * 1000))
    return span


def test_a_large_span_reaches_the_gateway_and_so_do_those_beside_it(tmp_path: Path, run: Run) -> None:
    kafka: Kafka = run(Kafka(tmp_path))
    kafka.stop()
    kafka.settings["message.max.bytes"] = 16 * MEBIBYTE
    kafka.start()
    brokers = {"KAFKA_BROKERS": kafka.brokers}
    waits = {"COLLECTOR_DECISION_WAIT_AFTER_ROOT": "1s", "COLLECTOR_KEEP_PERCENT": "100"}
    sender = collector(run, tmp_path, "common", "ingest", "spans", "to-kafka", **brokers)
    gateway = collector(run, tmp_path, "common", "from-kafka", "sampling", "store", **brokers, **waits)
    spans = [*small(), large(), *small(), large(), *small()]
    assert load.post(sender.otlp_http, load.request("large", spans))
    until(lambda: sender.internal().get(SENT) == len(spans) == 32, 60, "all that was acknowledged is in Kafka")
    until(lambda: kept(gateway).keys() == {span.span_id.hex() for span in spans}, 60, "and comes out of the gateway")
    assert sender.internal()[CUT] == 2


def test_many_large_spans_at_once_reach_the_backend(tmp_path: Path, run: Run) -> None:
    """Together they are more than a backend takes in one request, and sampling sends them together."""
    backend = collector(run, tmp_path / "backend", "common", "from-agents", "keep-all", "store")
    address = {"JAEGER_OTLP": backend.otlp_grpc}
    gateway = collector(run, tmp_path / "gateway", "common", "from-agents", "sampling", "jaeger", **address)
    with grpc.insecure_channel(gateway.otlp_grpc) as channel:
        spans = [large(MEBIBYTE) for _ in range(100)]
        for span in spans:
            span.status.code = Status.STATUS_CODE_ERROR  # kept, and sent at once
        requests = [
            ExportTraceServiceRequest.FromString(load.request("large", spans[start : start + 25]))
            for start in range(0, 100, 25)
        ]
        for taken in [TraceServiceStub(channel).Export.future(request) for request in requests]:
            taken.result(60)
    sent = {span.span_id.hex() for span in spans}
    until(lambda: gateway.internal().get(SENT) == len(sent) == 100, 60, "the backend takes all of them")
    until(lambda: kept(backend).keys() == sent, 60, "and keeps them")


def test_the_longest_texts_are_cut_and_named(tmp_path: Path, run: Run) -> None:
    sender = agent(run, tmp_path)
    span, beside = large(), small()
    event = span.events.add(name="exception", time_unix_nano=span.end_time_unix_nano)
    event.attributes.append(load.attribute("exception.stacktrace", "z" * MEBIBYTE))
    span.attributes.append(load.attribute("number", 7))
    assert load.post(sender.otlp_http, load.request("large", [span, *beside]))
    until(lambda: len(kept(sender)) == 1 + len(beside), 60, "all spans come out")

    found = kept(sender)[span.span_id.hex()]
    text, stack = found["attributes"]["gen_ai.input.messages"], found["events"][0][2]["exception.stacktrace"]
    assert LIMIT * 0.99 < len(text.encode()) + len(stack) + 1000 < LIMIT
    assert set(text) == {"ü"}, "no character is cut in two"
    assert found["attributes"]["gen_ai.output.messages"] == "y" * 1000, "what is short enough is not cut"
    assert found["attributes"]["number"] == 7
    assert found["attributes"]["otel_llm.content.truncated"] == [
        *("gen_ai.input.messages", "exception.exception.stacktrace")
    ]
    assert all("otel_llm.content.truncated" not in kept(sender)[each.span_id.hex()]["attributes"] for each in beside)
    assert sender.internal()[CUT] == 1
    assert sender.internal()[DROPPED] == 0
    assert f'"span_id": "{span.span_id.hex()}"' in sender.log.read_text()


def test_a_span_that_is_too_large_without_its_texts_is_dropped_and_counted(tmp_path: Path, run: Run) -> None:
    sender = agent(run, tmp_path)
    span, beside = large(1000), small()
    for _ in range(100_000):
        span.links.add(trace_id=os.urandom(16), span_id=os.urandom(8))
    assert load.post(sender.otlp_http, load.request("large", [span, *beside]))
    until(lambda: kept(sender).keys() == {each.span_id.hex() for each in beside}, 60, "those beside it come out")
    assert sender.internal()[DROPPED] == 1
    assert sender.internal()[CUT] == 0
    assert f'"span_id": "{span.span_id.hex()}"' in sender.log.read_text()


def test_a_large_resource_is_cut_too(tmp_path: Path, run: Run) -> None:
    sender = agent(run, tmp_path)
    spans = [*small(), large(LIMIT)]
    assert load.post(sender.otlp_http, load.request("s" * 3 * MEBIBYTE, spans))
    until(lambda: len(kept(sender)) == len(spans), 60, "all spans come out")
    (line,) = otlp.lines(sender.data / "kept.jsonl")
    (resource,) = line["resourceSpans"]
    service = otlp.attributes(resource["resource"])["service.name"]
    assert LIMIT // 4 * 0.99 < len(service) < LIMIT // 4
