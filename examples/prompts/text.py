"""A prompt in the code: its name and version are on the span of the call that uses its text."""

from openai import OpenAI

from otel_llm import Prompt

EXPAND = Prompt("expand", "1", "Write {n} search queries for: {question}")

response = OpenAI().responses.create(model="gpt-4o-mini", input=EXPAND.format(n=3, question="What is RAG?"))
print(response.output_text)
