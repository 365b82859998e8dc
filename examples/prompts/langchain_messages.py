"""A prompt from the registry in LangChain's messages.

pip install "otel-llm[prompts]" langchain-openai
"""

from pathlib import Path

from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI

from otel_llm import PromptRegistry

prompts = PromptRegistry(Path(__file__).with_name("templates"))

model = ChatOpenAI(model="gpt-4o-mini", temperature=0)
answer = model.invoke([HumanMessage(prompts.get("expand").format(n=3, question="What is RAG?"))])
print(answer.content)
