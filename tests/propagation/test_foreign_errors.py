"""With ``OTEL_LLM_SCRUB_FOREIGN`` no span of another library carries the text of a provider's error."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_llm
from otel_llm import ContentCapture, Settings

_WORDS = "Invalid prompt: 'my secret plan' with key sk-proj-abcdefghijklmnop"


def _spans(settings: Settings, processor: Any) -> Any:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(processor(exporter))  # before ours
    otel_llm.uninstrument()
    otel_llm.instrument(settings=settings, tracer_provider=provider)
    try:
        with pytest.raises(ValueError, match="plan"), provider.get_tracer("fastapi").start_as_current_span("GET /"):
            _fail()
    finally:
        otel_llm.uninstrument()
    provider.force_flush()
    (span,) = exporter.get_finished_spans()
    return span


def _fail() -> None:
    span = trace.get_current_span()
    span.set_attributes({"exception.message": _WORDS, "error.message": _WORDS, "http.route": "/"})
    span.add_link(span.get_span_context(), {"exception.message": _WORDS, "retry": True})
    raise ValueError(_WORDS)


@pytest.mark.parametrize("processor", [SimpleSpanProcessor, BatchSpanProcessor])
def test_the_text_is_removed(processor: Any) -> None:
    span = _spans(Settings(scrub_foreign=True), processor)
    assert "plan" not in span.to_json()
    assert not span.status.is_ok
    (event,) = span.events
    assert event.attributes["exception.type"] == "ValueError"
    assert "exception.message" not in event.attributes
    assert __file__ in event.attributes["exception.stacktrace"]
    assert "raise ValueError" not in event.attributes["exception.stacktrace"]
    assert dict(span.attributes) == {"http.route": "/"}
    assert [dict(link.attributes) for link in span.links] == [{"retry": True}]


def test_with_content_only_credentials_are() -> None:
    settings = Settings(scrub_foreign=True, capture_content=ContentCapture.SPAN_ONLY)
    told = _spans(settings, SimpleSpanProcessor).to_json()
    assert "my secret plan" in told
    assert "sk-proj" not in told


def test_by_default_they_are_left_alone() -> None:
    assert "sk-proj" in _spans(Settings(), SimpleSpanProcessor).to_json()
