"""What the application gives as content is recorded in the shapes of the conventions, if content is captured."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from own_model import ASK, ON_BOTH, ON_SPANS, SERVER, answer, whole_chat

import otel_llm
import otel_llm.core.recording

TOOLS = [{"type": "function", "function": {"name": "search", "description": "d", "parameters": {"type": "object"}}}]


def speak() -> None:
    with otel_llm.workflow_span("twin", input="secret") as flow:
        with otel_llm.agent_span("writer", input=[{"role": "user", "content": "secret"}]) as agent:
            with otel_llm.tool_span("search", input={"q": "secret"}) as tool:
                tool.update(output="secret")
            with otel_llm.retrieval_span("articles", query="secret", top_k=2, **SERVER) as retrieval:
                retrieval.documents(
                    [
                        "secret",
                        {"id": 3, "score": 1, "content": "secret"},
                        SimpleNamespace(page_content="secret", metadata={"id": "d"}),
                    ]
                )
            with whole_chat(messages=ASK["messages"], system="secret", tools=TOOLS) as call:
                answer(call, output="secret")
            agent.update(output={"role": "assistant", "content": "secret"})
        with otel_llm.step_span("format", input=("secret", 1)) as step:
            step.update(output="secret")
        flow.update(output="secret")


def test_content(recorder: Any) -> None:
    recorder.instrument(ON_BOTH)
    speak()
    tool, retrieval, chat, agent, step, flow = (dict(span.attributes) for span in recorder.spans)
    assert json.loads(tool["gen_ai.tool.call.arguments"]) == {"q": "secret"}
    assert json.loads(tool["gen_ai.tool.call.result"]) == {"result": "secret"}
    assert retrieval["gen_ai.retrieval.query.text"] == "secret"
    assert json.loads(retrieval["gen_ai.retrieval.documents"]) == [
        {"content": "secret"},
        {"id": "3", "score": 1.0, "content": "secret"},
        {"id": "d", "content": "secret", "metadata": {"id": "d"}},
    ]
    assert json.loads(chat["gen_ai.system_instructions"]) == [{"type": "text", "content": "secret"}]
    assert json.loads(chat["gen_ai.tool.definitions"])[0]["name"] == "search"
    said = {"role": "assistant", "parts": [{"type": "text", "content": "secret"}], "finish_reason": "stop"}
    for attributes in (chat, agent, flow):
        assert json.loads(attributes["gen_ai.output.messages"]) == [said]
        assert json.loads(attributes["gen_ai.input.messages"])[0]["role"] == "user"
    assert (json.loads(step["otel_llm.step.input"]), step["otel_llm.step.output"]) == (["secret", 1], "secret")
    (event,) = recorder.logs
    assert event.event_name == "gen_ai.client.inference.operation.details"
    assert event.attributes["gen_ai.output.messages"][0]["parts"] == (said["parts"][0],) or list(
        event.attributes["gen_ai.output.messages"][0]["parts"]
    ) == [said["parts"][0]]


@dataclass
class Hit:
    text: str
    lock: Any = field(default_factory=threading.Lock)  # which nobody can copy


def test_dataclasses_are_told_by_their_fields(recorder: Any) -> None:
    recorder.instrument(ON_SPANS)
    said = {"text": "a", "lock": "[lock]"}
    for value, expected in ((Hit("a"), said), ([Hit("a")], [said]), ({"hit": Hit("a")}, {"hit": said})):
        with otel_llm.step_span("s") as step:
            step.update(output=value)
        assert json.loads(recorder.spans[-1].attributes["otel_llm.step.output"]) == expected


def test_a_score_that_is_no_number(recorder: Any) -> None:
    recorder.instrument(ON_SPANS)
    with otel_llm.retrieval_span("articles", top_k=2, **SERVER) as retrieval:
        retrieval.documents([{"id": 1, "score": "high"}, {"id": 2, "score": "0.5"}])
    assert json.loads(recorder.attributes["gen_ai.retrieval.documents"]) == [{"id": "1"}, {"id": "2", "score": 0.5}]


@pytest.mark.parametrize(
    "system",
    [
        "Be kind.",
        ["Be kind."],
        [{"role": "system", "content": "Be kind."}],
        {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
        [{"type": "text", "text": "Be kind."}],
        ({"type": "text", "content": "Be kind."},),
    ],
)
def test_the_shapes_of_instructions(recorder: Any, system: Any) -> None:
    recorder.instrument(ON_SPANS)
    with whole_chat(system=system) as call:
        answer(call)
    assert json.loads(recorder.attributes["gen_ai.system_instructions"]) == [{"type": "text", "content": "Be kind."}]


def test_content_off_means_off(recorder: Any) -> None:
    speak()
    everything = "".join(span.to_json() for span in recorder.spans) + "".join(str(log) for log in recorder.logs)
    assert "secret" not in everything
