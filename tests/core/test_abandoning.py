"""What is still under way when the program ends is ended with what has come, by whoever knows that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from exits import OUTCOME
from opentelemetry.trace import SpanKind

from otel_llm import Settings
from otel_llm.core import nesting
from otel_llm.core.local_call import InProcessCall
from otel_llm.core.request import Request, Response
from otel_llm.core.scopes import SCOPES
from otel_llm.core.streams import Observer
from otel_llm.core.telemetry import Telemetry


@pytest.fixture
def telemetry(lenient: Any) -> Telemetry:
    return Telemetry("otel_llm.test", Settings(), lenient.tracer_provider, lenient.meter_provider)


@pytest.fixture
def begin(telemetry: Telemetry) -> Callable[[], Any]:
    """Start a call of a chat model."""
    named = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "test", "gen_ai.request.model": "m"}
    return lambda: nesting.start(telemetry, Request("chat", "m", dict(named)))


class Chunks:
    """What has come of a stream."""

    model = "m-1"
    add = staticmethod(id)

    @staticmethod
    def response() -> Response:
        return Response("r-1")


def test_a_call_ends_as_abandoned(recorder: Any, begin: Any) -> None:
    call = begin()
    SCOPES.abandon_all()
    assert call.ended
    assert recorder.attributes[OUTCOME] == "abandoned"
    assert SCOPES.under_way() == 0
    SCOPES.abandon_all()
    assert len(recorder.spans) == 1


def test_a_stream_ends_with_what_has_come_of_it(recorder: Any, begin: Any) -> None:
    observer = Observer(begin(), Chunks())
    SCOPES.abandon_all()
    assert (recorder.attributes[OUTCOME], recorder.attributes["gen_ai.response.id"]) == ("abandoned", "r-1")
    del observer  # which ends nothing any more
    assert len(recorder.spans) == 1


def test_a_call_whose_owner_is_gone_ends_by_itself(recorder: Any, begin: Any) -> None:
    class Owner:
        def abandon(self) -> None:
            raise AssertionError

    call, owner = begin(), Owner()
    call.owned_by(owner)
    del owner  # it is held weakly
    SCOPES.abandon_all()
    assert recorder.attributes[OUTCOME] == "abandoned"


def test_an_agent_ends_with_the_tokens_of_its_inferences(recorder: Any, telemetry: Telemetry) -> None:
    named = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "writer"}
    agent = InProcessCall.begin(telemetry, Request("invoke_agent", "writer", named, kind=SpanKind.INTERNAL))
    agent.count("chat", Response(usage={"gen_ai.usage.input_tokens": 3}))
    SCOPES.abandon_all()
    assert (recorder.attributes[OUTCOME], recorder.attributes["gen_ai.usage.input_tokens"]) == ("abandoned", 3)


def test_an_owner_that_fails_keeps_no_other_call_open(recorder: Any, begin: Any, quiet: Any) -> None:
    class Owner:
        def abandon(self) -> None:
            raise LookupError

    other, call, owner = begin(), begin(), Owner()
    call.owned_by(owner)
    SCOPES.abandon_all()
    assert other.ended
    assert "LookupError" in quiet.text
    quiet.clear()
