"""The demo, as `make demo BACKENDS=1` runs it: what it wrote to its file is what Jaeger and Prometheus have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from e2e import otlp
from e2e.programs import ROOT, answers, get_json, until
from otel_llm.config import DEFAULT_CONTENT_MAX_BYTES

pytestmark = pytest.mark.timeout(900)

DEMO_PYTHON = ROOT / ".venv-demo" / "bin" / "python"
TELEMETRY = ROOT / "out" / "demo.jsonl"
MODEL_CALLS = {"chat", "embeddings", "text_completion", "generate_content"}

#: What Jaeger's GenAI tab reads, and the operations that its timeline has an icon for (its page 2.20).
TAB_TEXTS = {
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "gen_ai.response.model",
    "gen_ai.agent.name",
    "gen_ai.tool.name",
}
TAB_TOKENS = {
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.reasoning.output_tokens",
}
TAB_MESSAGES = {"gen_ai.input.messages", "gen_ai.output.messages"}
TAB_PARTS = {"gen_ai.system_instructions"}
TAB_JSON = {"gen_ai.tool.call.arguments", "gen_ai.tool.call.result"}
TAB_ROLES = {"system", "user", "assistant", "tool"}
TAB_PART_TYPES = {"text", "reasoning", "tool_call", "tool_call_response", "blob", "file", "uri"}
ICONS = MODEL_CALLS | {"execute_tool", "invoke_agent", "create_agent", "invoke_workflow", "retrieval"}

Span = dict[str, Any]
Sample = tuple[dict[str, str], float]


@dataclass(frozen=True)
class Demo:
    output: str
    urls: dict[str, str]
    spans: list[Span]

    def address(self, name: str) -> str:
        return self.urls[name].removeprefix("http://")

    def jaeger(self, path: str) -> Any:
        return get_json(self.address("Jaeger"), path)

    def prometheus(self, expression: str) -> list[Sample]:
        result = get_json(self.address("Prometheus"), "/api/v1/query", query=expression)["data"]["result"]
        return [(sample["metric"], float(sample["value"][1])) for sample in result]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "OPENAI_"))}
    environment["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))

    def run(*command: object) -> str:
        done = subprocess.run(
            list(map(str, command)), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400, check=False
        )
        assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
        return done.stdout

    cli = (sys.executable, "-m", "otel_llm.cli")
    ports = [f"--{name}-port=0" for name in ("otlp-grpc", "otlp-http", "jaeger", "prometheus")]
    try:
        run(*cli, "up", *ports)
        output = run(DEMO_PYTHON, "examples/llm_twin/run.py", "--backends")
        urls = json.loads(run(*cli, "status", "--json"))["urls"]
        yield Demo(output, urls, otlp.spans_of_file(TELEMETRY))
    finally:
        run(*cli, "down")


def becomes(measure: Callable[[], Any], expected: Any) -> None:
    with suppress(AssertionError):
        until(lambda: measure() == expected, 120, "")
    assert measure() == expected


def test_every_span_is_in_jaeger_as_it_was_sent(demo: Demo) -> None:
    (trace_id,) = {span["trace"] for span in demo.spans}
    stored = otlp.spans(demo.jaeger(f"/api/v3/traces/{trace_id}")["result"]["resourceSpans"])
    assert [span["id"] for span in stored] == [span["id"] for span in demo.spans]
    for sent, raw in zip(demo.spans, stored, strict=True):
        found = otlp.as_stored(raw, sent)
        for key, value in sent["attributes"].items():
            assert found["attributes"].get(key) == value, (sent["name"], key)
        assert found == sent, sent["name"]
    assert f"all {len(stored)} spans of it: {demo.urls['Jaeger']}/trace/{trace_id}" in demo.output


def test_the_trace_is_one_tree(demo: Demo) -> None:
    identifiers = {span["id"] for span in demo.spans}
    assert [span["name"] for span in demo.spans if not span["parent"]] == ["answer_question"]
    assert all(span["parent"] in identifiers for span in demo.spans if span["parent"])


def test_long_messages_arrive_whole(demo: Demo) -> None:
    """As long as content capture lets them be, and with all that JSON and storage may stumble over."""
    content = 'Sources: "{[<é世🙂>]}"\\\n' * 1400
    messages = json.dumps([{"role": "user", "parts": [{"type": "text", "content": content}]}], ensure_ascii=False)
    assert 2048 < len(messages.encode()) < DEFAULT_CONTENT_MAX_BYTES
    provider = TracerProvider(resource=Resource({"service.name": "long"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{demo.urls['OTLP over HTTP']}/v1/traces")))
    with provider.get_tracer("test").start_as_current_span("chat") as span:
        span.set_attribute("gen_ai.input.messages", messages)
    provider.shutdown()
    path = f"/api/v3/traces/{span.get_span_context().trace_id:032x}"
    until(lambda: answers(demo.address("Jaeger"), path), 120, "the trace is in Jaeger")
    (stored,) = otlp.spans(demo.jaeger(path)["result"]["resourceSpans"])
    assert stored["attributes"] == {"gen_ai.input.messages": messages}


def test_jaeger_finds_it_by_service_and_attribute(demo: Demo) -> None:
    assert "llm-twin" in demo.jaeger("/api/v3/services")["services"]


def test_calls_and_durations_in_prometheus_are_those_of_the_spans(demo: Demo) -> None:
    """The metrics that the Collector made of the spans, before anything was left out."""
    calls: Counter[tuple[str, ...]] = Counter()
    ended: Counter[tuple[str, ...]] = Counter()
    seconds: defaultdict[tuple[str, ...], float] = defaultdict(float)
    labels = ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "error.type")
    for span in demo.spans:
        key = (span["name"], *(str(span["attributes"].get(label, "")) for label in labels))
        calls[key] += 1
        whatever_error = (*key[:-1], "")  # durations are not split by error
        ended[whatever_error] += 1
        seconds[whatever_error] += (span["end"] - span["start"]) / 1e9

    def measured(metric: str) -> dict[tuple[str, ...], float]:
        names = ("span_name", *(label.replace(".", "_") for label in labels))
        return {
            tuple(labels.get(name, "") for name in names): value
            for labels, value in demo.prometheus(f'{metric}{{service_name="llm-twin"}}')
        }

    becomes(lambda: measured("traces_span_metrics_calls_total"), calls)
    becomes(lambda: measured("traces_span_metrics_duration_seconds_count"), ended)
    becomes(lambda: measured("traces_span_metrics_duration_seconds_sum"), pytest.approx(dict(seconds), abs=1e-6))


@pytest.mark.parametrize("kind", ["input", "output"])
def test_tokens_in_prometheus_are_those_of_the_spans(demo: Demo, kind: str) -> None:
    """Both from the spans, by the Collector, and from the application's own metrics."""
    expected: Counter[str] = Counter()
    for span in demo.spans:
        if span["attributes"].get("gen_ai.operation.name") in MODEL_CALLS:
            tokens = span["attributes"].get(f"gen_ai.usage.{kind}_tokens")
            if tokens is not None:
                expected[span["attributes"]["gen_ai.request.model"]] += tokens

    def by_model(metric: str) -> dict[str, float]:
        expression = f"sum by (gen_ai_request_model) ({metric})"
        return {labels["gen_ai_request_model"]: value for labels, value in demo.prometheus(expression) if value}

    becomes(lambda: by_model(f"otel_llm_span_{kind}_tokens_total"), expected)
    becomes(lambda: by_model(f'gen_ai_client_token_usage_sum{{gen_ai_token_type="{kind}"}}'), expected)


