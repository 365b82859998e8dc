"""A call by itself: what is recorded of it, where, and how often."""

from __future__ import annotations

from time import perf_counter_ns, sleep, time_ns
from typing import Any

import pytest
from exits import Interrupt
from one_call import PROMPT, answer
from opentelemetry import baggage, trace
from opentelemetry import context as otel_context
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

import otel_llm
from otel_llm import ContentCapture, Settings
from otel_llm.content.messages import Content, text
from otel_llm.core import nesting
from otel_llm.core.call import Call
from otel_llm.core.listeners import Listeners
from otel_llm.core.request import Request, Response
from otel_llm.core.telemetry import Telemetry
from otel_llm.prompts import PromptUse, Template
from otel_llm.propagation import state

SPEED = "otel_llm.response.output_tokens_per_second"
PER_TOKEN = "otel_llm.response.time_per_output_token"


# --- times -----------------------------------------------------------------------------------------


def test_the_span_and_the_metric_last_equally_long(recorder: Any, begin: Any) -> None:
    before = time_ns()
    call = begin()
    assert before <= call.span.start_time <= time_ns()
    sleep(0.02)
    call.finish(answer())
    duration = recorder.span.end_time - recorder.span.start_time
    assert duration >= 20_000_000
    (point,) = recorder.points("gen_ai.client.operation.duration")
    assert point.sum == pytest.approx(duration / 1e9, abs=1e-6)


def test_a_call_that_is_told_later_to_have_ended(recorder: Any, begin: Any) -> None:
    before = perf_counter_ns()
    call = begin()
    call.stop_clock()
    took = perf_counter_ns() - before
    sleep(0.01)
    call.finish(answer())
    assert recorder.span.end_time - recorder.span.start_time <= took


def test_the_first_chunk(recorder: Any, begin: Any) -> None:
    call = begin()
    call.chunk(call.started_ns + 2_000_000_000)
    call.chunk(call.started_ns + 3_000_000_000)
    call.finish(answer())
    assert recorder.attributes["gen_ai.response.time_to_first_chunk"] == 2.0
    (point,) = recorder.points("gen_ai.client.operation.time_to_first_chunk")
    assert point.sum == recorder.attributes["gen_ai.response.time_to_first_chunk"]
    assert SPEED not in recorder.attributes  # tokens are unknown


@pytest.mark.parametrize(("tokens", "per_token"), [(1, None), (2, 3.0), (4, 1.0)])
def test_speeds(recorder: Any, begin: Any, tokens: int, per_token: float | None) -> None:
    call = begin()
    now = perf_counter_ns()
    for seconds in (0, 1, 3):
        call.chunk(now + seconds * 1_000_000_000)
    sleep(0.01)
    call.finish(answer(tokens))
    assert recorder.attributes.get(PER_TOKEN) == per_token
    duration = (recorder.span.end_time - recorder.span.start_time) / 1e9
    assert recorder.attributes[SPEED] == pytest.approx(tokens / duration)


def test_without_chunks_there_is_no_speed(recorder: Any, begin: Any) -> None:
    begin().finish(answer(4))
    assert not {SPEED, PER_TOKEN, "gen_ai.response.time_to_first_chunk"} & set(recorder.attributes)


def test_what_was_ended_may_be_discarded(recorder: Any, begin: Any) -> None:
    """A body that is read to its end and then turns out to be none of a model."""
    call = begin()
    call.finish(answer())
    call.discard()
    assert recorder.span


def test_a_call_without_a_subject_is_named_by_its_operation(recorder: Any, lenient: Any) -> None:
    recorder.missing |= {"gen_ai.request.model"}
    telemetry = Telemetry("otel_llm.test", Settings(), lenient.tracer_provider)
    Call.begin(
        telemetry, Request("chat", None, {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "test"})
    ).finish()
    assert recorder.span.name == "chat"


def test_a_call_begins_in_the_current_context_unless_told_otherwise(recorder: Any, lenient: Any) -> None:
    telemetry = Telemetry("otel_llm.test", Settings(), lenient.tracer_provider)
    named = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "test", "gen_ai.request.model": "m"}
    with otel_llm.propagate_attributes(session_id="s-1"):
        Call.begin(telemetry, Request("chat", "m", dict(named))).finish()
        Call.begin(telemetry, Request("chat", "m", dict(named)), Context()).finish()
    assert [(span.attributes or {}).get("session.id") for span in recorder.spans] == ["s-1", None]


