"""A framework that traces itself, as it is: pydantic-ai over the openai SDK."""

from __future__ import annotations

import logging
from typing import Any

import pytest

pytest.importorskip("pydantic_ai")

from pydantic_ai import Agent, InstrumentationSettings
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from foreign_tracer import DURATION, TOKENS
from otel_llm import ForeignSpans, Settings

SCOPE = "pydantic-ai"


@pytest.fixture
def agent(lenient: Any, async_client: Any) -> Any:
    lenient.foreign.add(SCOPE)
    settings = InstrumentationSettings(
        tracer_provider=lenient.tracer_provider, meter_provider=lenient.meter_provider, include_content=False
    )
    Agent.instrument_all(settings)
    yield Agent(OpenAIChatModel("gpt-4o-mini", provider=OpenAIProvider(openai_client=async_client)), name="geo")
    Agent.instrument_all(False)


async def asked(agent: Any, how: str) -> str:
    if how == "run":
        answer: str = (await agent.run("hi")).output
        return answer
    async with agent.run_stream("hi") as answer_of:
        return "".join([text async for text in answer_of.stream_text(delta=True)])


@pytest.mark.parametrize("mode", ForeignSpans)
@pytest.mark.parametrize("how", ["run", "stream"])
async def test_an_agent(lenient: Any, agent: Any, quiet: Any, how: str, mode: ForeignSpans) -> None:
    lenient.instrument(Settings(foreign_spans=mode))
    assert await asked(agent, how)
    inferences = [span for span in lenient.spans if span.attributes["gen_ai.operation.name"] == "chat"]
    own = ["otel_llm.openai"] if mode is ForeignSpans.OWN else []
    assert [span.instrumentation_scope.name for span in inferences] == [*own, SCOPE]
    theirs = inferences[-1].attributes
    assert theirs["gen_ai.usage.input_tokens"] == 9
    assert ("otel_llm.request.id" in theirs) is (mode is ForeignSpans.JOIN)
    assert sum(point.sum for point in lenient.points(TOKENS)) == (9 + 35) * len(inferences)
    assert [point.count for point in lenient.points(DURATION)] == [1] * (mode is not ForeignSpans.LEAVE)
    said = [record.getMessage() for record in quiet.records if record.levelno >= logging.WARNING]
    assert [text.startswith(SCOPE) for text in said] == [True] * (mode is not ForeignSpans.OWN)
    quiet.clear()
