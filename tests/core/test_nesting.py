"""One model call through several layers is one span and counts once; the innermost layer knows best."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from layered import answer, ask
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from otel_llm import ContentCapture, Settings
from otel_llm.core import nesting
from otel_llm.core.local_call import InProcessCall
from otel_llm.core.request import Request, Response
from otel_llm.core.streams import ChunkIterator, Observer
from otel_llm.core.telemetry import Telemetry

DURATION = "gen_ai.client.operation.duration"
TOKENS = "gen_ai.client.token.usage"


@pytest.fixture
def telemetry(lenient: Any) -> Telemetry:
    settings = Settings(capture_content=ContentCapture.SPAN_ONLY)
    return Telemetry("otel_llm.test", settings, lenient.tracer_provider, lenient.meter_provider)


@pytest.fixture
def parent(lenient: Any) -> Context:
    """A context that is not the current one."""
    return trace.set_span_in_context(lenient.tracer_provider.get_tracer("test").start_span("parent"), Context())


@pytest.mark.parametrize("start", [nesting.start, nesting.start_outer])
def test_a_call_begins_where_it_is_told_to(recorder: Any, telemetry: Telemetry, parent: Context, start: Any) -> None:
    start(telemetry, ask(), parent).finish(answer())
    span = trace.get_current_span(parent).get_span_context()
    assert recorder.span.parent.span_id == span.span_id
    assert recorder.span.context.trace_id == span.trace_id


@pytest.mark.parametrize("start", [nesting.start, nesting.start_outer])
@pytest.mark.parametrize("current", [False, True])
def test_a_layer_has_no_span_of_its_own(recorder: Any, telemetry: Telemetry, start: Any, current: bool) -> None:
    outer = nesting.start_outer(telemetry, ask())
    inside = nesting.enclose(outer, outer.context)
    token = otel_context.attach(inside) if current else None
    inner = start(telemetry, ask(model="deployed"), None if current else inside)
    assert outer.joined
    assert inner.span is outer.span
    inner.finish(answer())
    inner.finish(answer())
    assert recorder.spans == []
    if token is not None:
        otel_context.detach(token)
    outer.finish(Response(finish_reasons=[None]))
    assert recorder.span.name == "chat deployed"
    assert recorder.attributes["gen_ai.request.model"] == "deployed"
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert [point.count for point in recorder.points(DURATION)] == [1]
    assert sorted(point.sum for point in recorder.points(TOKENS)) == [3, 4]


def test_the_current_context_does_not_matter_if_one_is_given(telemetry: Telemetry, recorder: Any) -> None:
    outer = nesting.start_outer(telemetry, ask())
    token = otel_context.attach(nesting.enclose(outer, outer.context))
    for start in (nesting.start, nesting.start_outer):
        start(telemetry, ask(), Context()).finish(answer())
    otel_context.detach(token)
    assert len(recorder.spans) == 2
    outer.finish(answer())


@pytest.mark.parametrize(
    ("outer", "inner", "one"),
    [
        ("chat", "text_completion", True),
        ("text_completion", "chat", True),
        ("embeddings", "embeddings", True),
        ("chat", "embeddings", False),
        ("embeddings", "chat", False),
        ("embeddings", "text_completion", False),
    ],
)
def test_which_operations_are_layers_of_one_another(
    recorder: Any, telemetry: Telemetry, outer: str, inner: str, one: bool
) -> None:
    around = nesting.start_outer(telemetry, ask(outer))
    nesting.start(telemetry, ask(inner), nesting.enclose(around, around.context)).finish()
    around.finish()
    assert len(recorder.spans) == (1 if one else 2)
    assert recorder.spans[-1].attributes["gen_ai.operation.name"] == outer


def test_what_encloses(telemetry: Telemetry, recorder: Any) -> None:
    assert nesting.enclosing() is None
    call = nesting.start_outer(telemetry, ask())
    inside = nesting.enclose(call, call.context, {"other": 1})
    assert inside["other"] == 1
    assert trace.get_current_span(inside) is call.span
    assert nesting.enclosing(inside) is call
    assert nesting.enclosing(call.context) is None
    assert nesting.enclosing(nesting.enclose(None, inside)) is None
    token = otel_context.attach(inside)
    assert nesting.enclosing() is call
    assert nesting.enclosing(Context()) is None
    otel_context.detach(token)
    call.finish(answer())
    assert nesting.enclosing(inside) is None  # it is over
    other = nesting.start_outer(telemetry, ask())
    inside = nesting.enclose(other, Context())
    other.discard()
    del other
    gc.collect()
    assert nesting.enclosing(inside) is None  # the context does not keep it


def test_a_layer_that_comes_late_has_a_span_of_its_own(recorder: Any, telemetry: Telemetry) -> None:
    outer = nesting.start_outer(telemetry, ask())
    inside = nesting.enclose(outer, outer.context)
    outer.finish(answer())
    nesting.start(telemetry, ask(), inside).finish(answer())
    assert len(recorder.spans) == 2


def test_layers_of_layers(recorder: Any, telemetry: Telemetry) -> None:
    outer = nesting.start_outer(telemetry, ask())
    middle = nesting.start_outer(telemetry, ask(model="a"), nesting.enclose(outer, outer.context))
    inner = nesting.start(
        telemetry, ask(model="b", **{"server.address": "host"}), nesting.enclose(middle, outer.context)
    )
    assert inner.span is outer.span
    assert middle.joined
    inner.finish(answer(id="inner"))
    assert middle.answered
    middle.finish(Response(id="middle"))
    outer.finish(Response())
    assert middle.answer.id == outer.answer.id == "inner"
    attributes = recorder.attributes
    assert (attributes["gen_ai.request.model"], attributes["server.address"]) == ("b", "host")
    assert recorder.span.name == "chat b"


def test_a_layer_does_not_change_the_operation(recorder: Any, telemetry: Telemetry) -> None:
    outer = nesting.start_outer(telemetry, ask("chat"))
    nesting.start(telemetry, ask("text_completion"), nesting.enclose(outer, outer.context)).finish(answer())
    outer.finish()
    assert recorder.span.name == "chat m"
    assert recorder.attributes["gen_ai.operation.name"] == "chat"


def test_what_is_learnt_twice_is_set_once(recorder: Any, telemetry: Telemetry) -> None:
    call = nesting.start_outer(telemetry, ask())
    call.know({"gen_ai.request.model": "m", "server.address": "host"})
    call.know({"server.address": "other"})
    call.finish(answer())
    assert recorder.span.name == "chat m"
    assert recorder.attributes["server.address"] == "other"


def test_chunks_are_the_enclosing_calls(recorder: Any, telemetry: Telemetry) -> None:
    outer = nesting.start_outer(telemetry, ask(**{"gen_ai.request.stream": True}))
    inner = nesting.start(telemetry, ask(), nesting.enclose(outer, outer.context))

    class Chunks:
        model = "m-1"
        add = staticmethod(id)
        response = staticmethod(answer)

    assert list(ChunkIterator(iter("abc"), Observer(inner, Chunks()))) == ["a", "b", "c"]
    inner.stop_clock()
    outer.finish()
    assert recorder.attributes["gen_ai.response.time_to_first_chunk"] > 0
    (point,) = recorder.points("gen_ai.client.operation.time_per_output_chunk")
    assert (point.count, point.attributes["gen_ai.response.model"]) == (2, "m-1")


class RefusedError(Exception):
    code = "rate_limited"
    status_code = 429


class WrappingError(Exception):
    """The outer layer's own."""


