"""Your own steps, by decorator: functions of every kind.

opentelemetry-instrument python examples/manual/steps.py
"""

import asyncio
from collections.abc import Iterator

import otel_llm


@otel_llm.observe
def rerank(hits: list[str], keep: int) -> list[str]:
    otel_llm.update_current_span(metadata={"hits": len(hits)})
    return sorted(hits)[:keep]


@otel_llm.observe(capture=True)  # arguments and result, if content is captured
def format_prompt(question: str, context: list[str]) -> str:
    return f"{question}\n\n" + "\n".join(context)


@otel_llm.observe
def words(answer: str) -> Iterator[str]:
    yield from answer.split()


@otel_llm.observe
async def look_up(query: str) -> list[str]:
    return [query, "another"]


@otel_llm.observe(name="answer", operation="workflow")
async def answer(question: str) -> str:
    prompt = format_prompt(question, rerank(await look_up(question), 1))
    return " ".join(words(prompt))


print(asyncio.run(answer("What is a span?")))
