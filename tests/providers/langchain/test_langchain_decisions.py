"""Decision models (langchain-core 1.8): runs of the type ``llm`` of which LangChain tells as chains."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda
from openai import AsyncOpenAI, OpenAI
from shapes import CONTENT_ON_SPANS, FAKE_LACKS, agentic, counted
from traces import named, tokens, tree

from standin.server import Reply

decisions = pytest.importorskip("langchain_core.decisions")

QUESTIONS = {"urgent": decisions.Noul(instructions="Is it urgent?")}
ASKED = {"state": "Production is down.", "questions": QUESTIONS}
ANSWERED = {"urgent": {"type": "noul", "noul": 0.75}}
USAGE = {"input_tokens": 20, "output_tokens": 4, "input_token_details": {"cache_read": 8}}
CONFIG = {"run_name": "triage"}
NAME = "generate_content judge-1"


class Judge(decisions.BaseDecisionModel):
    model: str = "judge-1"
    error: Any = None

    @property
    def _provider(self) -> str:
        return "acme"

    def _classify(self, state: Any, questions: Any) -> Any:
        if self.error is not None:
            raise self.error
        return decisions.ClassifierResponse(model="judge-1b", answers=ANSWERED, usage=USAGE, request_id="req-1")


class Remote(Judge):
    """One that asks OpenAI."""

    model: str = "gpt-6-luna"
    client: Any = None
    aclient: Any = None

    @property
    def _provider(self) -> str:
        return "openai"

    def _asked(self, state: Any) -> dict[str, Any]:
        return {"model": self.model, "input": state, "questions": [{"type": "predicate", "instructions": "Urgent?"}]}

    def _answered(self, made: Any) -> Any:
        used = {"input_tokens": made.usage.input_tokens, "output_tokens": made.usage.output_tokens}
        return decisions.ClassifierResponse(model=made.model, answers=ANSWERED, usage=used)

    def _classify(self, state: Any, questions: Any) -> Any:
        return self._answered(self.client.decisions.create(**self._asked(state)))

    async def _aclassify(self, state: Any, questions: Any) -> Any:
        return self._answered(await self.aclient.decisions.create(**self._asked(state)))


async def _ask(model: Any, how: str, config: Any = None) -> Any:
    if how == "invoke":
        return model.invoke(ASKED, config)
    if how == "stream":
        return list(model.stream(ASKED, config))
    if how == "batch":
        return model.batch([ASKED], config)
    return await model.ainvoke(ASKED, config)


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "stream", "batch"])
def test_a_decision_is_an_inference(recorder, how):
    recorder.missing.add("server.address")
    asyncio.run(_ask(Judge(), how, CONFIG))
    assert tree(recorder) == [NAME]
    known = recorder.attributes
    assert {name: known.get(name) for name in known if not name.startswith("otel_llm.langchain.run_id")} == {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": "acme",
        "gen_ai.request.model": "judge-1",
        "gen_ai.response.model": "judge-1b",
        "gen_ai.output.type": "json",
        "gen_ai.usage.input_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 8,
        "gen_ai.usage.output_tokens": 4,
        "otel_llm.operation.name": "decisions",
        "otel_llm.request.id": "req-1",
        "otel_llm.langchain.run_name": "triage",
    }
    assert tokens(recorder) == {"input": 20, "output": 4}


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_one_that_calls_openai_is_one_span_and_counts_once(recorder, server, openai, how):
    if not hasattr(OpenAI, "decisions"):
        pytest.skip("this openai has no decisions")
    used = {"input_tokens": 900, "output_tokens": 12, "total_tokens": 912}
    server.reply_with(Reply(body={"model": "gpt-6-luna-1", "answers": [], "usage": used}))
    model = Remote(client=OpenAI(**openai), aclient=AsyncOpenAI(**openai))
    asyncio.run(_ask(RunnableLambda(lambda asked: asked) | model, how, CONFIG))
    assert tree(recorder) == ["invoke_workflow triage", "  generate_content gpt-6-luna"]
    assert tokens(recorder) == {"input": 900, "output": 12}
    (known,) = named(recorder, "generate_content")
    assert known["server.address"] == "127.0.0.1"
    assert known["gen_ai.response.model"] == "gpt-6-luna-1"


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_one_that_fails(recorder, how):
    recorder.missing.add("server.address")
    with pytest.raises(ValueError, match="no"):
        asyncio.run(_ask(Judge(error=ValueError("no")), how, CONFIG))
    assert tree(recorder) == [f"{NAME} !"]
    assert recorder.attributes["error.type"] == "ValueError"


def test_one_that_is_cancelled(recorder):
    recorder.missing |= FAKE_LACKS
    with pytest.raises(asyncio.CancelledError):
        Judge(error=asyncio.CancelledError()).invoke(ASKED, CONFIG)
    assert tree(recorder) == [NAME]
    assert recorder.attributes["otel_llm.stream.outcome"] == "cancelled"


def test_a_wrapper_without_a_name_has_no_span(recorder):
    recorder.missing.add("server.address")
    Judge().with_retry().invoke(ASKED)
    assert tree(recorder) == [NAME]


def test_its_content(recorder):
    recorder.missing.add("server.address")
    recorder.instrument(CONTENT_ON_SPANS)
    Judge().invoke(ASKED, CONFIG)
    known = recorder.attributes
    assert json.loads(known["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "Production is down."}]}
    ]
    (question,) = json.loads(known["gen_ai.system_instructions"])
    assert json.loads(question["content"])["urgent"]["instructions"] == "Is it urgent?"
    (said,) = json.loads(known["gen_ai.output.messages"])
    assert [json.loads(part["content"]) for part in said["parts"]] == [ANSWERED]
    assert said["finish_reason"] == "unknown"


def test_messages_and_media_in_a_state(recorder):
    recorder.missing.add("server.address")
    recorder.instrument(CONTENT_ON_SPANS)
    picture = {"type": "image", "base64": base64.b64encode(b"a picture").decode(), "mime_type": "image/png"}
    Judge().invoke({"state": [HumanMessage("Help!")], "questions": QUESTIONS}, CONFIG)
    Judge().invoke({"state": {"page": [picture, HumanMessage("this")]}, "questions": QUESTIONS}, CONFIG)
    talk, page = named(recorder, "generate_content")
    assert json.loads(talk["gen_ai.input.messages"])[0]["parts"][0]["content"] == "Help!"
    assert "this" in page["gen_ai.input.messages"]
    assert picture["base64"] not in page["gen_ai.input.messages"]


def test_without_content(recorder):
    recorder.missing.add("server.address")
    Judge().invoke(ASKED, CONFIG)
    assert "Production" not in recorder.span.to_json()
    assert "urgent" not in recorder.span.to_json()


def test_an_agent_counts_the_decisions_of_its_middleware(recorder):
    agents = pytest.importorskip("langchain.agents")
    middleware = pytest.importorskip("langchain.agents.middleware")
    recorder.missing |= FAKE_LACKS | {"gen_ai.request.model"}

    class Triage(middleware.AgentMiddleware):
        def before_agent(self, state: Any, runtime: Any) -> None:
            Judge().invoke(ASKED)

    agent = agents.create_agent(agentic(counted("done")), middleware=[Triage()], name="helper")
    agent.invoke({"messages": [HumanMessage("hi")]})
    assert tree(recorder) == ["invoke_agent helper", f"  {NAME}", "  chat"]
    (known,) = named(recorder, "invoke_agent")
    assert known["gen_ai.usage.input_tokens"] == 30
