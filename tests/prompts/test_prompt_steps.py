"""The step of the application's own in which a prompt is filled in, or a variant assigned, says so."""

from __future__ import annotations

from typing import Any

import pytest

import otel_llm
from otel_llm import ContentCapture, Experiment, Prompt, Settings


def attributes(recorder: Any, name: str) -> dict[str, Any]:
    (span,) = [span for span in recorder.spans if span.name == name]
    return dict(span.attributes or {})


def test_the_nearest_step_says_the_prompt(recorder: Any, rag: Prompt) -> None:
    with otel_llm.workflow_span("generate"), otel_llm.step_span("format_prompt"):
        rag.format(who="a poet", question="Why?")
    said = attributes(recorder, "format_prompt")
    assert (said["otel_llm.prompt.name"], said["otel_llm.prompt.version"]) == ("rag", "2")
    assert said["otel_llm.prompt.template.hash"] == rag.hash
    assert "poet" not in str(said)
    assert not any(".prompt." in name for name in attributes(recorder, "invoke_workflow generate"))


def test_its_words_by_opt_in(recorder: Any, rag: Prompt) -> None:
    recorder.instrument(Settings(capture_content=ContentCapture.SPAN_ONLY))
    with otel_llm.step_span("format_prompt"):
        rag.format(who="a poet", question="Why?")
    said = attributes(recorder, "format_prompt")
    assert "{question}" in said["otel_llm.prompt.template"]
    assert "a poet" in str(said)


def test_a_decorated_function(recorder: Any, client: Any, ask: Prompt) -> None:
    @otel_llm.observe
    def answer(question: str) -> str:
        return str(client.responses.create(model="gpt-4o-mini", input=ask.format(question=question)).output_text)

    answer("Why?")
    assert attributes(recorder, "chat gpt-4o-mini")["gen_ai.prompt.name"] == "ask"
    (step,) = [span for span in recorder.spans if "answer" in span.name]
    assert step.attributes["otel_llm.prompt.name"] == "ask"


def test_the_variant_that_was_assigned(recorder: Any) -> None:
    with otel_llm.step_span("choose"):
        Experiment("model", ["small"]).assign("user-1")
    said = attributes(recorder, "choose")
    assert (said["otel_llm.experiment.id"], said["otel_llm.experiment.variant"]) == ("model", "small")


@pytest.mark.parametrize("late", [False, True])
def test_a_call_that_the_application_describes(recorder: Any, rag: Prompt, late: bool) -> None:
    recorder.instrument(Settings(capture_content=ContentCapture.SPAN_ONLY))
    recorder.missing |= {"server.address"}
    messages = rag.format(who="a poet", question="Why?")
    with otel_llm.chat_span("model-1", "own", messages=None if late else messages) as call:
        if late:
            call.request(messages=messages)
        call.response("Because.", id="1", model="model-1", finish_reason="stop", input_tokens=1, output_tokens=1)
    said = attributes(recorder, "chat model-1")
    assert (said["gen_ai.prompt.name"], said["gen_ai.prompt.version"]) == ("rag", "2")
    assert said["gen_ai.prompt.variable.question"] == "Why?"


def test_outside_of_a_step_nothing_happens(recorder: Any, ask: Prompt) -> None:
    ask.format(question="Why?")
    Experiment("model", ["small"]).assign("user-1")
    assert recorder.spans == []


def test_a_step_that_fails_to_note_it_does_not_matter(
    recorder: Any, ask: Prompt, monkeypatch: Any, caplog: Any
) -> None:
    from otel_llm.manual.operation import Operation

    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(Operation, "update", fail)
    with otel_llm.step_span("format_prompt"):
        assert ask.format(question="Why?") == "Answer briefly: Why?"
    caplog.clear()
