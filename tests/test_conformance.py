"""The conformance check itself: every rule fires on what breaks it and is silent on what keeps it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode

from conformance import table
from conformance.check import EXEMPTIONS, durations_match, violations

SERVER = {"server.address": "api.openai.com", "server.port": 443}
BASE = {"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o", **SERVER}
USAGE = {"gen_ai.usage.input_tokens": 3, "gen_ai.usage.output_tokens": 5}
ANSWER = {
    "gen_ai.response.id": "r1",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.response.finish_reasons": ["stop"],
}
CHAT = {**BASE, **ANSWER, **USAGE, "gen_ai.operation.name": "chat", "openai.api.type": "chat_completions"}
EMBEDDINGS = {
    **BASE,
    "gen_ai.operation.name": "embeddings",
    "gen_ai.request.encoding_formats": ["base64"],
    "gen_ai.embeddings.dimension.count": 1536,
    "gen_ai.response.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 3,
}
MESSAGES = [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]
ERROR = Status(StatusCode.ERROR)


def span(
    attributes: dict[str, Any],
    name: str = "chat gpt-4o",
    *,
    without: tuple[str, ...] = (),
    kind: SpanKind = SpanKind.CLIENT,
    status: Status | None = None,
    scope: str = "otel_llm.openai",
    seconds: float = 1.0,
) -> ReadableSpan:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    given = {key: value for key, value in attributes.items() if key not in without}
    made = provider.get_tracer(scope).start_span(name, kind=kind, attributes=given, start_time=10**18)
    if status:
        made.set_status(status)
    made.end(10**18 + round(seconds * 1e9))
    return exporter.get_finished_spans()[0]


def metrics(record: Callable[[Any], None], scope: str = "otel_llm.openai") -> MetricsData:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    record(provider.get_meter(scope))
    data = reader.get_metrics_data()
    provider.shutdown()
    assert data is not None
    return data


def durations(*points: tuple[float, dict[str, Any]], name: str = "gen_ai.client.operation.duration") -> MetricsData:
    def record(meter: Any) -> None:
        histogram = meter.create_histogram(name, unit="s")
        for value, attributes in points:
            histogram.record(value, attributes)

    return metrics(record)


def event(name: str | None, attributes: dict[str, Any], body: Any = None) -> Any:
    return SimpleNamespace(log_record=SimpleNamespace(event_name=name, attributes=attributes, body=body))


def test_the_table_is_derived_from_what_is_beside_it() -> None:
    newer = Path(table.__file__).with_name("newer.yaml").read_bytes()
    assert table.TABLE["source"]["newer_sha256"] == hashlib.sha256(newer).hexdigest(), "run derive.py again"
    assert len(table.TABLE["source"]["commit"]) == 40
    assert set(table.OPERATIONS) == {operation for kind in table.TABLE["spans"] for operation in kind["operations"]}
    assert "gen_ai.usage.cache_creation.input_tokens" not in table.ATTRIBUTES
    for described in (*table.TABLE["spans"], *table.METRICS.values(), *table.EVENTS.values()):
        unknown = {name for name in described["attributes"] if not table.known(name)}
        assert unknown <= {"azure.resource_provider.namespace"}


@pytest.mark.parametrize(
    "good",
    [
        span(CHAT),
        span({**CHAT, "gen_ai.request.temperature": 0.0, "gen_ai.request.stop_sequences": ["a"]}),
        span({**CHAT, "gen_ai.request.stream": True}, without=tuple(USAGE)),
        span({**CHAT, "error.type": "RateLimitError"}, without=(*ANSWER, *USAGE), status=ERROR),
        span({**CHAT, "gen_ai.input.messages": json.dumps(MESSAGES), "gen_ai.prompt.variable.city": "Paris"}),
        span({**CHAT, "otel_llm.stream.outcome": "closed", "session.id": "s"}),
        span(EMBEDDINGS, "embeddings gpt-4o"),
        span(
            {**BASE, "gen_ai.operation.name": "generate_content", "otel_llm.operation.name": "speech"},
            "generate_content gpt-4o",
        ),
        span(
            {
                **BASE,
                **ANSWER,
                "gen_ai.operation.name": "fetch_response",
                "gen_ai.response.status": "in_progress",
                "openai.api.type": "responses",
            },
            "fetch_response",
            without=("gen_ai.request.model", "gen_ai.response.finish_reasons"),
        ),
        span(
            {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "t", "gen_ai.tool.call.result": '{"a":1}'},
            "execute_tool t",
            kind=SpanKind.INTERNAL,
        ),
        span(
            {"gen_ai.operation.name": "invoke_agent", "gen_ai.response.finish_reasons": ["stop"], **USAGE},
            "invoke_agent",
            kind=SpanKind.INTERNAL,
        ),
        span({"gen_ai.operation.name": "invoke_workflow"}, "invoke_workflow", kind=SpanKind.INTERNAL),
        span({"otel_llm.operation.name": "moderation"}, "moderation"),
        span({"http.request.method": "GET", "anything": 1}, "GET", scope="other"),
        span({**CHAT, "anything": 1}, scope="other"),
    ],
    ids=lambda made: made.name,
)
def test_good_spans_pass(good: ReadableSpan) -> None:
    assert violations([good]) == []


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (span(CHAT, "chat"), "should be named 'chat gpt-4o'"),
        (span(CHAT, "chat gpt-4o", without=("gen_ai.request.model",)), "should be named 'chat'"),
        (span(CHAT, without=("gen_ai.provider.name",)), "required attribute gen_ai.provider.name is missing"),
        (span(CHAT, "chat", without=("gen_ai.request.model",)), "required attribute gen_ai.request.model is missing"),
        (span(CHAT, without=("server.address",)), "recommended attribute server.address is missing"),
        (span(CHAT, without=("gen_ai.usage.output_tokens",)), "recommended attribute gen_ai.usage.output_tokens"),
        (span(CHAT, without=("openai.api.type",)), "recommended attribute openai.api.type is missing"),
        (span(EMBEDDINGS, "embeddings gpt-4o", without=("gen_ai.embeddings.dimension.count",)), "dimension.count is m"),
        (span(CHAT, kind=SpanKind.INTERNAL), "is of kind internal, not client"),
        (span({**CHAT, "gen_ai.operation.name": "speech"}, "speech gpt-4o"), "'speech' is none of the conventions'"),
        (span(CHAT, without=("gen_ai.operation.name",)), "gen_ai attributes and no gen_ai.operation.name"),
        (span({**CHAT, "gen_ai.usage.input_tokens": True}), "gen_ai.usage.input_tokens is bool True, not int"),
        (span({**CHAT, "gen_ai.usage.input_tokens": 3.0}), "is float 3.0, not int"),
        (span({**CHAT, "gen_ai.request.temperature": 1}), "gen_ai.request.temperature is int 1, not double"),
        (span({**CHAT, "gen_ai.request.stream": "yes"}), "not boolean"),
        (span({**CHAT, "gen_ai.response.finish_reasons": "stop"}), "not string[]"),
        (span({**CHAT, "gen_ai.response.finish_reasons": [1]}), "not string[]"),
        (span({**CHAT, "server.port": "443"}), "server.port is str '443', not int"),
        (span({**CHAT, "gen_ai.prompt.variable.n": 1}), "gen_ai.prompt.variable.n is int 1, not string"),
        (span({**CHAT, "gen_ai.usage.prompt_tokens": 1}), "unknown attribute gen_ai.usage.prompt_tokens"),
        (span({**CHAT, "openai.request.tier": "x"}, scope="other"), "unknown attribute openai.request.tier"),
        (span({**CHAT, "llm.model": "x"}), "unknown attribute llm.model"),
        (span({**CHAT, "gen_ai.input.messages": "hi"}), "gen_ai.input.messages is not JSON"),
        (span({**CHAT, "gen_ai.input.messages": '[{"role": "user"}]'}), "'parts' is a required property"),
        (span({**CHAT, "gen_ai.tool.definitions": '[{"type": "function"}]'}), "definitions does not fit its schema"),
        (span(CHAT, status=Status(StatusCode.OK)), "status is OK"),
        (span(CHAT, status=ERROR), "status is ERROR and error.type is missing"),
        (span({**CHAT, "error.type": "x"}), "error.type is set and the status is not ERROR"),
        (span({**CHAT, **{f"otel_llm.n{n}": n for n in range(128 - len(CHAT))}}), "too many"),
        (span({**CHAT, "gen_ai.request.stream": False}), "said by leaving it out"),
        (span({**CHAT, "gen_ai.request.choice.count": 1}), "said by leaving it out"),
        (span({**EMBEDDINGS, "gen_ai.usage.output_tokens": 0}, "embeddings gpt-4o"), "does not belong on embeddings"),
        (span({"otel_llm.operation.name": "moderation", "flagged": 1}, "moderation"), "unknown attribute flagged"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_spans_are_reported(bad: ReadableSpan, said: str) -> None:
    found = violations([bad])
    assert any(said in line for line in found), found


def test_a_test_can_say_what_its_server_left_out() -> None:
    bare = span(CHAT, without=tuple(ANSWER))
    assert len(violations([bare])) == 3
    assert violations([bare], allow=set(ANSWER)) == []
    assert len(violations([bare], allow={"gen_ai.response.id"})) == 2


def test_exemptions_say_why_and_name_attributes_of_the_table() -> None:
    for why, (_, names) in EXEMPTIONS.items():
        assert len(why) > 20
        assert all(table.known(name) for name in names)


DIMENSIONS = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "server.address": "api.openai.com",
    "server.port": 443,
}


def test_good_metrics_pass() -> None:
    def record(meter: Any) -> None:
        for name, described in table.METRICS.items():
            given = {
                **DIMENSIONS,
                "gen_ai.token.type": "input",
                "gen_ai.token.modality": "text",
                "gen_ai.tool.name": "t",
            }
            given = {key: value for key, value in given.items() if key in described["attributes"]}
            if described["instrument"] == "counter":
                meter.create_counter(name, unit=described["unit"]).add(1, given)
            else:
                meter.create_histogram(name, unit=described["unit"]).record(
                    1, {**given, "otel_llm.operation.name": "x"}
                )
        meter.create_gauge("otel_llm.queue.size").set(3)

    assert violations([], metrics(record)) == []
    assert violations([], metrics(lambda meter: meter.create_counter("http.requests").add(1), scope="other")) == []


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (lambda m: m.create_histogram("gen_ai.client.cost").record(1), "metric gen_ai.client.cost: unknown metric"),
        (lambda m: m.create_counter("llm.calls").add(1), "a metric of our own must start with otel_llm."),
        (
            lambda m: m.create_counter("gen_ai.client.operation.duration", unit="s").add(1, DIMENSIONS),
            "is a counter, not a histogram",
        ),
        (
            lambda m: m.create_histogram("gen_ai.client.operation.duration", unit="ms").record(1, DIMENSIONS),
            "has unit 'ms', not 's'",
        ),
        (
            lambda m: m.create_histogram("gen_ai.client.token.usage", unit="{token}").record(1, DIMENSIONS),
            "required attribute gen_ai.token.type is missing",
        ),
        (
            lambda m: m.create_histogram("gen_ai.client.operation.duration", unit="s").record(
                1, {**DIMENSIONS, "gen_ai.response.id": "x"}
            ),
            "attribute gen_ai.response.id does not belong to it",
        ),
        (
            lambda m: m.create_histogram("gen_ai.client.operation.duration", unit="s").record(
                1, {**DIMENSIONS, "server.port": "443"}
            ),
            "server.port is str '443', not int",
        ),
        (lambda m: m.create_counter("otel_llm.x").add(1, {"a": [1]}), "a is tuple, not a scalar"),
        (lambda m: m.create_counter("otel_llm.x").add(1, {"gen_ai.nope": 1}), "unknown attribute gen_ai.nope"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_metrics_are_reported(record: Any, said: str) -> None:
    found = violations([], metrics(record))
    assert any(said in line for line in found), found


DETAILS = "gen_ai.client.inference.operation.details"


def test_good_events_pass() -> None:
    logs = [
        event(DETAILS, {**CHAT, "gen_ai.input.messages": tuple(MESSAGES)}),
        event("gen_ai.evaluation.result", {"gen_ai.evaluation.name": "tone", "gen_ai.evaluation.score.value": 0.5}),
        event("gen_ai.client.operation.exception", {"exception.type": "ValueError"}),
        event(None, {"http.route": "/"}, "a log line"),
    ]
    assert violations([], logs=logs) == []


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (event("gen_ai.choice", {}), "event gen_ai.choice: unknown event"),
        (event(None, CHAT), "event None: unknown event"),
        (event(DETAILS, {**CHAT, "gen_ai.input.messages": json.dumps(MESSAGES)}), "is a string, not a structure"),
        (event(DETAILS, {**CHAT, "gen_ai.input.messages": [{}]}), "does not fit its schema"),
        (event(DETAILS, {**CHAT, "gen_ai.usage.input_tokens": "3"}), "not int"),
        (event(DETAILS, {**CHAT, "gen_ai.completion": "x"}), "unknown attribute gen_ai.completion"),
        (event(DETAILS, {"gen_ai.operation.name": "chat"}), "required attribute gen_ai.provider.name is missing"),
        (event(DETAILS, CHAT, "text"), "has a body"),
        (event("gen_ai.evaluation.result", {}), "required attribute gen_ai.evaluation.name is missing"),
        (event("gen_ai.client.operation.exception", {}), "needs exception.type or exception.message"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_events_are_reported(bad: Any, said: str) -> None:
    found = violations([], logs=[bad])
    assert any(said in line for line in found), found


def test_durations_match() -> None:
    failed = span({**CHAT, "error.type": "x"}, status=ERROR, seconds=0.5)
    spans = [span(CHAT, seconds=1), span(CHAT, seconds=2), failed]
    right = durations((1, DIMENSIONS), (2, DIMENSIONS), (0.5, {**DIMENSIONS, "error.type": "x"}))
    assert durations_match(spans, right) == []
    assert durations_match([], None) == []
    newest = durations((1, DIMENSIONS), name="gen_ai.client.inference.duration")
    assert durations_match(spans[:1], newest) == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (durations((1.00001, DIMENSIONS)), "1 in 1.000010000 s, but 1 spans in 1.000000000 s"),
        (durations((0.5, DIMENSIONS), (0.5, DIMENSIONS)), "2 in 1.000000000 s, but 1 spans"),
        (durations((1, {**DIMENSIONS, "gen_ai.request.model": "o3"})), "but 0 spans"),
        (durations((1, {**DIMENSIONS, "gen_ai.request.model": "o3"})), "span 'chat gpt-4o' is in no duration metric"),
        (None, "is in no duration metric"),
    ],
)
def test_durations_that_differ_are_reported(data: Any, said: str) -> None:
    found = durations_match([span(CHAT)], data)
    assert any(said in line for line in found), found
