"""What an inner layer of a call gives the call around it, and when it lets go of it."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import context as otel_context

from otel_llm import ContentCapture, Settings
from otel_llm.content.messages import Content, text
from otel_llm.core import nesting
from otel_llm.core.execution import run
from otel_llm.core.listeners import Listeners
from otel_llm.core.request import Request, Response
from otel_llm.core.scopes import SCOPES
from otel_llm.core.telemetry import Telemetry

NAMED = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "test", "gen_ai.request.model": "m"}
USAGE = {"gen_ai.usage.input_tokens": 3}


@pytest.fixture
def telemetry(lenient: Any) -> Telemetry:
    settings = Settings(capture_content=ContentCapture.SPAN_ONLY)
    return Telemetry("otel_llm.test", settings, lenient.tracer_provider, lenient.meter_provider)


@pytest.fixture
def outer(telemetry: Telemetry) -> nesting.LayeredCall:
    return nesting.start_outer(telemetry, Request("chat", "m", dict(NAMED)))


def below(outer: nesting.LayeredCall, telemetry: Telemetry, **fields: Any) -> Any:
    """Start a layer below ``outer``."""
    return nesting.start(telemetry, Request("chat", "m", dict(NAMED), **fields), nesting.enclose(outer, outer.context))


def test_what_only_the_inner_layer_is_asked_is_on_the_span(recorder: Any, telemetry: Any, outer: Any) -> None:
    asked = Content(messages=[{"role": "user", "parts": [text("Capital of France?")]}])
    below(outer, telemetry, content=lambda: asked).finish()
    outer.finish()
    assert "Capital of France?" in recorder.attributes["gen_ai.input.messages"]


def test_an_inner_layer_runs_where_it_was_started(recorder: Any, telemetry: Any, outer: Any) -> None:
    """The SDK below sees what the application has put into the context: baggage, suppressed instrumentation."""
    token = otel_context.attach(otel_context.set_value("of the application", 1))
    inner = below(outer, telemetry)
    seen = run(inner, lambda call, answer: call.finish(), otel_context.get_value, ("of the application",), {})
    otel_context.detach(token)
    outer.finish()
    assert seen == 1


def test_an_inner_layer_that_has_ended_is_no_longer_under_way(telemetry: Any, outer: Any) -> None:
    before = SCOPES.under_way()
    ends = (lambda inner: inner.finish(), lambda inner: inner.fail(ValueError()), lambda inner: inner.abandon())
    for end in ends:
        inner = below(outer, telemetry)
        assert SCOPES.under_way() == before + 1
        end(inner)
        assert SCOPES.under_way() == before
    outer.finish()
    assert SCOPES.under_way() == before - 1


def test_a_child_process_may_end_the_calls_that_its_parent_began(recorder: Any, telemetry: Any, outer: Any) -> None:
    inner, other = below(outer, telemetry), below(outer, telemetry)
    SCOPES.start_afresh()  # as a fork does
    inner.finish(Response(usage=dict(USAGE)))
    other.discard()
    outer.finish()
    assert recorder.attributes["gen_ai.usage.input_tokens"] == 3


def test_a_name_that_the_application_gave_stays_if_nothing_new_is_learnt(
    recorder: Any, telemetry: Any, outer: Any
) -> None:
    recorder.foreign.add("otel_llm.test")  # the check expects our name
    outer.span.update_name("the capital")
    below(outer, telemetry).finish()
    outer.finish()
    assert recorder.span.name == "the capital"


def test_every_choice_that_had_begun_is_told_to_have_failed(recorder: Any, outer: Any) -> None:
    outer.fail(ValueError(), Response(finish_reasons=[None, None]))
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("error", "error")


def test_a_call_without_an_answer_is_still_one_to_its_listeners(lenient: Any) -> None:
    """A prompt log or a price asks each call for what it was answered."""
    heard: list[Any] = []
    listeners = Listeners()
    listeners.add(lambda ended: heard.append(ended.response))
    telemetry = Telemetry("otel_llm.test", Settings(), lenient.tracer_provider, listeners=listeners)
    outer = nesting.start_outer(telemetry, Request("chat", "m", dict(NAMED)))
    below(outer, telemetry).finish()
    outer.finish()
    assert heard == [Response()]


def test_the_providers_own_reasons_stay_if_no_layer_below_has_any() -> None:
    own = Response(finish_reasons=["tool_calls"], provider_reasons=["tool_use"])
    assert nesting.merge(own, [Response(usage=dict(USAGE))]).provider_reasons == ["tool_use"]
    of_layer = Response(finish_reasons=["stop"], provider_reasons=["end_turn"])
    assert nesting.merge(own, [of_layer]).provider_reasons == ["end_turn"]
