"""Grafana's data source points to a service graph, so something must make one: Tempo, which writes it to Prometheus."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind

from e2e.programs import CONFIGURATION, Collector, Prometheus, until
from e2e.tempo import Tempo

pytestmark = pytest.mark.timeout(600)


def test_the_service_graph_of_the_data_source_is_made() -> None:
    sources = yaml.safe_load(
        (CONFIGURATION / "grafana" / "provisioning" / "datasources" / "datasources.yaml").read_text()
    )["datasources"]
    (tempo,) = (source for source in sources if source["type"] == "tempo")
    (target,) = (source for source in sources if source["uid"] == tempo["jsonData"]["serviceMap"]["datasourceUid"])
    services = yaml.safe_load((CONFIGURATION / "compose.yaml").read_text())["services"]
    written = yaml.safe_load((CONFIGURATION / "tempo.yaml").read_text())
    assert "service-graphs" in written["overrides"]["defaults"]["metrics_generator"]["processors"]
    (remote,) = written["metrics_generator"]["storage"]["remote_write"]
    assert remote["url"].startswith("${PROMETHEUS_WRITE:-")
    assert services["tempo"]["environment"]["PROMETHEUS_WRITE"] == f"{target['url']}/api/v1/write"
    assert "--web.enable-remote-write-receiver" in services["prometheus"]["command"]


def test_prometheus_takes_what_is_written_to_it(tmp_path: Path, run: Callable[[Any], Any]) -> None:
    """An empty request, in snappy's format, is taken; without the option nothing is there."""
    prometheus = run(Prometheus(tmp_path, {}))
    connection = http.client.HTTPConnection(prometheus.address, timeout=20)
    headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
    connection.request("POST", "/api/v1/write", b"\x00", headers)
    assert connection.getresponse().status == 204
    connection.close()


@pytest.mark.skipif(bool(Tempo.why_not()), reason=Tempo.why_not())
def test_a_model_provider_is_a_node(tmp_path: Path, run: Callable[[Any], Any]) -> None:
    prometheus = run(Prometheus(tmp_path, {}))
    tempo = run(Tempo(tmp_path, prometheus.address))
    files = [CONFIGURATION / "otelcol" / f"{name}.yaml" for name in ("common", "ingest", "spans", "keep-all", "tempo")]
    collector = run(Collector(files, tmp_path, {"TEMPO_OTLP": tempo.otlp_grpc}))
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"http://{collector.otlp_http}/v1/traces")))
    with provider.get_tracer("test").start_as_current_span("chat m", kind=SpanKind.CLIENT) as call:
        call.set_attribute("gen_ai.provider.name", "openai")
    provider.shutdown()
    query = 'traces_service_graph_request_total{client="shop",server="openai"}'
    until(lambda: prometheus.query(query), 240, "the call is an edge of the graph")
