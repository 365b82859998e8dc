"""The recording rules hold of what the Collector shows, however Prometheus labels it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from e2e.programs import CONFIGURATION, Collector, Prometheus, free_address, until
from otel_llm import semconv

pytestmark = pytest.mark.timeout(300)

Run = Callable[[Any], Any]


def calls(collector: Collector, service: str, environment: str, error: str = "") -> None:
    """Ten calls, in one export of a process that ends."""
    exporter = OTLPMetricExporter(f"http://{collector.otlp_http}/v1/metrics")
    resource = Resource.create({"service.name": service, "deployment.environment.name": environment})
    provider = MeterProvider([PeriodicExportingMetricReader(exporter)], resource=resource)
    duration = provider.get_meter("test").create_histogram(semconv.METRIC_OPERATION_DURATION, unit="s")
    labels = {semconv.OPERATION_NAME: "chat", semconv.PROVIDER_NAME: "openai", semconv.REQUEST_MODEL: "m"}
    for _ in range(10):
        duration.record(0.5, labels | ({semconv.ERROR_TYPE: error} if error else {}))
    provider.shutdown()


def test_rules_hold_with_and_without_honor_labels(tmp_path: Path, run: Run) -> None:
    files = ("common", "ingest", "spans", "keep-all", "jaeger")
    settings = {"JAEGER_OTLP": free_address()}
    collector = run(Collector([CONFIGURATION / "otelcol" / f"{name}.yaml" for name in files], tmp_path, settings))
    rules = tmp_path / "rules.yaml"
    written = yaml.safe_load((CONFIGURATION / "prometheus" / "rules.yaml").read_text())
    for group in written["groups"]:
        group["interval"] = "1s"
    rules.write_text(yaml.safe_dump(written))
    targets = {"applications": collector.metrics, "collector": collector.internal_metrics}
    both = [
        run(Prometheus(tmp_path, targets, [rules], honor_labels=honor, name=f"prometheus-{honor}"))
        for honor in (True, False)
    ]
    calls(collector, "shop", "staging", "timeout")
    calls(collector, "shop", "production")
    calls(collector, "search", "production")
    expected = {("shop", "staging"): 10, ("shop", "production"): 10, ("search", "production"): 10}
    for prometheus in both:

        def increases(metric: str, prometheus: Prometheus = prometheus) -> dict[tuple[str, str], int]:
            """In five minutes; a first scrape counts."""
            return {
                (labels["service_name"], labels["deployment_environment_name"]): round(value * 300)
                for labels, value in prometheus.query(metric)
            }

        until(lambda: increases("llm:requests:rate5m") == expected, 60, "calls by service and environment")
        until(lambda: increases("llm:errors:rate5m") == {("shop", "staging"): 10}, 60, "errors of staging only")
        assert until(lambda p=prometheus: p.query('up{job="collector"}'), 60, "the Collector is scraped")[0][1] == 1
