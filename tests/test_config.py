"""Every knob: its good values, and one warning for a bad one."""

from __future__ import annotations

from typing import Any

import pytest

from otel_llm import (
    ChunkMetrics,
    ContentCapture,
    ForeignSpans,
    LangChainSteps,
    MetricGeneration,
    SamplingAlgorithm,
    Settings,
)
from otel_llm.config import HIDEABLE, variables
from quietness import quiet

__all__ = ["quiet"]

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
EVENT = "OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT"
OPT_IN = "OTEL_SEMCONV_STABILITY_OPT_IN"
BYTES = "OTEL_LLM_CONTENT_MAX_BYTES"
MEDIA = "OTEL_LLM_CAPTURE_MEDIA"
USAGE = "OTEL_LLM_STREAM_USAGE"
CHUNKS = "OTEL_LLM_CHUNK_METRICS"
STEPS = "OTEL_LLM_LANGCHAIN_STEPS"
BAGGAGE = "OTEL_LLM_BAGGAGE"
MODES = {mode.name: mode for mode in ContentCapture}
BOOLEANS = {"true": True, "1": True, "YES": True, "on": True, "False": False, "0": False, "no": False, " off ": False}

GOOD: list[tuple[str, str, str, Any]] = [
    *((CAPTURE, name, "capture_content", mode) for name, mode in MODES.items()),
    *((CAPTURE, name.lower(), "capture_content", mode) for name, mode in MODES.items()),
    (CAPTURE, "true", "capture_content", ContentCapture.SPAN_ONLY),
    (CAPTURE, "false", "capture_content", ContentCapture.NO_CONTENT),
    *((EVENT, text, "emit_event", value) for text, value in BOOLEANS.items()),
    (OPT_IN, "gen_ai_latest_experimental", "metrics", MetricGeneration.LATEST),
    (OPT_IN, "gen_ai_latest_experimental/dup", "metrics", MetricGeneration.BOTH),
    (OPT_IN, "http,gen_ai_latest_experimental , database/dup", "metrics", MetricGeneration.LATEST),
    (OPT_IN, "gen_ai_latest_experimental,gen_ai_latest_experimental/dup", "metrics", MetricGeneration.BOTH),
    (OPT_IN, "http/dup", "metrics", MetricGeneration.RELEASED),
    ("OTEL_LLM_METRICS_MAX_SERIES", "20000", "metrics_max_series", 20000),
    (BYTES, "256", "content_max_bytes", 256),
    (BYTES, " 1048576 ", "content_max_bytes", 1048576),
    ("OTEL_LLM_SPAN_CONTENT_MAX_BYTES", "2097152", "span_content_max_bytes", 2097152),
    *((MEDIA, text, "capture_media", value) for text, value in BOOLEANS.items()),
    *((USAGE, text, "stream_usage", value) for text, value in BOOLEANS.items()),
    *((CHUNKS, chunks.value.title(), "chunk_metrics", chunks) for chunks in ChunkMetrics),
    *((STEPS, steps.value.title(), "langchain_steps", steps) for steps in LangChainSteps),
    ("OTEL_LLM_LANGCHAIN_LEAVE_TO_SDK", "anthropic, OpenAI,", "langchain_leave_to_sdk", {"anthropic", "openai"}),
    ("OTEL_LLM_REDACT", "secrets, pii,", "redact", ("secrets", "pii")),
    ("OTEL_LLM_REDACT", "email,my.redactors:names,presidio", "redact", ("email", "my.redactors:names", "presidio")),
    ("OTEL_LLM_REDACT_ALLOW", "help@example.com, *@example.org", "redact_allow", ("help@example.com", "*@example.org")),
    ("OTEL_LLM_REDACT_TIMEOUT", "0.1", "redact_timeout", 0.1),
    ("OTEL_LLM_PSEUDONYM_KEY", "0123456789abcdef", "pseudonym_key", "0123456789abcdef"),
    ("OTEL_LLM_FEEDBACK_KEY", "new, old", "feedback_key", ("new", "old")),
    ("OTEL_LLM_UPLOAD", "s3://bucket/llm", "upload", "s3://bucket/llm"),
    ("OTEL_LLM_HIDE", "Input,media", "hide", {"input", "media"}),
    (BAGGAGE, "user_id,session_id", "baggage", {"user_id", "session_id"}),
    *(("OTEL_LLM_FOREIGN_SPANS", one.value, "foreign_spans", one) for one in ForeignSpans),
    ("OTEL_LLM_SCRUB_FOREIGN", "true", "scrub_foreign", True),
    ("OTEL_LLM_FLUSH_ON_SIGTERM", "true", "flush_on_sigterm", True),
    ("OTEL_LLM_PROMPT_LOG", " prompts.jsonl ", "prompt_log", "prompts.jsonl"),
    *(("OTEL_LLM_COST", text, "cost", value) for text, value in BOOLEANS.items()),
    ("OTEL_LLM_PRICES", "prices.yaml", "prices", "prices.yaml"),
    ("OTEL_LLM_COST_HEADERS", "X-Cost, x-price", "cost_headers", {"x-cost", "x-price"}),
    *(("OTEL_LLM_ESTIMATE_TOKENS", text, "estimate_tokens", text) for text in ("true", "off", "my-*=llama3,app:count")),
    ("OTEL_LLM_EVAL_SAMPLE_RATE", "0.05", "evaluation_sample_rate", 0.05),
    ("OTEL_LLM_EVAL_RULES", "[{error: true}]", "evaluation_rules", "[{error: true}]"),
    ("OTEL_LLM_EVAL_RULES_FILE", "rules.yaml", "evaluation_rules_file", "rules.yaml"),
    ("OTEL_LLM_EVAL_DATASET", "items.jsonl", "evaluation_dataset", "items.jsonl"),
    *(("OTEL_LLM_EVAL_CAPTURE_CONTENT", text, "evaluation_capture_content", value) for text, value in BOOLEANS.items()),
    ("OTEL_LLM_EVAL_MAX_PER_MINUTE", "30", "evaluation_max_per_minute", 30),
    ("OTEL_LLM_EVAL_GRACE", "0", "evaluation_grace", 0),
    ("OTEL_LLM_EVAL_FEEDBACK_HOLD", "60", "evaluation_feedback_hold", 60),
    *(("OTEL_LLM_EVAL_ALGORITHM", one.value, "evaluation_algorithm", one) for one in SamplingAlgorithm),
]
BAD: list[tuple[str, str, str, str]] = [
    (CAPTURE, "SPANS", "capture_content", "NO_CONTENT"),
    (CAPTURE, "2", "capture_content", "NO_CONTENT"),
    (EVENT, "maybe", "emit_event", "false"),
    (OPT_IN, "gen_ai_latest", "metrics", "RELEASED"),
    (OPT_IN, "http,gen_ai/dup", "metrics", "RELEASED"),
    ("OTEL_LLM_METRICS_MAX_SERIES", "499", "metrics_max_series", "2000"),
    ("OTEL_LLM_METRICS_MAX_SERIES", "many", "metrics_max_series", "2000"),
    (BYTES, "255", "content_max_bytes", "65536"),
    (BYTES, "-1", "content_max_bytes", "65536"),
    ("OTEL_LLM_SPAN_CONTENT_MAX_BYTES", "2 MB", "span_content_max_bytes", "1048576"),
    ("OTEL_LLM_SPAN_CONTENT_MAX_BYTES", "255", "span_content_max_bytes", "1048576"),
    (BYTES, "64k", "content_max_bytes", "65536"),
    (BYTES, "1e6", "content_max_bytes", "65536"),
    (BYTES, "9" * 5000, "content_max_bytes", "65536"),
    (MEDIA, "2", "capture_media", "false"),
    (USAGE, "always", "stream_usage", "false"),
    (STEPS, "some", "langchain_steps", "default, named"),
    (BAGGAGE, "user", "baggage", "default, none"),
    ("OTEL_LLM_ESTIMATE_TOKENS", "llama3", "estimate_tokens", "default, none"),
    ("OTEL_LLM_REDACT_TIMEOUT", "0", "redact_timeout", "default, 0.5"),
    ("OTEL_LLM_EVAL_SAMPLE_RATE", "5%", "evaluation_sample_rate", "default, none"),
    ("OTEL_LLM_EVAL_SAMPLE_RATE", "1.1", "evaluation_sample_rate", "default, none"),
    ("OTEL_LLM_EVAL_CAPTURE_CONTENT", "perhaps", "evaluation_capture_content", "default, false"),
    ("OTEL_LLM_EVAL_MAX_PER_MINUTE", "0", "evaluation_max_per_minute", "default, none"),
    ("OTEL_LLM_EVAL_GRACE", "inf", "evaluation_grace", "default, 1.0"),
    ("OTEL_LLM_EVAL_ALGORITHM", "dice", "evaluation_algorithm", "default, auto"),
]


