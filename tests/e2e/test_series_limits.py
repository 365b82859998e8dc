"""The page with metrics stays small, whatever names the applications make up, and splits environments and tenants."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from e2e.load import attribute, post, request, trace
from e2e.programs import CONFIGURATION, ROOT, Collector, Program, free_address, get, until

pytestmark = pytest.mark.timeout(300)

CALLS = "traces_span_metrics_calls_total"
FILES = ("common", "ingest", "spans", "sampling", "evaluation", "jaeger")
LIMIT = 10_000


@pytest.fixture
def collector(tmp_path: Path, run: Callable[[Program], Program]) -> Collector:
    return started(tmp_path, run)


def started(directory: Path, run: Callable[[Program], Program], **settings: str) -> Collector:
    needed = {"COLLECTOR_METRICS_INTERVAL": "1s", "JAEGER_OTLP": free_address(), **settings}
    collector = Collector([CONFIGURATION / "otelcol" / f"{name}.yaml" for name in FILES], directory, needed)
    run(collector)
    return collector


def lines(collector: Collector) -> list[str]:
    return [line for line in get(collector.metrics, "/metrics").decode().splitlines() if not line.startswith("#")]


def labels(line: str) -> dict[str, str]:
    return dict(re.findall(r'([a-z_]+)="([^"]*)"', line.split(" # ")[0]))


def values(collector: Collector, metric: str) -> Iterator[tuple[dict[str, str], float]]:
    for line in lines(collector):
        if line.startswith(metric + "{"):
            yield labels(line), float(re.sub(r"^.*?\} ", "", line).split()[0])


def model_call(model: str, name: str = "chat", error: str = "", tenant: str = "") -> Span:
    (span,) = trace(1)
    span.name = name
    span.attributes.append(attribute("gen_ai.request.model", model))
    span.attributes.append(attribute("gen_ai.usage.input_tokens", 3))
    if tenant:
        span.attributes.append(attribute("otel_llm.tenant.id", tenant))
    if error:
        span.status.code = Status.STATUS_CODE_ERROR
        span.attributes.append(attribute("error.type", error))
    return span


def counted(collector: Collector) -> float:
    return sum(value for _, value in values(collector, CALLS))


def test_a_flood_of_names_makes_no_flood_of_series(collector: Collector) -> None:
    """20,000 models, each with a span's name, an error and a tenant of its own; and 40 processes with metrics."""
    for batch in range(40):
        numbers = range(batch * 500, batch * 500 + 500)
        spans = [model_call(f"m-{n}", f"chat m-{n}", f"E{n}" if n % 2 else "", f"t-{n}") for n in numbers]
        assert post(collector.otlp_http, request(f"s-{batch}", spans))
    for number in range(40):
        send_metrics(collector, {"service.name": f"s-{number}"}, counters=500)
    until(lambda: counted(collector) == 20_000, 60, "every span is counted, whatever its labels")
    failed = (v for found, v in values(collector, CALLS) if found["status_code"] == "STATUS_CODE_ERROR")
    assert sum(failed) == 10_000
    assert sum(value for _, value in values(collector, "otel_llm_span_input_tokens_total")) == 60_000
    began = time.perf_counter()
    page = lines(collector)
    assert time.perf_counter() - began < 1
    assert len(page) <= LIMIT
    assert len([line for line in page if line.startswith(("traces_", "otel_llm_span_"))]) <= 4000
    assert len([line for line in page if line.startswith("spent_")]) > 5000
    assert collector.internal()["otelcol_processor_series_limit_dropped_points"] > 10_000


def test_one_service_leaves_room_for_others(collector: Collector) -> None:
    for batch in range(4):
        spans = [model_call(f"m-{batch}-{n}", f"chat m-{batch}-{n}", f"E{n}") for n in range(500)]
        assert post(collector.otlp_http, request("flood", spans))
    assert post(collector.otlp_http, request("shop", [model_call("m", error="timeout", tenant="acme")]))
    until(lambda: counted(collector) == 2001, 60, "all are counted")
    (found,) = (found for found, _ in values(collector, CALLS) if found["service_name"] == "shop")
    assert (found["gen_ai_request_model"], found["error_type"], found["otel_llm_tenant_id"]) == ("m", "timeout", "acme")
    flooded = [found for found, _ in values(collector, CALLS) if found["service_name"] == "flood"]
    assert "_OTHER" in {found["gen_ai_request_model"] for found in flooded}
    assert len({found["gen_ai_request_model"] for found in flooded}) > 50