def test_the_context_inside_of_a_call_is_the_given_one_with_its_span(recorder: Any, lenient: Any) -> None:
    telemetry = Telemetry("otel_llm.test", Settings(), lenient.tracer_provider)
    named = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "test", "gen_ai.request.model": "m"}
    call = Call.begin(telemetry, Request("chat", "m", named), Context({"of the application": 1}))
    assert call.context["of the application"] == 1
    assert trace.get_current_span(call.context) is call.span
    call.finish()


@pytest.mark.parametrize(
    ("operation", "kind", "kept"),
    [
        ("chat", SpanKind.CLIENT, False),
        ("retrieval", SpanKind.CLIENT, True),
        ("invoke_workflow", SpanKind.INTERNAL, True),
    ],
)
def test_a_provider_of_models_does_not_learn_whose_call_it_is(
    recorder: Any, lenient: Any, operation: str, kind: SpanKind, kept: bool
) -> None:
    """The application's own services below may."""
    recorder.foreign.add("otel_llm.test")
    telemetry = Telemetry("otel_llm.test", Settings(), lenient.tracer_provider)
    parent = baggage.set_baggage("otel_llm.session_id", "s-1", Context())
    call = Call.begin(telemetry, Request(operation, "m", {"gen_ai.operation.name": operation}, kind=kind), parent)
    assert ("otel_llm.session_id" in baggage.get_all(call.context)) is kept
    call.finish()


def test_what_is_no_operation_of_the_conventions_has_a_span_and_no_metrics(recorder: Any, lenient: Any) -> None:
    """Fetching a stored answer, for example."""
    recorder.foreign.add("otel_llm.test")  # the check knows operations only
    telemetry = Telemetry("otel_llm.test", Settings(), lenient.tracer_provider, lenient.meter_provider)
    nesting.start(telemetry, Request("fetch", "r-1", {"gen_ai.provider.name": "test"})).finish(answer())
    assert recorder.span.name == "fetch r-1"
    assert recorder.points("gen_ai.client.operation.duration") == []


# --- errors ----------------------------------------------------------------------------------------


class RefusedError(Exception):
    code = "rate_limited"


@pytest.mark.parametrize("capture", [ContentCapture.NO_CONTENT, ContentCapture.SPAN_ONLY])
def test_a_failure(recorder: Any, begin: Any, capture: Any) -> None:
    call = begin(capture_content=capture, emit_event=True)
    call.fail(RefusedError(PROMPT), Response("r-1"))
    attributes = recorder.attributes
    assert attributes["error.type"].endswith("RefusedError")
    assert attributes["otel_llm.error.code"] == "rate_limited"
    assert attributes["gen_ai.response.id"] == "r-1"
    assert attributes["gen_ai.response.finish_reasons"] == ("error",)
    assert recorder.span.status.status_code is trace.StatusCode.ERROR
    told = capture is not ContentCapture.NO_CONTENT
    assert (PROMPT in (recorder.span.status.description or "")) is told
    details, exception = recorder.logs
    assert details.attributes["error.type"] == attributes["error.type"]
    assert exception.event_name == "gen_ai.client.operation.exception"
    assert exception.severity_number is SeverityNumber.WARN
    assert exception.attributes["exception.type"].endswith("RefusedError")
    assert (exception.attributes.get("exception.message") == PROMPT) is told
    assert exception.span_id == recorder.span.context.span_id
    (point,) = recorder.points("gen_ai.client.operation.duration")
    assert point.attributes["error.type"] == attributes["error.type"]


@pytest.mark.parametrize("capture", [ContentCapture.NO_CONTENT, ContentCapture.SPAN_ONLY])
def test_an_error_that_came_as_an_answer(recorder: Any, begin: Any, capture: Any) -> None:
    begin(capture_content=capture).finish(Response(error="server_error"))
    assert recorder.attributes["error.type"] == recorder.attributes["otel_llm.error.code"] == "server_error"
    assert recorder.span.status.status_code is trace.StatusCode.ERROR
    assert recorder.span.status.description is None
    assert recorder.logs == []


def test_an_error_that_came_with_words_as_its_code(recorder: Any, begin: Any) -> None:
    begin().finish(Response(error=PROMPT))
    assert recorder.attributes["error.type"] == "_OTHER"
    assert "otel_llm.error.code" not in recorder.attributes


@pytest.mark.parametrize("capture", [ContentCapture.NO_CONTENT, ContentCapture.SPAN_ONLY])
def test_it_ends_once(recorder: Any, begin: Any, capture: Any) -> None:
    call = begin(capture_content=capture)
    assert not call.ended
    call.fail(Interrupt())
    assert call.ended
    call.finish(answer())
    call.fail(RefusedError())
    assert recorder.attributes["error.type"].endswith("Interrupt")
    assert len(recorder.logs) == 1
    assert len(recorder.points("gen_ai.client.operation.duration")) == 1


