"""Every knob: its good values, and one warning for a bad one."""

from __future__ import annotations

from typing import Any

import pytest

from otel_llm import ContentCapture, MetricGeneration, Settings
from quietness import quiet

__all__ = ["quiet"]

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
EVENT = "OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT"
OPT_IN = "OTEL_SEMCONV_STABILITY_OPT_IN"
BYTES = "OTEL_LLM_CONTENT_MAX_BYTES"
MEDIA = "OTEL_LLM_CAPTURE_MEDIA"
USAGE = "OTEL_LLM_STREAM_USAGE"
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
    (BYTES, "256", "content_max_bytes", 256),
    (BYTES, " 1048576 ", "content_max_bytes", 1048576),
    *((MEDIA, text, "capture_media", value) for text, value in BOOLEANS.items()),
    *((USAGE, text, "stream_usage", value) for text, value in BOOLEANS.items()),
]
BAD: list[tuple[str, str, str, str]] = [
    (CAPTURE, "SPANS", "capture_content", "NO_CONTENT"),
    (CAPTURE, "2", "capture_content", "NO_CONTENT"),
    (EVENT, "maybe", "emit_event", "false"),
    (OPT_IN, "gen_ai_latest", "metrics", "RELEASED"),
    (OPT_IN, "http,gen_ai/dup", "metrics", "RELEASED"),
    (BYTES, "255", "content_max_bytes", "65536"),
    (BYTES, "-1", "content_max_bytes", "65536"),
    (BYTES, "64k", "content_max_bytes", "65536"),
    (BYTES, "1e6", "content_max_bytes", "65536"),
    (BYTES, "9" * 5000, "content_max_bytes", "65536"),
    (MEDIA, "2", "capture_media", "false"),
    (USAGE, "always", "stream_usage", "false"),
    (STEPS, "some", "langchain_steps", "default, named"),
    (BAGGAGE, "user", "baggage", "default, none"),
]


@pytest.mark.parametrize(("variable", "text", "field", "value"), GOOD)
def test_good(variable: str, text: str, field: str, value: Any) -> None:
    assert getattr(Settings.from_environment({variable: text}), field) is value or value == int(text)


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
    assert Settings.from_environment(dict.fromkeys((CAPTURE, EVENT, OPT_IN, BYTES, MEDIA, USAGE), text)) == Settings()


@pytest.mark.parametrize("mode", ContentCapture)
def test_the_event_follows_the_content(mode: ContentCapture) -> None:
    assert Settings.from_environment({CAPTURE: mode.name}).emit_event is mode.on_event
    assert Settings.from_environment({CAPTURE: mode.name, EVENT: "false"}).emit_event is False


def test_from_code_the_limit_is_checked() -> None:
    with pytest.raises(ValueError, match="content_max_bytes"):
        Settings(content_max_bytes=255)
    with pytest.raises(AttributeError):
        Settings().capture_media = True  # type: ignore[misc]


def test_the_process_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BYTES, "1024")
    assert Settings.from_environment().content_max_bytes == 1024
