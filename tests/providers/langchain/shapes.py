"""Chains, agents and models the tests share."""

from __future__ import annotations

from itertools import count
from typing import Any

from langchain_core.language_models.fake_chat_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate

from otel_llm import ContentCapture, Settings

_ids = count()
CONTENT_ON_SPANS = Settings(capture_content=ContentCapture.SPAN_ONLY)
WHO = ChatPromptTemplate([("system", "You are {who}."), ("user", "{question}")])
ASKED = {"who": "a poet", "question": "What is the sea?"}


class Agentic(GenericFakeChatModel):
    """A fake that tools can be bound to."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self


def fake(*answers: str) -> FakeListChatModel:
    return FakeListChatModel(responses=list(answers or ["fine"]))


def counted(text: str = "", calls: list[dict[str, Any]] | None = None, given: int = 10, came: int = 5) -> AIMessage:
    """A model's answer with usage, an id and a finish reason."""
    return AIMessage(
        text,
        id=f"msg_{next(_ids)}",
        tool_calls=calls or [],
        usage_metadata={"input_tokens": given, "output_tokens": came, "total_tokens": given + came},
        response_metadata={"finish_reason": "tool_calls" if calls else "stop", "model_name": "fake-1"},
    )


def calling(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "args": arguments, "id": "_".join(["call", name, *map(str, arguments.values())])}


def agentic(*answers: AIMessage) -> Agentic:
    return Agentic(messages=iter(answers))


#: What a fake model has no word of.
FAKE_LACKS = {
    "gen_ai.response.id",
    "gen_ai.response.model",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "server.address",
    "gen_ai.response.finish_reasons",
}
