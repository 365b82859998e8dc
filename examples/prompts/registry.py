"""Prompts in files: the version in production, and one by its label.

pip install "otel-llm[prompts,jinja]"
"""

from pathlib import Path

from openai import OpenAI

from otel_llm import PromptRegistry

prompts = PromptRegistry(Path(__file__).with_name("templates"))

messages = prompts.get("twin").format(
    author="Ada", question="What is RAG?", context="Retrieval comes first, then generation."
)
answer = OpenAI().chat.completions.create(model="gpt-4o-mini", messages=messages)
print(answer.choices[0].message.content)

candidate = prompts.get("twin", label="candidate")
messages = candidate.format(author="Ada", question="What is RAG?", articles=["On retrieval.", "On generation."])
answer = OpenAI().chat.completions.create(model="gpt-4o-mini", messages=messages)
print(answer.choices[0].message.content)