def test_what_the_provider_said_of_an_error_stays(recorder: Any, telemetry: Telemetry) -> None:
    outer = nesting.start_outer(telemetry, ask())
    inner = nesting.start(telemetry, ask(), nesting.enclose(outer, outer.context))
    inner.fail(RefusedError())
    assert recorder.spans == []
    outer.fail(WrappingError())
    attributes = recorder.attributes
    assert attributes["error.type"].endswith("WrappingError")
    assert attributes["otel_llm.error.code"] == "rate_limited"
    assert attributes["otel_llm.error.status_code"] == 429


def test_the_code_of_an_error_that_was_answered_below(recorder: Any, telemetry: Telemetry) -> None:
    outer = nesting.start_outer(telemetry, ask())
    nesting.start(telemetry, ask(), nesting.enclose(outer, outer.context)).finish(Response(error="overloaded"))
    outer.fail(ValueError("no choices"))
    assert recorder.attributes["otel_llm.error.code"] == "overloaded"


def test_an_error_that_was_overcome_is_not_told(recorder: Any, telemetry: Telemetry) -> None:
    outer = nesting.start_outer(telemetry, ask())
    inside = nesting.enclose(outer, outer.context)
    nesting.start(telemetry, ask(), inside).fail(RefusedError())
    nesting.start(telemetry, ask(), inside).finish(answer())
    outer.finish()
    assert not {"error.type", "otel_llm.error.code", "otel_llm.error.status_code"} & set(recorder.attributes)
    assert recorder.attributes["gen_ai.usage.input_tokens"] == 3


