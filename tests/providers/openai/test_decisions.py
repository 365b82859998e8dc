"""Decisions: questions on one input, billed by tokens."""

from __future__ import annotations

import json

import openai
import pytest
from reading import CONTENT, content, exactly, inputs, outputs, usage

from standin.server import Reply

pytestmark = pytest.mark.skipif(not hasattr(openai.OpenAI, "decisions"), reason="this openai has no decisions")

QUESTIONS = [
    {"type": "predicate", "name": "polite", "instructions": "The customer is polite."},
    {"type": "choice", "instructions": "The topic.", "choices": [{"value": "refund"}, {"value": "delivery"}]},
]
ASKED = {"model": "gpt-6-luna", "input": "Where is my parcel?", "questions": QUESTIONS}
ANSWERS = [
    {"type": "predicate", "name": "polite", "probability": 0.75},
    {"type": "choice", "name": None, "choice": "delivery", "confidence": 0.9, "probabilities": []},
]
USAGE = {
    "input_tokens": 900,
    "input_tokens_details": {"cached_tokens": 600, "cache_write_tokens": 200},
    "output_tokens": 12,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 912,
}
REPLY = Reply(body={"model": "gpt-6-luna-2026-09-01", "answers": ANSWERS, "usage": USAGE})


async def test_a_decision(recorder, api, server, durations):
    server.reply_with(REPLY)
    made = await api(lambda client: client.decisions.create(**ASKED))
    assert made.answers[0].probability == 0.75
    assert recorder.span.name == "generate_content gpt-6-luna"
    assert exactly(
        recorder.attributes,
        {
            "gen_ai.operation.name": "generate_content",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-6-luna",
            "gen_ai.response.model": "gpt-6-luna-2026-09-01",
            "gen_ai.output.type": "json",
            "otel_llm.operation.name": "decisions",
            "server.address": "127.0.0.1",
            "gen_ai.usage.input_tokens": 900,
            "gen_ai.usage.cache_read.input_tokens": 600,
            "gen_ai.usage.cache_write.input_tokens": 200,
            "gen_ai.usage.output_tokens": 12,
        },
    )
    tokens = {
        point.attributes["gen_ai.token.type"]: point.sum for point in recorder.points("gen_ai.client.token.usage")
    }
    assert tokens == {"input": 900, "output": 12}
    assert durations() == []


async def test_its_content(recorder, api, server):
    recorder.instrument(CONTENT)
    server.reply_with(REPLY)
    await api(lambda client: client.decisions.create(**ASKED))
    assert inputs(recorder) == [{"role": "user", "parts": [{"type": "text", "content": "Where is my parcel?"}]}]
    assert [json.loads(part["content"]) for part in content(recorder.attributes, "system_instructions")] == QUESTIONS
    (answer,) = outputs(recorder)
    assert [json.loads(part["content"])["type"] for part in answer["parts"]] == ["predicate", "choice"]


def test_without_content(recorder, client, server):
    server.reply_with(REPLY)
    client.decisions.create(**ASKED)
    assert "parcel" not in recorder.span.to_json()
    assert "polite" not in recorder.span.to_json()
    assert usage(recorder.attributes)["input_tokens"] == 900
