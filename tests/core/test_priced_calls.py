"""A call is asked for its price when it ends; if the price comes later, the rest of the end waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.trace import StatusCode

from otel_llm import ContentCapture, Settings
from otel_llm import semconv as s
from otel_llm.content.messages import text
from otel_llm.core import nesting
from otel_llm.core.listeners import EndedCall, Listeners
from otel_llm.core.request import Request, Response
from otel_llm.core.telemetry import Telemetry

COST = "example.cost"
DURATION = "gen_ai.client.operation.duration"
DETAILS, EXCEPTION = "gen_ai.client.inference.operation.details", "gen_ai.client.operation.exception"


class Pricer:
    """Prices calls, at once or when the test lets it."""

    def __init__(self, later: bool) -> None:
        self.later = later
        self.rests: list[Callable[[], None]] = []
        self.asked: list[EndedCall] = []

    def holds(self, ended: EndedCall, rest: Callable[[], None], /) -> bool:
        self.asked.append(ended)
        if self.later:
            self.rests.append(rest)
        else:
            ended.attributes[COST] = 0.5
        return self.later

    def flush(self, seconds: float, /) -> bool:
        return True


@pytest.fixture
def listeners(recorder: Any) -> Listeners:
    recorder.missing |= {COST}
    return Listeners()


@pytest.fixture
def begin(lenient: Any, listeners: Listeners) -> Callable[..., Any]:
    """Start a call with these settings."""

    def begin(**settings: Any) -> Any:
        providers = (lenient.tracer_provider, lenient.meter_provider, lenient.logger_provider)
        telemetry = Telemetry("otel_llm.test", Settings(**settings), *providers, listeners)
        named = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "test", "gen_ai.request.model": "m"}
        return nesting.start(telemetry, Request("chat", "m", named))

    return begin


def test_a_price_that_is_known_is_there_for_listeners_span_and_event(
    recorder: Any, begin: Any, listeners: Listeners
) -> None:
    heard: list[Any] = []
    listeners.pricer = pricer = Pricer(later=False)
    listeners.add(lambda ended: heard.append(ended.attributes[COST]))
    begin(emit_event=True).finish(Response("r-1"))
    (asked,) = pricer.asked
    assert asked.response.id == "r-1"
    assert heard == [0.5]
    assert recorder.attributes[COST] == recorder.logs[0].attributes[COST] == 0.5


def test_a_call_that_nobody_else_hears_of_is_priced(recorder: Any, listeners: Listeners) -> None:
    """No metrics, no listeners: its price is still on its span."""
    listeners.pricer = Pricer(later=False)
    telemetry = Telemetry("otel_llm.test", Settings(), recorder.tracer_provider, listeners=listeners)
    recorder.foreign.add("otel_llm.test")
    nesting.start(telemetry, Request("chat", "m", {"gen_ai.operation.name": "chat"})).finish()
    assert recorder.attributes[COST] == 0.5


def test_what_is_said_in_a_call_is_told_to_who_completes_it(recorder: Any, begin: Any, listeners: Listeners) -> None:
    """An estimator counts the tokens of the answer, if its content is captured."""
    told: list[Any] = []

    class Estimator(Pricer):
        def holds(self, ended: EndedCall, rest: Callable[[], None], /) -> bool:
            told.append(dict(ended.content))
            return super().holds(ended, rest)

    listeners.pricer = Estimator(later=False)
    said = [{"role": "assistant", "parts": [text("It is Paris.")], "finish_reason": "stop"}]
    begin(capture_content=ContentCapture.SPAN_ONLY).finish(Response(output=lambda: said))
    assert "It is Paris." in str(told)


def test_why_a_call_has_no_price_is_on_its_span(recorder: Any, begin: Any, listeners: Listeners) -> None:
    class Unsure(Pricer):
        def holds(self, ended: EndedCall, rest: Callable[[], None], /) -> bool:
            ended.unpriced = "model"
            return False

    begin().finish(Response("r-1"))
    assert s.LLM_UNPRICED_REASON not in recorder.attributes
    listeners.pricer = Unsure(later=False)
    begin().finish(Response("r-2"))
    assert recorder.spans[1].attributes[s.LLM_UNPRICED_REASON] == "model"


def test_what_waits_for_its_price_ends_when_it_has_it(recorder: Any, begin: Any, listeners: Listeners) -> None:
    heard: list[Any] = []
    listeners.pricer = pricer = Pricer(later=True)
    listeners.add(lambda ended: heard.append(ended.attributes.get(COST)))
    call = begin(emit_event=True)
    call.finish(Response("r-1"))
    assert (call.ended, heard, recorder.spans, recorder.logs) == (True, [], [], [])
    assert recorder.points(DURATION) == []
    (ended,), (rest,) = pricer.asked, pricer.rests
    ended.attributes[COST] = 0.25
    rest()
    assert heard == [0.25]
    assert (recorder.attributes[COST], recorder.attributes["gen_ai.response.id"]) == (0.25, "r-1")
    (event,) = recorder.logs
    assert (event.event_name, event.attributes[COST]) == (DETAILS, 0.25)
    assert event.span_id == recorder.span.context.span_id
    span = recorder.span
    assert span.end_time - span.start_time == pytest.approx(ended.duration * 1e9, abs=1)  # not of the waiting
    (point,) = recorder.points(DURATION)
    assert point.sum == ended.duration


def test_an_error_that_waits_for_the_price_keeps_its_text(recorder: Any, begin: Any, listeners: Listeners) -> None:
    listeners.pricer = pricer = Pricer(later=True)
    begin(capture_content=ContentCapture.SPAN_ONLY).fail(ValueError("out of words"))
    assert recorder.spans == []
    pricer.rests[0]()
    assert recorder.span.status.status_code is StatusCode.ERROR
    assert recorder.span.status.description == "out of words"
    assert [event.event_name for event in recorder.logs] == [EXCEPTION]


def test_a_rest_that_fails_ends_the_span(
    recorder: Any, begin: Any, listeners: Listeners, quiet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    listeners.pricer = pricer = Pricer(later=True)
    call = begin()
    call.finish()
    listeners.add(lambda ended: None)
    monkeypatch.setattr(Listeners, "notify", lambda *args: 1 / 0)
    pricer.rests[0]()
    assert recorder.span.end_time - recorder.span.start_time == pytest.approx(pricer.asked[0].duration * 1e9, abs=1)
    (record,) = quiet.records
    assert record.getMessage().startswith("otel-llm failed in the end of a call (ZeroDivisionError)")
    quiet.clear()


def test_a_pricer_that_fails_keeps_no_call_open(recorder: Any, begin: Any, listeners: Listeners, quiet: Any) -> None:
    class Failing(Pricer):
        def holds(self, ended: EndedCall, rest: Callable[[], None], /) -> bool:
            raise LookupError

    listeners.pricer = Failing(later=False)
    begin().finish()
    assert recorder.span
    (record,) = quiet.records
    assert record.getMessage().startswith("otel-llm failed in the price of a call (LookupError)")
    quiet.clear()
