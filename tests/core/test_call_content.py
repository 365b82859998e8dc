"""Where the content of a call goes, and what listeners are told of it."""

from __future__ import annotations

from time import time_ns
from typing import Any

import pytest
from one_call import ANSWER, PROMPT, answer
from opentelemetry import trace
from opentelemetry._logs import SeverityNumber

from otel_llm import ContentCapture
from otel_llm.core.listeners import EndedCall, Listeners


@pytest.mark.parametrize(
    ("capture", "on_span", "on_event"),
    [
        (ContentCapture.NO_CONTENT, False, False),
        (ContentCapture.SPAN_ONLY, True, False),
        (ContentCapture.EVENT_ONLY, False, True),
        (ContentCapture.SPAN_AND_EVENT, True, True),
    ],
)
def test_where_content_goes(recorder: Any, begin: Any, capture: Any, on_span: bool, on_event: bool) -> None:
    before = time_ns()
    call = begin(capture_content=capture, emit_event=True)
    call.record_content(lambda: {"otel_llm.step.input": "as it is"})
    call.finish(answer(4))
    (event,) = recorder.logs
    for attributes, there in ((recorder.attributes, on_span), (event.attributes, on_event)):
        assert (PROMPT in str(attributes.get("gen_ai.input.messages"))) is there
        assert (ANSWER in str(attributes.get("gen_ai.output.messages"))) is there
        assert (attributes.get("otel_llm.step.input") == "as it is") is there
        assert attributes["gen_ai.response.id"] == "r-1"
    assert event.event_name == "gen_ai.client.inference.operation.details"
    assert event.severity_number is SeverityNumber.DEBUG
    assert before <= event.timestamp <= time_ns()
    assert event.span_id == recorder.span.context.span_id
    assert event.trace_id == recorder.span.context.trace_id
    if on_event:
        assert event.attributes["gen_ai.input.messages"][0]["parts"][0]["content"] == PROMPT


def test_content_for_events_that_nobody_takes_is_not_read(recorder: Any, begin: Any) -> None:
    def content() -> Any:
        raise AssertionError

    call = begin(logs=False, capture_content=ContentCapture.EVENT_ONLY)
    call.record_content(content)
    response = answer()
    response.output = content
    call.finish(response)
    assert recorder.logs == []
    assert "gen_ai.input.messages" not in recorder.attributes


# --- listeners -------------------------------------------------------------------------------------


def test_what_a_listener_adds_reaches_span_and_event(recorder: Any, begin: Any) -> None:
    recorder.missing |= {"example.cost", "example.key"}
    listeners = Listeners()
    listeners.add(lambda ended: ended.attributes.update({"example.cost": 0.25, "example.key": "Bearer " + "a" * 40}))
    begin(listeners=listeners, emit_event=True).finish(answer(4))
    (event,) = recorder.logs
    for attributes in (recorder.attributes, event.attributes):
        assert attributes["example.cost"] == 0.25
        assert attributes["example.key"] == "[SECRET]"  # cleaned like all others


def test_a_listener_is_told_of_the_span_and_its_times(recorder: Any, begin: Any) -> None:
    """A prompt log writes its ids, an exporter of its own adds to it: it is not over yet."""
    listeners, heard = Listeners(), []
    listeners.add(lambda ended: heard.append((ended, ended.span.is_recording())))
    call = begin(listeners=listeners)
    call.finish(answer(4))
    ((ended, recording),) = heard
    assert recording
    assert ended.span is call.span
    assert trace.get_current_span(ended.context) is call.span
    assert ended.started_at == recorder.span.start_time
    assert ended.duration == pytest.approx((recorder.span.end_time - recorder.span.start_time) / 1e9)
    assert (ended.response.model, ended.error_type) == ("m-1", None)


def test_content_is_gone_once_the_listeners_have_been_called(recorder: Any, begin: Any) -> None:
    listeners, kept, heard = Listeners(), [], []

    def listen(ended: EndedCall) -> None:
        kept.append(ended)
        heard.append(dict(ended.content))

    listeners.add(listen)
    begin(listeners=listeners, capture_content=ContentCapture.SPAN_ONLY).finish(answer())
    assert PROMPT in str(heard)
    assert ANSWER in str(heard)
    (ended,) = kept
    assert (ended.content, ended.request.content, ended.response.output) == ({}, None, None)