@pytest.mark.parametrize(("variable", "text", "field", "value"), GOOD)
def test_good(variable: str, text: str, field: str, value: Any) -> None:
    read = getattr(Settings.from_environment({variable: text}), field)
    assert read == value
    assert isinstance(read, bool) == isinstance(value, bool)


def test_every_variable_is_tried() -> None:
    assert {variable for variable, *_ in GOOD} == set(variables().values())


@pytest.mark.parametrize(("variable", "text", "field", "default"), BAD)
def test_bad(variable: str, text: str, field: str, default: str, quiet: Any) -> None:
    settings = Settings.from_environment({variable: text})
    assert settings == Settings()
    (record,) = quiet.records
    said = record.getMessage()
    assert variable in said
    assert repr(text) in said
    assert said.endswith(default)
    quiet.clear()


@pytest.mark.parametrize(
    ("variable", "text", "expected", "said"),
    [
        ("OTEL_LLM_REDACT", "pi", Settings(redact=("secrets", "pii")), "using secrets,pii"),
        ("OTEL_LLM_HIDE", "inputs", Settings(hide=HIDEABLE), "using " + ",".join(sorted(HIDEABLE))),
    ],
)
def test_what_cannot_be_read_of_the_content_policy_shows_less_rather_than_more(
    variable: str, text: str, expected: Settings, said: str, quiet: Any
) -> None:
    assert Settings.from_environment({variable: text}) == expected
    (record,) = quiet.records
    assert record.getMessage().endswith(said)
    quiet.clear()