def test_durations_of_the_application_are_those_of_its_spans(demo: Demo) -> None:
    metric = "gen_ai_client_operation_duration_seconds_count"
    expected = Counter(
        span["attributes"]["gen_ai.operation.name"]
        for span in demo.spans
        if span["attributes"].get("gen_ai.operation.name") in MODEL_CALLS
    )

    def measured() -> dict[str, float]:
        by_operation = demo.prometheus(f"sum by (gen_ai_operation_name) ({metric})")
        return {labels["gen_ai_operation_name"]: value for labels, value in by_operation}

    becomes(lambda: {name: measured().get(name, 0) for name in expected}, expected)


def test_jaegers_genai_tab_reads_every_key_as_it_is_stored(demo: Demo) -> None:
    (trace_id,) = {span["trace"] for span in demo.spans}
    stored = otlp.spans(demo.jaeger(f"/api/v3/traces/{trace_id}")["result"]["resourceSpans"])
    seen: set[str] = set()
    for span in stored:
        attributes = {key: value for key, value in span["attributes"].items() if key.startswith("gen_ai.")}
        if attributes:
            assert attributes["gen_ai.operation.name"] in ICONS, span["name"]
        seen |= attributes.keys()
        for key, value in attributes.items():
            if key in TAB_TEXTS:
                assert isinstance(value, str), key
            elif key in TAB_TOKENS:
                assert isinstance(value, int), key
            elif key in TAB_MESSAGES:
                for message in json.loads(value):
                    assert message["role"] in TAB_ROLES
                    assert {part["type"] for part in message["parts"]} <= TAB_PART_TYPES
            elif key in TAB_PARTS:
                assert {part["type"] for part in json.loads(value)} <= TAB_PART_TYPES
            elif key in TAB_JSON:
                json.loads(value)
    # The demo's provider reports no cached tokens.
    cached = {"gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_creation.input_tokens"}
    assert (TAB_TEXTS | TAB_TOKENS | TAB_MESSAGES | TAB_PARTS | TAB_JSON) - seen <= cached
