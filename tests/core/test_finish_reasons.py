"""Why a model stopped: the same word on the span and in the message, the provider's own beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from otel_llm import ContentCapture, Settings
from otel_llm.content.messages import text
from otel_llm.core import finish_reasons, nesting
from otel_llm.core.request import Request, Response
from otel_llm.core.telemetry import Telemetry

REASONS, GIVEN = "gen_ai.response.finish_reasons", "otel_llm.response.finish_reasons"

ABOUT = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "test", "gen_ai.request.model": "m"}


@pytest.fixture
def ended(lenient: Any) -> Callable[..., dict[str, Any]]:
    """The attributes of a call that was answered with these finish reasons, each in a message too."""

    def ended(reasons: list[str | None], outcome: str | None = None, **answer: Any) -> dict[str, Any]:
        telemetry = Telemetry(
            "otel_llm.test",
            Settings(capture_content=ContentCapture.SPAN_ONLY),
            lenient.tracer_provider,
            lenient.meter_provider,
            lenient.logger_provider,
        )
        call = nesting.start(telemetry, Request("chat", "m", dict(ABOUT)))
        messages = [{"role": "assistant", "parts": [text("x")], "finish_reason": reason} for reason in reasons]
        call.finish(Response(finish_reasons=reasons, output=lambda: messages, **answer), outcome)
        return dict(lenient.span.attributes)

    return ended


def in_messages(attributes: dict[str, Any]) -> list[str]:
    return [message["finish_reason"] for message in json.loads(attributes["gen_ai.output.messages"])]


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ("end_turn", "stop"),
        ("STOP", "stop"),
        ("eos_token", "stop"),
        ("MAX_TOKENS", "length"),
        ("context_exceeded", "length"),
        ("tool_calls", "tool_call"),
        ("tool_use", "tool_call"),
        ("function_call", "tool_call"),
        ("SAFETY", "content_filter"),
        ("guardrail_intervened", "content_filter"),
    ],
)
def test_the_conventions_word_and_the_providers_beside_it(ended: Any, given: str, word: str) -> None:
    attributes = ended([given])
    assert attributes[REASONS] == (word,)
    assert attributes[GIVEN] == (given,)
    assert in_messages(attributes) == [word]


@pytest.mark.parametrize("given", ["stop", "length", "tool_call", "content_filter", "refusal", "pause_turn", "Odd"])
def test_a_word_that_stays_is_recorded_once(ended: Any, given: str) -> None:
    attributes = ended([given])
    assert attributes[REASONS] == (given,)
    assert GIVEN not in attributes
    assert in_messages(attributes) == [given]


def test_several_choices_keep_their_order(ended: Any) -> None:
    attributes = ended(["stop", "tool_calls", None])
    assert attributes[REASONS] == ("stop", "tool_call")
    assert attributes[GIVEN] == ("stop", "tool_calls")
    assert in_messages(attributes) == ["stop", "tool_call", "unknown"]


@pytest.mark.parametrize("outcome", [None, "closed"])
def test_a_reason_that_is_missing_is_no_error(ended: Any, outcome: str | None) -> None:
    attributes = ended([None], outcome)
    assert REASONS not in attributes
    assert in_messages(attributes) == ["unknown"]


def test_a_reason_that_is_missing_of_a_failure(ended: Any) -> None:
    attributes = ended(["tool_calls", None], error="overloaded")
    assert attributes[REASONS] == ("tool_call", "error")
    assert attributes[GIVEN] == ("tool_calls", "error")
    assert in_messages(attributes) == ["tool_call", "error"]


def test_a_layer_that_has_words_of_its_own(ended: Any) -> None:
    attributes = ended(["refusal"], provider_reasons=["SAFETY"])
    assert attributes[REASONS] == ("refusal",)
    assert attributes[GIVEN] == ("SAFETY",)


def test_each_word_of_the_conventions_stands_for_itself() -> None:
    words = ["stop", "length", "content_filter", "tool_call", "compaction", "error"]
    assert [finish_reasons.normalized(word) for word in words] == words
