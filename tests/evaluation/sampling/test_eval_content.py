"""Content that is captured for evaluation: of marked traces, of every kind of call, and of no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from evaluating import SAMPLED, Evaluated
from opentelemetry import baggage
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

import otel_llm
from otel_llm import ContentCapture, Settings
from otel_llm.evaluation import EvaluationSampler

Make = Callable[..., Evaluated]

ASK: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Who wrote Faust?"}]}


@pytest.fixture
def instrumented(evaluated: Make) -> Iterator[Make]:
    def make(*args: Any, capture: ContentCapture = ContentCapture.NO_CONTENT, **kwargs: Any) -> Evaluated:
        made = evaluated(*args, capture_content=True, **kwargs)
        otel_llm.uninstrument()
        otel_llm.instrument(settings=Settings(capture_content=capture), tracer_provider=made.provider)
        return made

    yield make
    otel_llm.uninstrument()


def _words(made: Evaluated) -> list[tuple[bool, bool]]:
    """Of each span: whether it is marked, whether there are words of ours on it."""
    return [
        (
            SAMPLED in (span.attributes or {}),
            any(word in span.to_json() for word in ("Faust", "does not exist", "Goethe")),
        )
        for span in made.spans
    ]


def _plain(client: openai.OpenAI) -> None:
    client.chat.completions.create(**ASK)


def _streamed(client: openai.OpenAI) -> None:
    for _ in client.chat.completions.create(**ASK, stream=True):
        pass


def _failing(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(**{**ASK, "model": "error-404"})


def _responses(client: openai.OpenAI) -> None:
    client.responses.create(model="gpt-4o-mini", input="Who wrote Faust?")


def _streamed_responses(client: openai.OpenAI) -> None:
    with client.responses.stream(model="gpt-4o-mini", input="Who wrote Faust?") as stream:
        stream.until_done()


def _steps(client: openai.OpenAI) -> None:
    with otel_llm.step_span("rerank", input="Who wrote Faust?") as step:
        step.update(output=["Goethe"])


def _failing_step(client: openai.OpenAI) -> None:
    with pytest.raises(ValueError, match="Faust"), otel_llm.step_span("rerank"):
        raise ValueError("no Faust here")


@pytest.mark.parametrize("call", [_plain, _streamed, _failing, _responses, _streamed_responses, _steps, _failing_step])
def test_marked_traces_have_words_and_the_others_none(
    call: Callable[[openai.OpenAI], None], instrumented: Make, client: openai.OpenAI
) -> None:
    made = instrumented(0.5)
    for _ in range(16):
        call(client)
    assert set(_words(made)) == {(True, True), (False, False)}
    assert all(item["content_captured"] or "error_type" in item for item in made.flushed())


def test_the_output_of_a_stream_is_whole(instrumented: Make, client: openai.OpenAI) -> None:
    made = instrumented(1.0)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in client.chat.completions.create(**ASK, stream=True))
    assert made.item["answer"] == text


def test_a_stream_that_outlives_its_trace(instrumented: Make, client: openai.OpenAI) -> None:
    made = instrumented(1.0)
    with made.tracer.start_as_current_span("request"):
        stream = client.chat.completions.create(**ASK, stream=True)
        next(iter(stream))
    made.flushed()
    assert len(made.sampler._books.traces) == 0
    for _ in stream:
        pass
    request, chat = made.spans
    assert (request.name, chat.name) == ("request", "chat gpt-4o-mini")
    assert {"gen_ai.input.messages", "gen_ai.output.messages"} <= set(chat.attributes or {})


def test_what_a_later_rule_adds_has_no_words(instrumented: Make, client: openai.OpenAI) -> None:
    made = instrumented(0.0, rules=[{"name": "chats", "operation": "chat"}])
    _plain(client)
    assert made.item["content_captured"] is False
    assert _words(made) == [(False, False)]


def test_events_are_left_as_they_are(instrumented: Make, client: openai.OpenAI) -> None:
    """Content of marked traces goes on their spans only."""
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

    made = instrumented(1.0)
    exporter = InMemoryLogRecordExporter()
    logs = LoggerProvider()
    logs.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    otel_llm.uninstrument()
    otel_llm.instrument(settings=Settings(emit_event=True), tracer_provider=made.provider, logger_provider=logs)
    _plain(client)
    _failing(client)
    records = [data.log_record for data in exporter.get_finished_logs()]
    assert len(records) == 3
    said = json.dumps([dict(record.attributes or {}) for record in records], default=str)
    assert "Faust" not in said
    assert "does not exist" not in said
    assert _words(made) == [(True, True), (True, True)]


def test_it_ends_with_the_sampler(instrumented: Make, client: openai.OpenAI) -> None:
    made = instrumented(1.0, exported=False)
    from otel_llm.content import capture

    assert capture.WANTED.all != ()
    made.provider.shutdown()
    assert capture.WANTED.all == ()
    other = instrumented(0.0)
    _plain(client)
    assert _words(other) == [(False, False)]


def test_of_two_samplers_only_the_one_that_wants_words_gets_them(
    evaluated: Make, instrumented: Make, client: openai.OpenAI
) -> None:
    made = instrumented(1.0)
    quiet = evaluated(1.0)
    otel_llm.uninstrument()
    otel_llm.instrument(settings=Settings(), tracer_provider=quiet.provider)
    _plain(client)
    assert _words(quiet) == [(True, False)]
    assert made.spans == []


def test_the_mark_of_another_sampler_is_no_reason_to_capture(evaluated: Make) -> None:
    """Two samplers of one provider: whether this one samples the trace is known at its end only."""
    made = evaluated(rules=[{"name": "errors", "error": True}], capture_content=True)
    made.provider.add_span_processor(EvaluationSampler(1.0, sink=lambda item: None))
    with made.tracer.start_as_current_span("request") as span:
        assert (span.attributes or {})[SAMPLED] is True  # type: ignore[attr-defined]
        assert not made.sampler.captures(span)


def test_a_trace_that_a_later_local_root_samples_is_captured_from_then_on(evaluated: Make) -> None:
    made = evaluated(rules=[{"name": "asked", "baggage": {"evaluate": "yes"}}], capture_content=True)
    remote = SpanContext(5, 99, is_remote=True, trace_flags=TraceFlags(1))
    parent = set_span_in_context(NonRecordingSpan(remote))
    first = made.tracer.start_span("first", parent)
    assert not made.sampler.captures(first)
    second = made.tracer.start_span("second", baggage.set_baggage("evaluate", "yes", parent))
    assert made.sampler.captures(first)
    assert made.sampler.captures(second)
    for span in (second, first):
        span.end()


def test_content_that_is_captured_anyway_stays(instrumented: Make, client: openai.OpenAI) -> None:
    made = instrumented(0.0, capture=ContentCapture.SPAN_ONLY)
    _plain(client)
    assert _words(made) == [(False, True)]
