"""A trace through the Collector to Tempo: complete by id, found by TraceQL."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import StatusCode

from e2e import otlp
from e2e.programs import CONFIGURATION, Collector, until
from e2e.tempo import Tempo
from otel_llm.config import DEFAULT_CONTENT_MAX_BYTES

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(Tempo.why_not()), reason=Tempo.why_not()),
]

FILES = ("common", "ingest", "spans", "keep-all", "evaluation", "tempo")


def test_a_trace_is_complete_in_tempo_and_found_by_traceql(run: Callable[[Any], Any], tmp_path: Path) -> None:
    tempo = run(Tempo(tmp_path))
    files = [CONFIGURATION / "otelcol" / f"{name}.yaml" for name in FILES]
    collector = run(Collector(files, tmp_path, {"TEMPO_OTLP": tempo.otlp_grpc}))
    provider = TracerProvider(resource=Resource({"service.name": "to-tempo"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"http://{collector.otlp_http}/v1/traces")))
    tracer = provider.get_tracer("test", "1")

    messages = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "é世🙂 \\ " * 2000}]}])
    assert 2048 < len(messages) < DEFAULT_CONTENT_MAX_BYTES
    with tracer.start_as_current_span("answer") as root:
        root.set_attribute("otel_llm.eval.sampled", True)
        with tracer.start_as_current_span("chat gpt-4o-mini") as call:
            call.set_attributes(
                {
                    "gen_ai.request.model": "gpt-4o-mini",
                    "gen_ai.response.finish_reasons": ["stop"],
                    "gen_ai.usage.input_tokens": 12,
                    "gen_ai.request.temperature": 0.5,
                    "gen_ai.input.messages": messages,
                }
            )
            call.add_event("retried", {"attempt": 2})
            call.set_status(StatusCode.ERROR, "too long")
    provider.shutdown()
    trace_id = f"{root.get_span_context().trace_id:032x}"

    until(lambda: len(otlp.spans(tempo.trace(trace_id))) == 2, 120, "both spans are in Tempo")
    by_name = {span["name"]: span for span in otlp.spans(tempo.trace(trace_id))}
    stored = by_name["chat gpt-4o-mini"]
    assert stored["parent"] == by_name["answer"]["id"]
    assert by_name["answer"]["parent"] == ""
    assert stored["attributes"] == dict(call.attributes) | {"gen_ai.response.finish_reasons": ["stop"]}
    assert [(name, attributes) for name, _, attributes in stored["events"]] == [("retried", {"attempt": 2})]
    assert stored["status"][1] == "too long"
    assert stored["resource"]["service.name"] == "to-tempo"
    assert stored["scope"] == ("test", "1")

    for query in ('{span.gen_ai.request.model="gpt-4o-mini"}', "{span.otel_llm.eval.sampled=true}"):
        until(lambda query=query: trace_id in tempo.search(query), 240, f"TraceQL finds it by {query}")