def test_an_agent_that_fails_to_count_keeps_no_call_open(recorder: Any, begin: Any, quiet: Any) -> None:
    class Agent:
        request = Request("invoke_agent", "writer", {})

        def count(self, operation: str, response: Response) -> None:
            raise LookupError

    agent = Agent()
    token = otel_context.attach(state.with_agent(agent, otel_context.get_current()))
    call = begin()
    otel_context.detach(token)
    call.finish(answer())
    assert recorder.attributes["gen_ai.response.id"] == "r-1"
    (record,) = quiet.records
    assert record.getMessage().startswith("otel-llm failed in Call._complete (LookupError)")
    quiet.clear()


def test_an_answer_that_can_not_be_recorded_keeps_no_call_open(recorder: Any, begin: Any, quiet: Any) -> None:
    wrong: Any = 3
    begin().finish(Response(usage=wrong))
    assert recorder.span.name == "chat m"
    (record,) = quiet.records
    assert record.getMessage().startswith("otel-llm failed in Call._complete (TypeError)")
    quiet.clear()


# --- where only the answer tells what the call is ----------------------------------------------------


@pytest.mark.parametrize("capture", [ContentCapture.NO_CONTENT, ContentCapture.SPAN_ONLY])
def test_the_operation_is_settled_by_the_answer(recorder: Any, begin: Any, capture: Any) -> None:
    call = begin(capture_content=capture)
    call.settle("text_completion", lambda: Content(instructions=[text("Be brief.")]))
    call.finish(answer())
    assert recorder.span.name == "text_completion m"
    assert recorder.attributes["gen_ai.operation.name"] == "text_completion"
    captured = capture is ContentCapture.SPAN_ONLY
    assert ("gen_ai.system_instructions" in recorder.attributes) is captured
    (point,) = recorder.points("gen_ai.client.operation.duration")
    assert point.attributes["gen_ai.operation.name"] == "text_completion"


def test_what_is_settled_as_an_inference_has_the_prompt_that_applies(recorder: Any, lenient: Any) -> None:
    """Embeddings, as the call began, have none."""
    recorder.missing |= {"gen_ai.request.model"}
    settings = Settings(capture_content=ContentCapture.SPAN_ONLY)
    telemetry = Telemetry("otel_llm.test", settings, lenient.tracer_provider)
    prompt = PromptUse(Template.of("What is the capital of {country}?"), {"country": "France"}, "capital", "3")
    named = {"gen_ai.operation.name": "embeddings", "gen_ai.provider.name": "test"}
    with otel_llm.propagate_attributes(prompt=prompt, conversation_id="c-1"):
        call = Call.begin(telemetry, Request("embeddings", None, named))
    assert "gen_ai.prompt.name" not in call.request.attributes
    call.settle("chat")
    call.finish(answer())
    assert recorder.span.name == "chat"
    assert recorder.attributes["gen_ai.prompt.name"] == "capital"
    assert recorder.attributes["gen_ai.conversation.id"] == "c-1"
    assert recorder.attributes["otel_llm.prompt.template"] == "What is the capital of {country}?"


@pytest.mark.parametrize("earlier", [False, True])
def test_content_that_is_settled_late_is_there_for_listeners(recorder: Any, begin: Any, earlier: bool) -> None:
    """An estimate of tokens reads it."""
    listeners, heard = Listeners(), []
    listeners.add(lambda ended: heard.append(ended.request.content))
    call = begin(listeners=listeners)
    known = call.request.content
    if not earlier:
        call.request.content = None
    call.settle("chat", late := lambda: Content())
    call.finish(answer())
    assert heard == [known if earlier else late]


def test_after_the_end_nothing_is_settled(recorder: Any, begin: Any) -> None:
    call = begin(capture_content=ContentCapture.SPAN_ONLY)
    call.finish(answer())
    call.settle("text_completion", lambda: Content(instructions=[text("Be brief.")]))
    assert call.request.operation == "chat"


# --- for whom it is --------------------------------------------------------------------------------


def test_a_prompt_of_the_application_is_on_the_call(recorder: Any, begin: Any) -> None:
    prompt = PromptUse(Template.of("What is the capital of {country}?"), {"country": "France"}, "capital", "3")
    with otel_llm.propagate_attributes(prompt=prompt):
        begin(capture_content=ContentCapture.SPAN_ONLY).finish(answer())
    assert recorder.attributes["gen_ai.prompt.name"] == "capital"
    assert recorder.attributes["gen_ai.prompt.version"] == "3"
    assert recorder.attributes["otel_llm.prompt.template"] == "What is the capital of {country}?"
