"""What the Collector does to a span on its way: foreign conventions brought to ours, secrets and PII masked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Status, StatusCode
from opentelemetry.util.types import AttributeValue

from e2e.programs import CONFIGURATION, KEPT_STORE, Collector, Program, get, until

STORE = """
exporters: {file/kept: {path: "${env:COLLECTOR_DATA}/kept.jsonl"}}
service: {pipelines: {traces/store: {receivers: [forward/kept], exporters: [file/kept]}}}
"""

Pass = Callable[..., dict[str, Any]]


@pytest.fixture
def passed(tmp_path: Path, run: Callable[[Program], Program]) -> Pass:
    """Sends one span with the attributes through an agent and returns what came out: attributes, `status`."""
    store = tmp_path / "store.yaml"
    store.write_text(STORE)
    paths = [CONFIGURATION / "otelcol" / f"{piece}.yaml" for piece in ("common", "ingest", "spans", "keep-all")]
    collector = Collector([*paths, store], tmp_path)
    run(collector)

    def send(attributes: Mapping[str, AttributeValue], failure: str = "") -> dict[str, Any]:
        provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
        provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"http://{collector.otlp_http}/v1/traces")))
        with provider.get_tracer("test").start_as_current_span("call", attributes=attributes) as span:
            if failure:
                span.set_status(Status(StatusCode.ERROR, failure))
        provider.shutdown()
        kept = collector.data / "kept.jsonl"
        until(lambda: kept.exists() and kept.read_bytes().endswith(b"\n"), 60, "the span is kept")
        (resource,) = json.loads(kept.read_text())["resourceSpans"]
        (out,) = resource["scopeSpans"][0]["spans"]
        found = {a["key"]: value_of(a["value"]) for a in out.get("attributes", ())}
        return {**found, "status": out["status"].get("message", "")}

    return send


def value_of(value: Mapping[str, Any]) -> Any:
    ((kind, content),) = value.items()
    if kind == "arrayValue":
        return [value_of(each) for each in content["values"]]
    return int(content) if kind == "intValue" else content


def test_openinference_comes_out_in_the_genai_conventions(passed: Pass) -> None:
    found = passed(
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "claude-sonnet",
            "llm.system": "anthropic",
            "llm.token_count.prompt": 7,
            "llm.token_count.completion": 3,
            "llm.token_count.prompt_details.cache_read": 2,
            "session.id": "s-1",
        }
    )
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "claude-sonnet",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 2,
        "gen_ai.conversation.id": "s-1",
    }
    assert expected.items() <= found.items()
    assert found["llm.model_name"] == "claude-sonnet", "the original is left for those who look for it"


def test_openllmetry_comes_out_in_the_genai_conventions(passed: Pass) -> None:
    found = passed(
        {
            "llm.request.type": "chat",
            "gen_ai.system": "OpenAI",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.prompt_tokens": 17,
            "gen_ai.usage.completion_tokens": 13,
        }
    )
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.usage.input_tokens": 17,
        "gen_ai.usage.output_tokens": 13,
    }
    assert expected.items() <= found.items()


def test_earlier_genai_conventions_come_out_in_the_present_ones(passed: Pass) -> None:
    """They have an operation already."""
    found = passed(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "openai",
            "gen_ai.usage.prompt_tokens": 17,
            "gen_ai.usage.completion_tokens": 13,
        }
    )
    expected = {"gen_ai.provider.name": "openai", "gen_ai.usage.input_tokens": 17, "gen_ai.usage.output_tokens": 13}
    assert expected.items() <= found.items()


def test_spans_in_the_genai_conventions_are_left_as_they_are(passed: Pass) -> None:
    sent = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.id": "chatcmpl-0123456789012345678",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 4111111111111111,
        "llm.model_name": "something else",
        "openinference.span.kind": "TOOL",
        "gen_ai.prompt.name": "risk-assessment-prompt-version-two",
        "session.id": "2026-11-21-risk-assessment-0001",
    }
    assert passed(sent) == {**sent, "status": ""}


SECRETS = [
    "joe.doe+llm@mail.example.co.uk",
    "4111 1111 1111 1111",
    "078-05-1120",
    "4111111111111111",
    "+49 170 1234567",
    "555-123-4567",
    "(555) 123-4567",
    "555.123.4567",
    "+33 1 23 45 67 89",
    "219 09 9999",
    "3782 822463 10005",
    "sk-abcdefghijklmnopqrstuvwxyz012345",
    "sk-proj-Abc_123-abcdefghijklmnop",
    "Bearer abcdefghijklmnop",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "hf_abcdefghijklmnopqrstuvwxyz",
    "xoxb-123456789012-abcdefghijkl",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
]


def test_secrets_are_masked_and_messages_stay_json(passed: Pass) -> None:
    text = " and ".join(SECRETS)
    messages = json.dumps([{"role": "user", "parts": [{"type": "text", "content": f"I say {text} to you"}]}])
    found = passed({"gen_ai.input.messages": messages, "http.request.header.authorization": "Bearer x", "n": 5})
    (message,) = json.loads(found["gen_ai.input.messages"])
    content = message["parts"][0]["content"]
    assert [secret for secret in SECRETS if secret in content] == []
    # A card's number without blanks takes what stands before it along.
    assert content.replace("and****", "and ****") == "I say " + " and ".join(["****"] * len(SECRETS)) + " to you"
    assert found["http.request.header.authorization"] == "****"
    assert found["n"] == 5


def test_json_stays_json_and_fractions_stay(passed: Pass) -> None:
    """A similarity has as many digits as a card's number."""
    documents = [
        {"score": 0.4111111111111111, "content": "4111111111111111"},
        {"score": -0.5234567890123456, "content": "line\n4111111111111111"},
    ]
    found = passed({"gen_ai.retrieval.documents": json.dumps(documents), "scores": [0.4111111111111111, 4.0]})
    first, second = json.loads(found["gen_ai.retrieval.documents"])
    assert first == {"score": 0.4111111111111111, "content": "****"}
    assert second == {"score": -0.5234567890123456, "content": "line****"}
    assert found["scores"] == [0.4111111111111111, 4.0]


