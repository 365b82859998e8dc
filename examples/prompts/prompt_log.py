"""The prompt log: a line of JSON for each model call, here to standard output."""

import sys

from openai import OpenAI

import otel_llm
from otel_llm import Prompt

ASK = Prompt("ask", "1", "Answer briefly: {question}")

with otel_llm.log_prompts(sys.stdout), otel_llm.propagate_attributes(session_id="s-1", user_id="user-1"):
    OpenAI().responses.create(model="gpt-4o-mini", input=ASK.format(question="What is RAG?"))
