"""Why a model of LangChain's stopped: integrations tell it in many places and words."""

from __future__ import annotations

import json

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from shapes import CONTENT_ON_SPANS, FAKE_LACKS, agentic, calling

REFUSED = {"type": "refusal", "refusal": "I can't help with that."}


def ended(recorder, message):
    """The finish reasons of the span, the provider's own, and the output message."""
    recorder.missing |= FAKE_LACKS | {"gen_ai.request.model"}
    recorder.instrument(CONTENT_ON_SPANS)
    agentic(message).invoke("hi")
    known = recorder.attributes
    (said,) = json.loads(known["gen_ai.output.messages"])
    return known.get("gen_ai.response.finish_reasons"), known.get("otel_llm.response.finish_reasons"), said


@pytest.mark.parametrize(
    ("told", "reason", "given"),
    [
        ({"stop_reason": "end_turn"}, "stop", "end_turn"),
        ({"stopReason": "guardrail_intervened"}, "content_filter", "guardrail_intervened"),
        ({"finish_reason": "MAX_TOKENS"}, "length", "MAX_TOKENS"),
        ({"finishReason": "MAX_TOKENS"}, "length", "MAX_TOKENS"),
        ({"done_reason": "stop"}, "stop", None),
        ({"status": "incomplete"}, "length", None),
        # As langchain-core 1.8.4 has it.
        ({"finish_reason": "SAFETY", "normalized_finish_reason": "refusal"}, "refusal", "SAFETY"),
        ({"finish_reason": "x", "normalized_finish_reason": "context_exceeded"}, "length", "x"),
        ({"finish_reason": "pause_turn", "normalized_finish_reason": "other"}, "pause_turn", None),
        ({"normalized_finish_reason": "stop", "finish_state": "suspended"}, "stop", None),
        ({"finish_reason": 7, "normalized_finish_reason": ["stop"]}, None, None),
        ({}, None, None),
    ],
)
def test_the_reason_and_the_providers_word(recorder, told, reason, given):
    reasons, own, said = ended(recorder, AIMessage("fine", response_metadata=told))
    assert reasons == (None if reason is None else (reason,))
    assert own == (None if given is None else (given,))
    assert said["finish_reason"] == (reason or "unknown")


@pytest.mark.parametrize(
    "told", [{"normalized_finish_reason": "stop", "finish_reason": "stop"}, {"status": "completed"}]
)
def test_a_call_of_a_tool_in_an_earlier_chunk(recorder, told):
    called = AIMessage("", tool_calls=[calling("add", a=1)], response_metadata=told)
    assert ended(recorder, called)[0] == ("tool_call",)


def test_a_refusal(recorder):
    told = {"normalized_finish_reason": "stop", "finish_reason": "end_turn"}
    reasons, own, said = ended(recorder, AIMessage([REFUSED], response_metadata=told))
    assert (reasons, own, said["finish_reason"]) == (("refusal",), ("end_turn",), "refusal")
    assert said["parts"] == [{"type": "refusal", "content": REFUSED["refusal"]}]


def test_a_refusal_beside_the_content(recorder):
    told = {"response_metadata": {"finish_reason": "stop"}, "additional_kwargs": {"refusal": REFUSED["refusal"]}}
    reasons, _, said = ended(recorder, AIMessage("", **told))
    assert reasons == ("stop",)
    assert said["parts"] == [{"type": "refusal", "content": REFUSED["refusal"]}]


def test_the_error_that_a_refusal_is_made_into(recorder):
    exceptions = pytest.importorskip("langchain_core.exceptions")
    if not hasattr(exceptions, "ModelRefusalError"):
        pytest.skip("this langchain-core has no ModelRefusalError")
    recorder.missing |= FAKE_LACKS | {"gen_ai.request.model"}

    def refuse(message):
        raise exceptions.ModelRefusalError.from_refusal(REFUSED, raw_message=message)

    model = agentic(AIMessage([REFUSED], response_metadata={"finish_reason": "stop"}))
    with pytest.raises(exceptions.ModelRefusalError):
        (model | RunnableLambda(refuse)).with_config(run_name="ask").invoke("hi")
    spans = {span.name.split()[0]: span for span in recorder.spans}
    assert "error.type" not in spans["chat"].attributes
    workflow = spans["invoke_workflow"]
    assert workflow.attributes["error.type"] == "langchain_core.exceptions.ModelRefusalError"
    assert REFUSED["refusal"] not in str(workflow.status.description)  # content is off


def test_what_a_chain_answers_has_the_reason_of_its_last_message(recorder):
    recorder.missing |= FAKE_LACKS | {"gen_ai.request.model"}
    recorder.instrument(CONTENT_ON_SPANS)
    cut = agentic(AIMessage("and so", response_metadata={"stop_reason": "max_tokens"}))
    (RunnableLambda(lambda value: value) | cut).with_config(run_name="ask").invoke("hi")
    (workflow,) = [span for span in recorder.spans if span.name.startswith("invoke_workflow")]
    (said,) = json.loads(workflow.attributes["gen_ai.output.messages"])
    assert said["finish_reason"] == "length"
