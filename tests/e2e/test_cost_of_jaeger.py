"""`otel-llm cost --jaeger` on the real Jaeger: the sum over more traces than one search returns, to the last digit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from e2e.programs import Jaeger, until

pytestmark = pytest.mark.timeout(300)

TRACES = 130


def cost(jaeger: Jaeger, *arguments: str) -> Any:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-m", "otel_llm.cli", "cost", "--jaeger", f"http://{jaeger.ui}", "--json", *arguments],
        env=clean | {"NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout or "null")


def send(jaeger: Jaeger, service: str, user: str, calls: int) -> None:
    provider = TracerProvider(resource=Resource({"service.name": service}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"http://{jaeger.otlp_http}/v1/traces")))
    tracer = provider.get_tracer("test")
    for _ in range(calls):
        with tracer.start_as_current_span("ask", attributes={"user.id": user}):
            attributes = {
                "gen_ai.operation.name": "chat",
                "gen_ai.response.model": "gpt-4o-mini",
                "gen_ai.usage.input_tokens": 1000,
                "gen_ai.usage.output_tokens": 200,
                "otel_llm.usage.cost.amount": 0.1,
                "otel_llm.usage.cost.currency": "USD",
                "otel_llm.usage.cost.source": "local",
            }
            tracer.start_span("chat gpt-4o-mini", attributes=attributes).end()
    provider.shutdown()


def test_the_sum_over_all_services_and_traces(run: Callable[[Any], Any], tmp_path: Path) -> None:
    jaeger = run(Jaeger(tmp_path))
    send(jaeger, "shop", "ann", TRACES)
    send(jaeger, "desk", "bob", 3)
    until(lambda: (cost(jaeger) or {"total": {"calls": 0}})["total"]["calls"] == TRACES + 3, 60, "all are in Jaeger")
    report = cost(jaeger, "--by", "user", "--since", "10m")
    assert {group["user"]: group["cost"]["USD"] for group in report["groups"]} == {"ann": "13.0", "bob": "0.3"}
    assert report["total"]["tokens"] == {"input_tokens": 133_000, "output_tokens": 26_600}
    assert cost(jaeger, "--service", "desk")["total"]["cost"] == {"USD": "0.3"}
