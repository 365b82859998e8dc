"""Results of the guardrails of other libraries become the same event: by hand, and from the OpenAI Agents SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from otel_llm.background import deferred
from otel_llm.guardrails import record_result


def events(recorder: Any) -> list[dict[str, Any]]:
    return [
        {name.removeprefix("gen_ai.guardrail."): value for name, value in log.attributes.items()}
        for log in recorder.logs
        if log.event_name == "gen_ai.guardrail.result"
    ]


def test_a_result_by_hand(recorder: Any) -> None:
    record_result(
        "Bedrock Guardrails",
        type="action",
        value="GUARDRAIL_INTERVENED",
        source="INPUT",
        reason="topic_policy",
        category="TOPIC",
        score=0.5,
        policy="gr-1",
        version="DRAFT",
        rule="finance",
        provider="aws.bedrock",
        seconds=0.1,
    )
    assert events(recorder) == [
        {
            "component.name": "Bedrock Guardrails",
            "result.type": "action",
            "result.value": "GUARDRAIL_INTERVENED",
            "source": "INPUT",
            "result.reason": "topic_policy",
            "risk.category": "TOPIC",
            "risk.score": 0.5,
            "policy.id": "gr-1",
            "policy.version": "DRAFT",
            "policy.rule.id": "finance",
            "gen_ai.provider.name": "aws.bedrock",
        }
    ]
    deferred.catch_up()
    (point,) = recorder.points("otel_llm.guardrail.duration")
    assert point.sum == 0.1


def test_a_reason_that_may_quote_content_is_left_out(recorder: Any) -> None:
    record_result("own", type="action", value="BLOCK", reason="the user said: canary words")
    assert "result.reason" not in events(recorder)[0]


def test_odd_values_raise_nothing(recorder: Any, quiet: Any) -> None:
    record_result(1, value=0.5, source=None, error=ValueError("canary"))  # type: ignore[arg-type]
    (event,) = events(recorder)
    assert event == {"component.name": "1", "result.value": "0.5", "error.type": "ValueError"}
    record_result("own", score="high")  # type: ignore[arg-type]
    quiet.clear()


# --- the OpenAI Agents SDK ---------------------------------------------------------------------------


@pytest.fixture
def agents() -> Iterator[Any]:
    library = pytest.importorskip("agents")
    from otel_llm.guardrails import openai_agents

    before = library.InputGuardrail.run
    openai_agents.instrument()
    openai_agents.instrument()
    yield library
    openai_agents.uninstrument()
    assert library.InputGuardrail.run is before


def apply(guardrail: Any, *arguments: Any) -> Any:
    return asyncio.run(guardrail.run(*arguments))


def test_guardrails_of_inputs_and_outputs(recorder: Any, agents: Any) -> None:
    def judge(context: Any, agent: Any, value: Any) -> Any:
        return agents.GuardrailFunctionOutput(output_info={"said": value}, tripwire_triggered="bad" in value)

    asked = agents.InputGuardrail(judge, name="polite")
    assert apply(asked, None, "a bad question", None).output.tripwire_triggered
    apply(agents.OutputGuardrail(judge), None, None, "a good answer")
    shared = {"result.type": "tripwire_triggered"}
    assert events(recorder) == [
        {**shared, "component.name": "polite", "source": "input", "result.value": "true"},
        {**shared, "component.name": "judge", "source": "output", "result.value": "false"},
    ]


def test_guardrails_of_tools(recorder: Any, agents: Any) -> None:
    def reject(data: Any) -> Any:
        return agents.ToolGuardrailFunctionOutput.reject_content("canary words")

    apply(agents.ToolInputGuardrail(reject), None)
    apply(agents.ToolOutputGuardrail(lambda data: agents.ToolGuardrailFunctionOutput.allow(), name="out"), None)
    found = [
        (one["component.name"], one["source"], one["result.type"], one["result.value"]) for one in events(recorder)
    ]
    assert found == [
        ("reject", "tool_input", "behavior", "reject_content"),
        ("out", "tool_output", "behavior", "allow"),
    ]
    assert "canary" not in str(events(recorder))


def test_a_guardrail_that_fails(recorder: Any, agents: Any) -> None:
    def broken(context: Any, agent: Any, value: Any) -> Any:
        raise LookupError(value)

    with pytest.raises(LookupError):
        apply(agents.InputGuardrail(broken), None, "canary", None)
    assert events(recorder) == [{"component.name": "broken", "source": "input", "error.type": "LookupError"}]


def test_a_run_of_an_agent(recorder: Any, agents: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way, up to a model that is never asked."""
    monkeypatch.setenv("OPENAI_AGENTS_DISABLE_TRACING", "1")

    @agents.input_guardrail(run_in_parallel=False)
    def no_homework(context: Any, agent: Any, value: Any) -> Any:
        return agents.GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    made = agents.Agent(name="tutor", input_guardrails=[no_homework], model="gpt-4o-mini")
    with pytest.raises(agents.InputGuardrailTripwireTriggered):
        asyncio.run(agents.Runner.run(made, "Do my homework", run_config=agents.RunConfig(tracing_disabled=True)))
    assert [(one["component.name"], one["result.value"]) for one in events(recorder)] == [("no_homework", "true")]
