"""A small retrieval application as anybody might have written it; nothing in it knows of LLM instrumentation.

The single span below stands for the one that a web framework's instrumentation starts for each request.
It talks to whatever OPENAI_API_KEY and OPENAI_BASE_URL say. Its own words go to standard error.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import openai
from opentelemetry import trace
from pydantic import BaseModel

CHAT_MODEL = os.environ.get("DEMO_CHAT_MODEL", "gpt-4o-mini")
EMBEDDING_MODEL = os.environ.get("DEMO_EMBEDDING_MODEL", "text-embedding-3-small")
REASONING_MODEL = os.environ.get("DEMO_REASONING_MODEL", "gpt-5-mini")
RETIRED_MODEL = os.environ.get("DEMO_RETIRED_MODEL", "gpt-4-retired")  # one the provider refuses

QUESTION = "How do I keep the answers of my RAG system faithful to its sources?"
ARTICLES = {
    "Chunking that respects meaning": "Split documents where topics change; overlap costs tokens and buys recall.",
    "Rerank before you generate": "A cross-encoder over thirty hits beats ten hits taken as they come.",
    "Judges for faithfulness": "Let a second model check each claim of an answer against the retrieved passages.",
    "Fine-tuning a writing style": "A few hundred good examples fix tone; facts still belong into the context.",
    "Serving on a budget": "Batch what can wait, cache prefixes, and watch the time to the first token.",
}
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "article_statistics",
            "description": "Readers and reading time of an article",
            "parameters": {
                "type": "object",
                "properties": {"title": {"type": "string", "description": "Title of the article"}},
                "required": ["title"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "publication_slots",
            "description": "Free days in the publication calendar",
            "parameters": {
                "type": "object",
                "properties": {"month": {"type": "string", "description": "Month as YYYY-MM"}},
                "required": ["month"],
            },
        },
    },
]

log = logging.getLogger("demo")


class Queries(BaseModel):
    queries: list[str]


def expand(client: openai.OpenAI, question: str) -> list[str]:
    """Other ways to ask, by structured output."""
    completion = client.chat.completions.parse(
        model=CHAT_MODEL,
        temperature=0,
        messages=[
            {"role": "system", "content": "Write three search queries for the user's question."},
            {"role": "user", "content": question},
        ],
        response_format=Queries,
    )
    parsed = completion.choices[0].message.parsed
    return [question, *(parsed.queries if parsed else [])]


def embed(client: openai.OpenAI, texts: Sequence[str]) -> list[list[float]]:
    return [item.embedding for item in client.embeddings.create(model=EMBEDDING_MODEL, input=list(texts)).data]


def retrieve(client: openai.OpenAI, queries: Sequence[str], keep: int) -> list[str]:
    """The articles nearest to any of the queries."""
    articles = [f"{title}: {body}" for title, body in ARTICLES.items()]
    vectors = embed(client, [*queries, *articles])
    asked, stored = vectors[: len(queries)], vectors[len(queries) :]
    scores = [max(cosine(query, vector) for query in asked) for vector in stored]
    ranked = sorted(zip(scores, articles, strict=True), reverse=True)
    return [article for _, article in ranked[:keep]]


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True)) / (math.hypot(*one) * math.hypot(*other))


def answer(client: openai.OpenAI, question: str, context: Sequence[str]) -> str:
    """The answer, streamed as a user interface would have it; first tried with a model that is gone."""
    messages: list[Any] = [
        {"role": "system", "content": "Answer in the author's voice, from these notes only:\n" + "\n".join(context)},
        {"role": "user", "content": question},
    ]
    for model in (RETIRED_MODEL, CHAT_MODEL):
        try:
            stream = client.chat.completions.create(
                model=model, messages=messages, max_tokens=300, stream=True, stream_options={"include_usage": True}
            )
            return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
        except openai.APIStatusError as error:
            log.info("  %s refused with %s, falling back", model, error.status_code)
    raise RuntimeError("no model answered")


def suggest_publication(client: openai.OpenAI, text: str) -> str:
    """A round with tools: the model asks for facts, gets them, and answers."""
    functions: dict[str, Callable[..., Any]] = {
        "article_statistics": lambda title: {"title": title, "readers": 1830, "minutes": 6},
        "publication_slots": lambda month: {"month": month, "free": [3, 11, 19]},
    }
    messages: list[Any] = [{"role": "user", "content": f"When should I publish this, and next to what? {text}"}]
    completion = client.chat.completions.create(model=CHAT_MODEL, messages=messages, tools=TOOLS)
    message = completion.choices[0].message
    messages.append(message)
    for call in message.tool_calls or []:
        if call.type == "function":
            result = functions[call.function.name](**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)})
    completion = client.chat.completions.create(model=CHAT_MODEL, messages=messages, tools=TOOLS)
    return completion.choices[0].message.content or ""


def outline_sequel(client: openai.OpenAI, text: str) -> str:
    response = client.responses.create(
        model=REASONING_MODEL,
        reasoning={"effort": "low"},
        instructions="You plan articles.",
        input=f"Outline a follow-up in two sentences: {text}",
    )
    return response.output_text


async def review(text: str) -> list[str]:
    """Two independent checks at once."""
    async with openai.AsyncOpenAI() as client:

        async def check(what: str) -> str:
            completion = await client.chat.completions.create(
                model=CHAT_MODEL,
                max_tokens=60,
                messages=[{"role": "user", "content": f"In one sentence, judge the {what} of this answer: {text}"}],
            )
            return completion.choices[0].message.content or ""

        return await asyncio.gather(check("faithfulness"), check("style"))


def answer_question(client: openai.OpenAI, question: str) -> None:
    log.info("Question: %s", question)
    queries = expand(client, question)
    context = retrieve(client, queries, keep=3)
    log.info("  %d queries, best source: %s", len(queries), context[0].partition(":")[0])
    text = answer(client, question, context)
    log.info("Answer: %s", text)
    log.info("Publish: %s", suggest_publication(client, text))
    log.info("Sequel: %s", outline_sequel(client, text))
    for verdict in asyncio.run(review(text)):
        log.info("Review: %s", verdict)


def main() -> None:
    logging.basicConfig(format="%(message)s")
    log.setLevel(logging.INFO)
    with openai.OpenAI() as client, trace.get_tracer("demo").start_as_current_span("answer_question"):
        answer_question(client, QUESTION)


if __name__ == "__main__":
    main()
