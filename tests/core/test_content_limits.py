"""How much content a call records, in one attribute and in all, and how it tells what it has cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from otel_llm import ContentCapture, Settings
from otel_llm.content.encoding import dumps
from otel_llm.content.messages import text
from otel_llm.core import nesting
from otel_llm.core.errors import event_attributes
from otel_llm.core.listeners import SHARED
from otel_llm.core.request import Request, Response
from otel_llm.core.telemetry import Telemetry

TRUNCATED = "otel_llm.content.truncated"


@pytest.fixture
def begin(lenient: Any) -> Callable[..., Any]:
    """Start a call with these settings."""

    def begin(**settings: Any) -> Any:
        providers = lenient.tracer_provider, lenient.meter_provider, lenient.logger_provider
        telemetry = Telemetry("otel_llm.test", Settings(**settings), *providers, SHARED)
        named = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "test", "gen_ai.request.model": "m"}
        return nesting.start(telemetry, Request("chat", "m", named))

    return begin


def answer(words: str = "It is Paris.") -> Response:
    message = {"role": "assistant", "parts": [text(words)], "finish_reason": "stop"}
    return Response("r-1", "m-1", ["stop"], output=lambda: [message])


@pytest.mark.parametrize("capture", [ContentCapture.SPAN_ONLY, ContentCapture.EVENT_ONLY])
def test_content_that_was_shortened(recorder: Any, begin: Any, capture: Any) -> None:
    call = begin(capture_content=capture, content_max_bytes=256)
    call.record_content(lambda: {"otel_llm.step.input": "a" * 1000, "otel_llm.step.output": "b"})
    call.finish(answer())
    shortened = ("otel_llm.step.input",) if capture is ContentCapture.SPAN_ONLY else None
    assert recorder.attributes.get(TRUNCATED) == shortened


def test_content_that_fits(recorder: Any, begin: Any) -> None:
    begin(capture_content=ContentCapture.SPAN_ONLY).finish(answer())
    assert TRUNCATED not in recorder.attributes


def test_every_attribute_that_was_shortened_is_named(recorder: Any, begin: Any) -> None:
    call = begin(capture_content=ContentCapture.SPAN_ONLY, content_max_bytes=256)
    for name in ("otel_llm.step.input", "otel_llm.step.output", "otel_llm.step.input"):
        call.record_content(lambda name=name: {name: "a" * 1000})
    call.finish(answer())
    assert recorder.attributes[TRUNCATED] == ("otel_llm.step.input", "otel_llm.step.output")


@pytest.mark.parametrize("capture", [ContentCapture.SPAN_ONLY, ContentCapture.EVENT_ONLY])
@pytest.mark.parametrize("letter", ["a", "ü"])
def test_all_content_of_a_span_together_is_limited(recorder: Any, begin: Any, capture: Any, letter: str) -> None:
    names = ["otel_llm.step.input", "otel_llm.step.output", *(f"gen_ai.prompt.variable.v{n}" for n in range(30))]
    recorder.missing |= set(names)
    call = begin(capture_content=capture, content_max_bytes=1000, span_content_max_bytes=4500)
    call.record_content(lambda: {names[0]: letter * 100})
    call.record_content(lambda: dict.fromkeys(names, letter * 2000))
    call.finish(answer(letter * 2000))
    names.append("gen_ai.output.messages")
    attributes = recorder.attributes if capture is ContentCapture.SPAN_ONLY else recorder.logs[0].attributes
    sizes = [
        len((value if isinstance(value := attributes[name], str) else dumps(value)).encode())
        for name in names
        if name in attributes
    ]
    assert 4500 - 2 * 256 < sum(sizes) <= 4500
    assert letter * 300 in str(attributes[names[-1]]), "there is room for the answer, which comes last"
    assert max(sizes) <= 1000
    assert attributes[names[0]].startswith(letter * 400), "what is recorded again counts once"
    if capture is ContentCapture.SPAN_ONLY:
        assert attributes[TRUNCATED] == tuple(names), "what was left out is named too"


def test_an_error_with_a_long_text_makes_no_long_stack_trace() -> None:
    told = event_attributes(ValueError("x" * 1_000_000), with_message=True)
    assert told["exception.stacktrace"].endswith("x" * 1000)
    assert sum(map(len, told.values())) < 10_000
