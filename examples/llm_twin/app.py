"""An LLM Twin, which answers in its owner's voice.

It retrieves with LangChain and OpenAI, and gets the answer from the owner's own model on a SageMaker endpoint. These
calls are traced without any code here. The application adds what only it knows: its steps with `observe`, its prompts
with a registry, session and user with `propagate_attributes`. OPENAI_API_KEY, OPENAI_BASE_URL and
AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME configure the servers. Its output goes to standard error.
"""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import TypedDict

import boto3
import openai
from planning import outline_sequel, review, suggest_publication
from retrieval import EMBEDDING_MODEL, VectorRetriever

import otel_llm

ENDPOINT = os.environ.get("TWIN_ENDPOINT", "chat-llm-twin-llama-8b")
QUESTION = "How do I keep the answers of my RAG system faithful to its sources?"
PROMPTS = otel_llm.PromptRegistry(Path(__file__).parent / "prompts")

log = logging.getLogger("llm_twin")


class Message(TypedDict):
    role: str
    content: str


class LLMTwin:
    """Answers questions in its owner's voice."""

    def __init__(self, client: openai.OpenAI, endpoint: str) -> None:
        from sagemaker.huggingface import HuggingFacePredictor  # takes seconds to import
        from sagemaker.session import Session

        self._retriever = VectorRetriever(client)
        self._predictor = HuggingFacePredictor(endpoint, sagemaker_session=Session(boto3.Session()))

    @otel_llm.observe(name="llm_twin", operation="workflow")
    def generate(self, query: str, enable_rag: bool = True) -> dict[str, str]:
        context = ""
        if enable_rag:
            documents = self._retriever.retrieve_top_k(query, k=3, to_expand_to_n_queries=3)
            context = "\n".join(document.page_content for document in documents)
        answer = self.call_llm_service(self.format_prompt(query, context))
        otel_llm.update_current_span(
            input=query, output=answer, tags=["rag"] * enable_rag, metadata={"embedding_model": EMBEDDING_MODEL}
        )
        return {"answer": answer, "context": context}

    @staticmethod
    @otel_llm.observe
    def format_prompt(query: str, context: str) -> list[Message]:
        messages: list[Message] = PROMPTS.get("twin").format(context=context, question=query)
        return messages

    def call_llm_service(self, messages: list[Message]) -> str:
        answer = self._predictor.predict(
            {
                "messages": messages,
                "parameters": {
                    "max_new_tokens": 300,
                    "temperature": 0.01,
                    "top_p": 0.6,
                    "stop": ["<|eot_id|>"],
                    "return_full_text": False,
                },
            }
        )
        return str(answer["choices"][0]["message"]["content"])


def answer_question(twin: LLMTwin, client: openai.OpenAI, question: str) -> None:
    log.info("Question: %s", question)
    given = twin.generate(question)
    log.info("Answer: %s", given["answer"])
    log.info("Publish: %s", suggest_publication(given["answer"]))
    log.info("Sequel: %s", outline_sequel(client, given["answer"]))
    for verdict in asyncio.run(review(given["answer"])):
        log.info("Review: %s", verdict)


def main() -> None:
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    log.setLevel(logging.INFO)
    logging.getLogger("sagemaker.config").setLevel(logging.WARNING)  # it writes to standard output
    with openai.OpenAI() as client:
        twin = LLMTwin(client, ENDPOINT)
        with (
            otel_llm.propagate_attributes(session_id="session-1", user_id="reader-7"),
            otel_llm.step_span("answer_question"),
        ):
            answer_question(twin, client, QUESTION)


if __name__ == "__main__":
    main()