def test_a_bad_value_is_told_once_whoever_reads_it(quiet: Any) -> None:
    for _ in range(3):
        Settings.from_environment({BYTES: "x"})
    assert len(quiet.records) == 1
    quiet.clear()


def test_bad_values_do_not_spoil_good_ones(quiet: Any) -> None:
    settings = Settings.from_environment(
        {CAPTURE: "x", BYTES: "x", MEDIA: "true", OPT_IN: "gen_ai_latest_experimental"}
    )
    assert settings == Settings(capture_media=True, metrics=MetricGeneration.LATEST)
    assert len(quiet.records) == 2
    quiet.clear()


@pytest.mark.parametrize("text", ["", "  "])
def test_empty_is_unset(text: str) -> None:
    assert Settings.from_environment(dict.fromkeys(variables().values(), text)) == Settings()


@pytest.mark.parametrize("mode", ContentCapture)
def test_the_event_follows_the_content(mode: ContentCapture) -> None:
    assert Settings.from_environment({CAPTURE: mode.name}).emit_event is mode.on_event
    assert Settings.from_environment({CAPTURE: mode.name, EVENT: "false"}).emit_event is False


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"baggage": frozenset({"tenant"})},
            "baggage can't carry tenant, only conversation_id, session_id, tenant_id",
        ),
        ({"evaluation_sample_rate": 5}, "evaluation_sample_rate must be a number from 0 to 1, not 5"),
        ({"evaluation_max_per_minute": -1}, "evaluation_max_per_minute must be a number above 0"),
        ({"evaluation_grace": "1"}, "evaluation_grace must be a number of seconds from 0, not '1'"),
        ({"langchain_steps": "all"}, "langchain_steps must be a LangChainSteps, not 'all'"),
        ({"capture_content": True}, "capture_content must be a ContentCapture, not True"),
    ],
)
def test_from_code_a_bad_value_raises(given: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Settings(**given)


def test_a_rate_or_rules_switch_the_evaluation_on() -> None:
    assert not Settings(evaluation_dataset="items.db", evaluation_capture_content=True).samples_for_evaluation
    assert Settings(evaluation_sample_rate=0.0).samples_for_evaluation
    assert Settings(evaluation_rules="[]").samples_for_evaluation
    assert Settings(evaluation_rules_file="rules.yaml").samples_for_evaluation


def test_from_code_the_limit_is_checked() -> None:
    with pytest.raises(ValueError, match="content_max_bytes"):
        Settings(content_max_bytes=255)
    with pytest.raises(AttributeError):
        Settings().capture_media = True  # type: ignore[misc]


def test_the_process_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BYTES, "1024")
    assert Settings.from_environment().content_max_bytes == 1024
