"""A server that judges as a test wants, a client that asks it, and an SDK in memory."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_llm
from otel_llm import Settings
from otel_llm.evaluation.judges import judging, tracing
from otel_llm.evaluation.judges.clients.openai import OpenAIJudge
from otel_llm.evaluation.judges.evaluator import Evaluator
from otel_llm.evaluation.judges.judging import Judgement
from standin.chat import counted
from standin.openai import OpenAIServer
from standin.server import Reply, Request

_FENCED = re.compile(r"<answer-([0-9a-f]{16})>\n(.*)\n</answer-\1>", re.DOTALL)


def nonce_of(request: Request) -> str:
    """The nonce of a request to a judge."""
    found = re.search(r"The nonce is ([0-9a-f]{16})", request.json["messages"][1]["content"])
    assert found
    return found[1]


def answer_of(request: Request) -> str:
    """The answer that a judge is shown."""
    found = _FENCED.search(request.json["messages"][1]["content"])
    assert found
    return found[2]


def completion(text: str, model: str = "gpt-4o-mini-2024-07-18") -> Reply:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    body = {"id": "chatcmpl-j1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice]}
    return Reply(body={**body, "usage": counted(500, 60)})


def verdicts(request: Request, **given: dict[str, Any]) -> Reply:
    """The reply of a judge to ``request``."""
    return completion(json.dumps({"nonce": nonce_of(request), "verdicts": given}))


def chat(server: OpenAIServer, *replies: Any) -> None:
    """Script the next replies of the judge."""
    server.reply_with(*replies, path="/v1/chat/completions")


def judge(server: OpenAIServer, given: dict[str, Any], *evaluators: Evaluator, **others: Any) -> Judgement:
    """Judge an item by the model behind ``server``."""

    async def ask() -> Judgement:
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="stand-in", max_retries=0) as client:
            return await judging.judge(given, evaluators, OpenAIJudge("gpt-4o-mini", client=client), **others)

    return asyncio.run(ask())


@pytest.fixture
def judge_server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server
    assert server.failures == []


class Traced:
    """What was traced."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if span.name == name]


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[Traced]:
    """openai is instrumented, and the spans of judges go to the same provider."""
    made = Traced()
    monkeypatch.setattr(tracing.trace, "get_tracer_provider", lambda: made.provider)
    otel_llm.instrument("openai", settings=Settings(cost=True), tracer_provider=made.provider)
    yield made
    otel_llm.uninstrument()