def test_an_error_below_is_not_told_if_the_layer_above_has_an_answer(recorder: Any, telemetry: Telemetry) -> None:
    outer = nesting.start_outer(telemetry, ask())
    nesting.start(telemetry, ask(), nesting.enclose(outer, outer.context)).fail(RefusedError())
    outer.finish(answer())
    assert not {"error.type", "otel_llm.error.code", "otel_llm.error.status_code"} & set(recorder.attributes)


def test_what_the_provider_said_stays_if_the_layer_above_answers_with_an_error(
    recorder: Any, telemetry: Telemetry
) -> None:
    outer = nesting.start_outer(telemetry, ask())
    nesting.start(telemetry, ask(), nesting.enclose(outer, outer.context)).fail(RefusedError())
    outer.finish(Response(error="overloaded"))
    assert recorder.attributes["otel_llm.error.status_code"] == 429
    assert recorder.attributes["otel_llm.error.code"] == "overloaded"


def test_what_came_below_before_an_error_is_on_the_span(recorder: Any, telemetry: Telemetry) -> None:
    """A stream that breaks after an event with the provider's error."""
    outer = nesting.start_outer(telemetry, ask())
    inner = nesting.start(telemetry, ask(), nesting.enclose(outer, outer.context))
    inner.fail(ConnectionError(), Response(id="r-1", usage={"gen_ai.usage.input_tokens": 3}, error="overloaded"))
    outer.fail(WrappingError())
    attributes = recorder.attributes
    assert (attributes["gen_ai.response.id"], attributes["gen_ai.usage.input_tokens"]) == ("r-1", 3)
    assert attributes["otel_llm.error.code"] == "overloaded"


def test_an_answer_from_a_cache_counts_nowhere(recorder: Any, telemetry: Telemetry) -> None:
    call = nesting.start_outer(telemetry, ask())
    assert call.cached is False
    call.answered_from_cache("otel_llm.langchain.cache_hit")
    call.finish(answer())
    assert recorder.attributes["otel_llm.langchain.cache_hit"] is True
    assert recorder.points(DURATION) == recorder.points(TOKENS) == []


@pytest.mark.parametrize("cached", [False, True])
def test_an_agent_does_not_count_what_a_cache_answered(telemetry: Telemetry, parent: Context, cached: bool) -> None:
    name = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "writer"}
    agent = InProcessCall.begin(telemetry, Request("invoke_agent", "writer", name, kind=SpanKind.INTERNAL), parent)
    call = nesting.start_outer(telemetry, ask(), agent.context)
    if cached:
        call.answered_from_cache("otel_llm.langchain.cache_hit")
    call.finish(answer())
    assert agent.inference_calls == (not cached)
    assert agent.totals().usage == ({} if cached else answer().usage)
    agent.finish()


def test_a_call_that_ended_stays_as_it_ended(recorder: Any, telemetry: Telemetry) -> None:
    call = nesting.start_outer(telemetry, ask())
    assert call.answer == Response()
    assert (call.joined, call.answered) == (False, False)
    call.finish(answer())
    call.fail(RefusedError())
    call.finish(answer(id="r-2"))
    assert call.answer.id == "r-1"
    assert "error.type" not in recorder.attributes
