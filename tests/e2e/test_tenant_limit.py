"""An agent takes only so many spans a second of one tenant, and those of the others in any case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from e2e import load, otlp
from e2e.program import get
from e2e.programs import CONFIGURATION, KEPT_STORE, Collector, until

pytestmark = pytest.mark.timeout(120)

Run = Callable[[Any], Any]


def test_what_a_tenant_sends_beyond_its_rate_is_dropped_and_counted(tmp_path: Path, run: Run) -> None:
    store = tmp_path / "store.yaml"
    store.write_text(KEPT_STORE)
    files = [CONFIGURATION / "otelcol" / f"{name}.yaml" for name in ("common", "ingest", "spans", "keep-all")]
    # A rate that fills up nothing while the test runs, and ten of it at once.
    agent = run(Collector([*files, store], tmp_path, {"COLLECTOR_TENANT_SPANS": "0.0001"}))
    spans = load.trace(20)
    for span, tenant in zip(spans, ["loud"] * 15 + ["quiet", "house", "house", "house", "house"], strict=True):
        if tenant != "house":
            span.attributes.append(load.attribute("otel_llm.tenant.id", tenant))
    assert load.post(agent.otlp_http, load.request("limited", spans[:16]))
    house = ExportTraceServiceRequest.FromString(load.request("limited", spans[16:]))
    house.resource_spans[0].resource.attributes.append(load.attribute("otel_llm.tenant.id", "house"))
    assert load.post(agent.otlp_http, house.SerializeToString())
    nameless = load.trace(50)
    assert load.post(agent.otlp_http, load.request("limited", nameless))

    def kept() -> list[dict[str, Any]]:
        return otlp.spans_of_file(agent.data / "kept.jsonl")

    until(lambda: len(kept()) >= 53, 30, "what is not limited arrives")
    by_tenant = Counter(span["attributes"].get("otel_llm.tenant.id") for span in kept())
    assert by_tenant == {"loud": 1, "quiet": 1, None: 51}
    page = get(agent.internal_metrics, "/metrics").decode().splitlines()
    dropped = [line for line in page if line.startswith("otelcol_processor_tenant_limit_dropped_spans")]
    assert {(line.split('tenant="')[1].split('"')[0], float(line.split()[-1])) for line in dropped} == {
        ("loud", 14),
        ("house", 3),
    }