def test_environments_and_tenants_do_not_add_up(collector: Collector) -> None:
    for environment in ("staging", "production"):
        for tenant in ("acme", "globex"):
            spans = [model_call("m", tenant=tenant)]
            assert post(collector.otlp_http, request("shop", spans, deployment_environment_name=environment))
            where = {"deployment.environment.name": environment, "otel_llm.tenant.id": tenant}
            send_metrics(collector, {"service.name": "shop", **where}, counters=1)
    old = request("shop", [model_call("m", tenant="acme")], deployment_environment="staging")
    assert post(collector.otlp_http, old)
    until(lambda: counted(collector) == 5, 60, "all are counted")
    kinds = {("staging", "acme"): 2, ("staging", "globex"): 1, ("production", "acme"): 1, ("production", "globex"): 1}
    assert split(collector, CALLS) == kinds
    assert split(collector, "otel_llm_span_input_tokens_total") == {kind: 3 * count for kind, count in kinds.items()}
    assert split(collector, "spent_total").keys() == kinds.keys()
    assert {found["service_name"] for found, _ in values(collector, "spent_total")} == {"shop"}


def split(collector: Collector, metric: str) -> dict[tuple[str, str], float]:
    return {
        (found["deployment_environment_name"], found["otel_llm_tenant_id"]): value
        for found, value in values(collector, metric)
    }


@pytest.mark.parametrize("of_all", [False, True])
def test_exemplars_are_of_traces_that_are_kept(tmp_path: Path, run: Callable[[Program], Program], of_all: bool) -> None:
    collector = started(tmp_path, run, COLLECTOR_EXEMPLARS_OF_ALL=str(of_all).lower())
    good, bad = model_call("m"), model_call("m", error="timeout")
    send_metrics(collector, {"service.name": "shop"}, counters=1)
    seen: set[str] = set()

    def exemplars() -> set[str]:
        assert post(collector.otlp_http, request("shop", [good]))
        assert post(collector.otlp_http, request("shop", [bad]))
        page = open_metrics(collector)
        seen.update(re.findall(r'# \{[^}]*trace_id="(\w+)"', page))
        return seen

    until(lambda: bad.trace_id.hex() in exemplars(), 60, "an error is an exemplar")
    if of_all:
        until(lambda: len(exemplars()) == 3, 60, "so are a call that went well, and what the application sends")
    else:
        assert exemplars() == {bad.trace_id.hex()}


def open_metrics(collector: Collector) -> str:
    """The page in the format that has exemplars."""
    connection = http.client.HTTPConnection(collector.metrics, timeout=20)
    try:
        connection.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def send_metrics(collector: Collector, resource: dict[str, str], counters: int) -> None:
    """Counts inside a span, so that the SDK adds an exemplar."""
    exporter = OTLPMetricExporter(f"http://{collector.otlp_http}/v1/metrics")
    provider = MeterProvider([PeriodicExportingMetricReader(exporter)], resource=Resource.create(resource))
    counter = provider.get_meter("test").create_counter("spent")
    with TracerProvider().get_tracer("test").start_as_current_span("s"):
        for number in range(counters):
            counter.add(1, {"model": f"m-{number}"})
    provider.shutdown()


def test_spans_are_counted_with_all_that_is_read_of_them() -> None:
    """`in_order` hands on the attributes that are listed only."""
    listed = yaml.safe_load((CONFIGURATION / "otelcol" / "spans.yaml").read_text())["connectors"]["in_order"]
    source = (ROOT / "backends" / "collector" / "spanseries" / "labels.go").read_text()
    assert sorted(listed["attributes"]) == sorted(re.findall(r'case "(.+)":', source))
