"""Plans what to do with an answer: an agent with two tools, an outline, and two reviews at the same time."""

from __future__ import annotations

import asyncio
import os

import openai
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from retrieval import CHAT_MODEL

REASONING_MODEL = os.environ.get("TWIN_REASONING_MODEL", "gpt-5-mini")


@tool
def article_statistics(title: str) -> dict[str, object]:
    """Readers and reading time of an article."""
    return {"title": title, "readers": 1830, "minutes": 6}


@tool
def publication_slots(month: str) -> dict[str, object]:
    """Free days in the publication calendar."""
    return {"month": month, "free": [3, 11, 19]}


def suggest_publication(text: str) -> str:
    """An agent that calls tools for facts, and then answers."""
    agent = create_agent(
        ChatOpenAI(model=CHAT_MODEL),
        tools=[article_statistics, publication_slots],
        system_prompt="You plan the publication of articles.",
        name="publication_planner",
    )
    question = f"When should I publish this, and next to what? {text}"
    return str(agent.invoke({"messages": [{"role": "user", "content": question}]})["messages"][-1].text)


def outline_sequel(client: openai.OpenAI, text: str) -> str:
    """An outline, streamed as for a user interface."""
    with client.responses.stream(
        model=REASONING_MODEL,
        reasoning={"effort": "low"},
        instructions="You plan articles.",
        input=f"Outline a follow-up in two sentences: {text}",
    ) as stream:
        return "".join(event.delta for event in stream if event.type == "response.output_text.delta")


async def review(text: str) -> list[str]:
    """Two independent reviews at the same time."""
    async with openai.AsyncOpenAI() as client:

        async def check(what: str) -> str:
            completion = await client.chat.completions.create(
                model=CHAT_MODEL,
                max_tokens=60,
                messages=[{"role": "user", "content": f"In one sentence, judge the {what} of this answer: {text}"}],
            )
            return completion.choices[0].message.content or ""

        return await asyncio.gather(check("faithfulness"), check("style"))
