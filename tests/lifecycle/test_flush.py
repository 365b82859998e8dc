"""``flush`` sends what waits, within its time."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_llm
from otel_llm import Settings
from otel_llm.background import deferred, finalizers

ASK = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}


def test_what_waits_is_sent(recorder: Any, client: Any, tmp_path: Path) -> None:
    exporter, log = InMemorySpanExporter(), tmp_path / "prompts.jsonl"
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=60_000))
    otel_llm.instrument(settings=Settings(prompt_log=str(log)), tracer_provider=provider)
    client.chat.completions.create(**ASK)
    assert exporter.get_finished_spans() == ()
    assert otel_llm.flush(10) is True
    assert [span.name for span in exporter.get_finished_spans()] == ["chat gpt-4o-mini"]
    assert [json.loads(line)["operation"] for line in log.read_text().splitlines()] == ["chat"]
    provider.shutdown()


def test_an_exporter_that_hangs_costs_no_more_than_the_time(recorder: Any, client: Any) -> None:
    released = threading.Event()

    class Hanging(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            released.wait(60)
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Hanging(), schedule_delay_millis=60_000))
    otel_llm.instrument(settings=Settings(), tracer_provider=provider)
    client.chat.completions.create(**ASK)
    assert otel_llm.flush(0.2) is False
    released.set()
    provider.shutdown()


def test_a_negative_time() -> None:
    with pytest.raises(ValueError, match="timeout must be 0 or more seconds, not -1"):
        otel_llm.flush(-1)


@pytest.mark.parametrize("what", ["metrics", "stream"])
def test_an_error_of_what_waits_does_not_make_it_wait(
    recorder: Any, quiet: pytest.LogCaptureFixture, what: str
) -> None:
    """Neither in a metric that waits, nor in the end of a dropped stream that was put off."""

    def fail() -> None:
        raise ValueError

    sent = threading.Event()
    deferred.do(fail) if what == "metrics" else finalizers.SHARED.postponed.append(fail)
    finalizers.SHARED.postponed.append(sent.set)
    assert otel_llm.flush(1e6) is True
    assert sent.is_set()
    assert "ValueError" in quiet.text
    quiet.clear()


def test_an_error_of_its_own_ends_it(
    recorder: Any, monkeypatch: pytest.MonkeyPatch, quiet: pytest.LogCaptureFixture
) -> None:
    def fail(timeout: float) -> None:
        raise ValueError

    with monkeypatch.context() as patched:
        patched.setattr(deferred, "catch_up", fail)
        assert otel_llm.flush(1e6) is False
    quiet.clear()
