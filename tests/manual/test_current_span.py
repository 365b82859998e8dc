"""``update_current_span`` and ``current_ids``, from anywhere below a span."""

from __future__ import annotations

import json
from typing import Any

from own_model import ON_SPANS

import otel_llm
import otel_llm.core.recording
from otel_llm.prompts import PromptUse, Template


def test_update_the_nearest_and_the_outermost(recorder: Any) -> None:
    with otel_llm.propagate_attributes(tags=["all"]), otel_llm.workflow_span("w"), otel_llm.step_span("s") as step:
        otel_llm.update_current_span(tags=["a"], metadata={"k": 1}, attributes={"otel_llm.metadata.own": True})
        otel_llm.update_current_span(tags=["b", "a"])
        otel_llm.update_current_span(tags=["root"], root=True)
        step.update(metadata={"k": 2})
    below, above = recorder.spans
    assert below.attributes["otel_llm.tags"] == ("all", "a", "b")
    assert below.attributes["otel_llm.metadata.k"] == 2
    assert below.attributes["otel_llm.metadata.own"] is True
    assert above.attributes["otel_llm.tags"] == ("all", "root")


def test_what_is_told_again_and_again_is_bounded(recorder: Any) -> None:
    """More attributes than a span has room for would push out its first ones."""
    with otel_llm.workflow_span("w"):
        for number in range(200):
            otel_llm.update_current_span(metadata={f"k{number}": number, "last": number}, tags=[f"t{number}"])
    attributes = recorder.attributes
    assert attributes["gen_ai.operation.name"] == "invoke_workflow"
    assert attributes["otel_llm.metadata.last"] == 199
    assert sum(name.startswith("otel_llm.metadata.") for name in attributes) == len(attributes["otel_llm.tags"]) == 32


def test_update_through_spans_of_others(recorder: Any) -> None:
    tracer = recorder.tracer_provider.get_tracer("other")
    with otel_llm.step_span("ours"), tracer.start_as_current_span("theirs"):
        otel_llm.update_current_span(tags=["a"])
    theirs, ours = recorder.spans
    assert "otel_llm.tags" not in theirs.attributes
    assert ours.attributes["otel_llm.tags"] == ("a",)


def test_update_where_there_is_nothing() -> None:
    otel_llm.update_current_span(tags=["a"], output="b", response={"id": "x"})
    with otel_llm.step_span("over") as step:
        pass
    step.update(tags=["late"])
    assert otel_llm.current_ids() == {}


def test_a_response_where_there_is_none(recorder: Any, quiet: Any) -> None:
    """It does nothing where no SDK is configured: that one is must not make the application fail."""
    with otel_llm.step_span("s"):
        otel_llm.update_current_span(response={"id": "x"}, tags=["told"])
        otel_llm.update_current_span(response={"id": "x"})
    assert recorder.attributes["otel_llm.tags"] == ("told",)
    assert quiet.text.count("update(response=...) of a step_span, which is no call of a model") == 1
    quiet.clear()


def test_tokens_that_are_not_known(lenient: Any) -> None:
    with otel_llm.chat_span("m", "own") as call:
        call.usage(input_tokens=-1, output_tokens=4)
    assert "gen_ai.usage.input_tokens" not in lenient.attributes
    assert lenient.attributes["gen_ai.usage.output_tokens"] == 4
    (point,) = lenient.points("gen_ai.client.token.usage")
    assert point.attributes["gen_ai.token.type"] == "output"


def test_what_exporters_do_not_take(recorder: Any) -> None:
    """They would lose it, with an error for each span."""
    long = 2**63
    given: dict[str, Any] = {"a": -long - 1, "b": "\ud800", "c": ["\ud800"], "d": True}
    with (
        otel_llm.propagate_attributes(metadata={"long": long, "short": long - 1}),
        otel_llm.step_span("s", attributes={f"otel_llm.metadata.{name}": value for name, value in given.items()}),
    ):
        pass
    said = {name.removeprefix("otel_llm.metadata."): value for name, value in recorder.attributes.items()}
    assert (said["long"], said["short"]) == (str(long), long - 1)
    assert (said["a"], said["b"], said["c"], said["d"]) == (str(-long - 1), "?", ("?",), True)


def test_a_prompt_on_a_step_and_on_a_chat(lenient: Any) -> None:
    lenient.instrument(ON_SPANS)
    use = PromptUse(Template.of("Say {what}"), {"what": "secret"}, "greeting", "2")
    with otel_llm.step_span("format"):
        otel_llm.update_current_span(prompt=use)
    with otel_llm.chat_span("m", "own") as call:
        call.update(prompt=use)
    step, chat = (dict(span.attributes) for span in lenient.spans)
    assert (step["otel_llm.prompt.name"], step["otel_llm.prompt.version"]) == ("greeting", "2")
    assert (chat["gen_ai.prompt.name"], chat["gen_ai.prompt.version"]) == ("greeting", "2")
    assert step["otel_llm.prompt.template"] == chat["otel_llm.prompt.template"] == "Say {what}"
    assert json.loads(step["otel_llm.step.input"]) == {"what": "secret"}
    assert chat["gen_ai.prompt.variable.what"] == "secret"


def test_ids_of_the_prompt_that_a_step_makes(recorder: Any) -> None:
    use = PromptUse(Template.of("Say {what}"), {"what": "hi"}, "greeting", "2")
    with otel_llm.step_span("format") as step:
        step.update(prompt=use)
        ids = otel_llm.current_ids()
    assert (ids["prompt_name"], ids["prompt_version"], ids["prompt_hash"]) == ("greeting", "2", use.template.hash)


def test_ids(recorder: Any) -> None:
    use = PromptUse(Template.of("Say {what}"), {"what": "hi"}, "greeting", "2")
    with (
        otel_llm.propagate_attributes(session_id="s", user_id="u", conversation_id="c", prompt=use),
        otel_llm.step_span("x"),
    ):
        ids = otel_llm.current_ids()
    assert ids == {
        "trace_id": f"{recorder.span.context.trace_id:032x}",
        "span_id": f"{recorder.span.context.span_id:016x}",
        "session_id": "s",
        "user_id": "u",
        "conversation_id": "c",
        "prompt_name": "greeting",
        "prompt_version": "2",
        "prompt_hash": use.template.hash,
    }
