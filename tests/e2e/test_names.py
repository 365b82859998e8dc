"""Every metric that rules and dashboards name is one that the library or the Collector emits."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Status, StatusCode

from e2e.programs import CONFIGURATION, ROOT, Collector, Program, free_address, get, until
from otel_llm import semconv
from otel_llm.config.choices import MetricGeneration
from otel_llm.core.dimensions import Dimensions
from otel_llm.core.instruments import Instruments
from otel_llm.core.listeners import EndedCall
from otel_llm.core.request import Request, Response

#: Words of PromQL that look like names of metrics.
PROMQL = {
    *("sum", "rate", "increase", "by", "le", "and", "or", "histogram_quantile", "avg_over_time", "offset", "vector"),
    *("label_values", "unless", "on", "without", "ignoring", "group_left", "count", "absent"),
    *("last_over_time", "quantile_over_time", "max", "deriv"),
}
#: Prometheus makes it itself, for every target.
OF_PROMETHEUS = {"up"}
#: Those of our own receiver, which only gateways have, begin with this. test_kafka_commits.py reads them.
OF_GATEWAYS = "otelcol_kafka_delayed_commit_"
#: It is there once a queue was full. test_held_back.py reads it.
OF_FULL_QUEUES = {"otelcol_exporter_enqueue_failed_spans"}
#: It is there once a tenant sent more than it may. test_tenant_limit.py reads it.
OF_LIMITED_TENANTS = {"otelcol_processor_tenant_limit_dropped_spans"}
#: Some counters are there from the first failure on only.
NO_RETRY = "exporters: {otlp_grpc/jaeger: {retry_on_failure: {enabled: false}}}\n"


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    for dashboard in dashboards():
        for panel in dashboard["panels"]:
            yield from (target["expr"] for target in panel.get("targets", ()))
        yield from (v["query"]["query"] for v in dashboard["templating"]["list"] if v["type"] == "query")


def dashboards() -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((CONFIGURATION / "grafana" / "dashboards").glob("*.json"))]


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((CONFIGURATION / "prometheus" / "rules.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def recorded() -> set[str]:
    return {rule["record"] for rule in rules() if "record" in rule}


def metrics_of(expression: str) -> set[str]:
    """The names of metrics in PromQL: identifiers outside of strings, of label lists, of matchers and durations."""
    bare = re.sub(r'"[^"]*"|\{\{.*?\}\}', "", expression)
    bare = re.sub(
        r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|on|without) \([^)]*\)|offset \w+|label_values\(([^,]+),[^)]*\)", r" \1 ", bare
    )
    return {
        word for word in re.findall(r"[a-zA-Z_][\w:]*", bare) if word not in PROMQL and not re.fullmatch(r"\d+\w", word)
    }


@pytest.fixture
def emitted(tmp_path: Path, run: Callable[[Program], Program]) -> Callable[[], set[str]]:
    """What a sampling Collector shows by now, after traffic that uses every instrument of the library."""
    override = tmp_path / "override.yaml"
    override.write_text(NO_RETRY)
    pieces = ["common", "ingest", "spans", "sampling", "evaluation", "jaeger"]
    paths = [CONFIGURATION / "otelcol" / f"{piece}.yaml" for piece in pieces]
    settings = {"COLLECTOR_METRICS_INTERVAL": "1s", "COLLECTOR_DECISION_WAIT": "1s", "JAEGER_OTLP": free_address()}
    collector = Collector([*paths, override], tmp_path, settings)
    run(collector)

    resource = Resource.create({"service.name": "shop"})
    traces = TracerProvider(resource=resource)
    traces.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"http://{collector.otlp_http}/v1/traces")))
    with traces.get_tracer("test").start_as_current_span("chat m") as span:
        span.set_attributes(
            {
                semconv.OPERATION_NAME: semconv.CHAT,
                semconv.REQUEST_MODEL: "m",
                semconv.USAGE_INPUT_TOKENS: 3,
                semconv.USAGE_OUTPUT_TOKENS: 2,
            }
        )
        span.set_status(Status(StatusCode.ERROR))
    traces.shutdown()

    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"http://{collector.otlp_http}/v1/metrics"))
    metrics = MeterProvider([reader], resource=resource)
    use_every_instrument(metrics)
    metrics.shutdown()

    def names() -> set[str]:
        pages = get(collector.metrics, "/metrics") + get(collector.internal_metrics, "/metrics")
        return set(re.findall(r"^([a-zA-Z_]\w*)[{ ]", pages.decode(), re.MULTILINE))

    return names


def use_every_instrument(provider: MeterProvider) -> None:
    from opentelemetry.context import Context
    from opentelemetry.trace import INVALID_SPAN

    instruments = Instruments(provider.get_meter("test"), MetricGeneration.BOTH, Dimensions())
    known = {semconv.REQUEST_MODEL: "m"}
    usage = {semconv.USAGE_INPUT_TOKENS: 3, semconv.USAGE_OUTPUT_TOKENS: 2}
    speed = {semconv.LLM_TIME_PER_OUTPUT_TOKEN: 0.1, semconv.LLM_OUTPUT_TOKENS_PER_SECOND: 10.0}

    def ended(attributes: dict[str, Any]) -> EndedCall:
        asked, answered = Request(attributes[semconv.OPERATION_NAME], "m", attributes), Response(model="m", usage=usage)
        return EndedCall(asked, answered, INVALID_SPAN, Context(), 0, 1.0, 0.1, speed, None, {}, {})

    for operation in (semconv.CHAT, semconv.EMBEDDINGS):
        instruments.call(ended({**known, semconv.OPERATION_NAME: operation}))
    instruments.chunks([100_000_000], known, None, Context())
    for operation in (semconv.INVOKE_AGENT, semconv.INVOKE_WORKFLOW, semconv.EXECUTE_TOOL):
        instruments.run(ended({semconv.OPERATION_NAME: operation}), (1, 1))


def test_the_names_are_found_in_expressions() -> None:
    expression = (
        'histogram_quantile(0.9, sum by (le, job) (rate(a_bucket{x="y_z"}[5m]))) > 2 and llm:b:rate5m offset 15m'
    )
    assert metrics_of(expression) == {"a_bucket", "llm:b:rate5m"}
    assert metrics_of("label_values(a_count, job)") == {"a_count"}


def test_every_metric_of_rules_and_dashboards_is_emitted(emitted: Callable[[], set[str]]) -> None:
    named = {name for expression in expressions() for name in metrics_of(expression)}
    assert len(named) > 20
    gateways = {name for name in named if name.startswith(OF_GATEWAYS)}
    source = (ROOT / "backends" / "collector" / "delayedcommit" / "metrics.go").read_text()
    assert gateways == {name for name in gateways if f'"{name}"' in source}
    named -= recorded() | OF_PROMETHEUS | OF_FULL_QUEUES | OF_LIMITED_TENANTS | gateways
    with suppress(AssertionError):
        until(lambda: named <= emitted(), 60, "")
    assert named - emitted() == set()


def test_what_is_of_applications_is_split_by_environment() -> None:
    """Otherwise staging and production would add up. Labels that Prometheus may replace are not relied on."""
    recorded = {rule["record"]: rule["expr"] for rule in rules() if "record" in rule and "by (" in rule["expr"]}
    assert recorded
    for expression in recorded.values():
        assert "service_name, deployment_environment_name" in expression
    for dashboard in dashboards():
        for panel in dashboard["panels"]:
            for expression in (target["expr"] for target in panel.get("targets", ())):
                selectors = re.findall(r"(?:gen_ai|otel_llm|traces)_\w+\{([^}]*)\}", expression)
                assert [one for one in selectors if 'deployment_environment_name=~"$environment"' not in one] == []
                assert not re.search(r"\bjob\b", expression), panel["title"]


def test_dashboards_are_sound() -> None:
    """Unique panels, only variables that are declared, no data source by its id, a unit and a word on every panel."""
    for dashboard in dashboards():
        declared = {variable["name"] for variable in dashboard["templating"]["list"]} | {"__rate_interval"}
        text = json.dumps(dashboard["panels"])
        assert set(re.findall(r"\$\{?(\w+)", text)) <= declared
        panels = dashboard["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels)
        for panel in panels:
            if panel["type"] == "row":
                continue
            assert panel["datasource"]["uid"] == "${DS_PROMETHEUS}"
            assert panel["description"]
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