def test_lists_are_masked(passed: Pass) -> None:
    found = passed({"asked": ["of joe@example.com", "hello"], "greeted": ["hello"]})
    assert json.loads(found["asked"]) == ["of ****", "hello"]
    assert found["greeted"] == ["hello"]


@pytest.mark.parametrize("secret", SECRETS)
def test_the_text_of_a_failure_is_masked(passed: Pass, secret: str) -> None:
    found = passed({}, failure=f"Incorrect key or address: {secret}")
    assert found == {"status": found["status"]}, "nothing is added to the span"
    assert found["status"].replace(":****", ": ****") == "Incorrect key or address: ****"


def test_logs_and_metrics_are_masked_too(tmp_path: Path, run: Callable[[Program], Program]) -> None:
    """Content on an event has a structure, not the text of one."""
    store = tmp_path / "store.yaml"
    store.write_text(KEPT_STORE)
    pieces = [CONFIGURATION / "otelcol" / f"{piece}.yaml" for piece in ("common", "ingest", "spans", "keep-all")]
    collector = Collector([*pieces, store], tmp_path)
    run(collector)
    resource = Resource.create({"service.name": "shop", "owner": "joe@example.com"})

    logs = LoggerProvider(resource=resource)
    logs.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(f"http://{collector.otlp_http}/v1/logs")))
    messages = [{"role": "user", "parts": [{"type": "text", "content": "I am joe@example.com"}]}]
    logs.get_logger("test").emit(
        LogRecord(event_name="details", body={"said": messages}, attributes={"gen_ai.input.messages": messages})
    )
    logs.shutdown()
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"http://{collector.otlp_http}/v1/metrics"))
    metrics = MeterProvider([reader], resource=resource)
    metrics.get_meter("test").create_counter("spent").add(1, {"user": "joe@example.com", "model": "m"})
    metrics.shutdown()

    events = collector.data / "events" / "events.jsonl"
    until(lambda: events.exists() and events.read_bytes().endswith(b"\n"), 60, "the event is written")
    assert "I am ****" in events.read_text()
    assert "joe" not in events.read_text()
    page = until(lambda: "spent_total" in (p := get(collector.metrics, "/metrics").decode()) and p, 60, "it is there")
    assert 'user="****"' in page
    assert 'model="m"' in page
    assert "joe" not in page
