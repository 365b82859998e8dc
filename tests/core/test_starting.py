"""What is added to a model call before its span starts, and how its errors are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from otel_llm import ContentCapture, Settings
from otel_llm.core import nesting
from otel_llm.core.errors import Facts, described
from otel_llm.core.listeners import Listeners
from otel_llm.core.request import Request, Response
from otel_llm.core.telemetry import Telemetry
from otel_llm.prompts import PromptUse, Template

USE = PromptUse(Template.of("Capital of {country}?"), {"country": "France"}, "capital", "2")
NAMED = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "test", "gen_ai.request.model": "m"}


class RefusedError(Exception):
    code = "refused"
    status_code = 429


def ask(**fields: Any) -> Request:
    return Request("chat", "m", dict(NAMED), **fields)


@pytest.fixture
def telemetry(lenient: Any) -> Callable[..., Telemetry]:
    settings = Settings(capture_content=ContentCapture.SPAN_ONLY)
    return lambda **more: Telemetry("otel_llm.test", settings, lenient.tracer_provider, lenient.meter_provider, **more)


def test_the_prompt_of_a_request_is_on_its_span(recorder: Any, telemetry: Any) -> None:
    nesting.start(telemetry(), ask(prompt=USE)).finish(Response())
    assert recorder.attributes["gen_ai.prompt.name"] == "capital"
    assert recorder.attributes["otel_llm.prompt.template"] == "Capital of {country}?"
    assert recorder.attributes["gen_ai.prompt.variable.country"] == "France"


def test_who_prepares_a_request_is_called_before_its_span_starts(recorder: Any, telemetry: Any, quiet: Any) -> None:
    listeners, seen = Listeners(), []

    def prepare(request: Request) -> None:
        seen.append(request.texts)
        request.prompt = USE

    def broken(request: Request) -> None:
        raise ValueError

    listeners.before_start(broken)
    listeners.before_start(prepare)
    request = ask(texts=["hi"])
    nesting.start(telemetry(listeners=listeners), request).finish(Response())
    assert seen == [["hi"]]
    assert request.texts is None  # not kept during the call
    assert recorder.attributes["gen_ai.prompt.version"] == "2"
    assert "ValueError" in quiet.text
    quiet.clear()


def test_below_a_call_with_a_prompt_none_is_looked_for(recorder: Any, telemetry: Any) -> None:
    listeners, seen = Listeners(), []
    listeners.before_start(seen.append)
    outer = nesting.start_outer(telemetry(listeners=listeners), ask(prompt=USE))
    nesting.start(telemetry(listeners=listeners), ask(), nesting.enclose(outer, outer.context)).finish(Response())
    outer.finish()
    assert len(seen) == 1
    assert recorder.span


def test_an_inner_layer_adds_its_prompt(recorder: Any, telemetry: Any) -> None:
    outer = nesting.start_outer(telemetry(), ask())
    nesting.start(telemetry(), ask(prompt=USE), nesting.enclose(outer, outer.context)).finish(Response())
    outer.finish()
    assert recorder.attributes["gen_ai.prompt.name"] == "capital"
    assert recorder.attributes["otel_llm.prompt.template"] == "Capital of {country}?"


def test_without_a_reader_an_error_is_read_as_any() -> None:
    about = described(RefusedError(), ())
    assert about == {
        "error.type": f"{__name__}.RefusedError",
        "otel_llm.error.code": "refused",
        "otel_llm.error.status_code": 429,
    }


def test_readers_add_what_they_know_and_may_fail(quiet: Any) -> None:
    def broken(error: BaseException) -> Facts:
        raise ValueError

    readers = (broken, lambda error: None, lambda error: Facts("Throttled", {"otel_llm.error.status_code": 503}))
    about = described(RefusedError(), readers)
    assert (about["error.type"], about["otel_llm.error.status_code"]) == ("Throttled", 503)
    assert about["otel_llm.error.code"] == "refused"
    quiet.clear()


def test_only_the_readers_of_the_telemetry_are_asked(recorder: Any, telemetry: Any) -> None:
    def read(error: BaseException) -> Facts:
        return Facts("Throttled")

    nesting.start(telemetry(error_readers=(read,)), ask()).fail(RefusedError())
    assert recorder.attributes["error.type"] == "Throttled"


def test_an_inner_layer_knows_how_many_choices_were_asked_for(recorder: Any, telemetry: Any) -> None:
    outer = nesting.start_outer(telemetry(), ask())
    nesting.start(telemetry(), ask(choices=2), nesting.enclose(outer, outer.context))
    outer.fail(RefusedError())
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("error", "error")
