"""An LLM Twin, which answers in its owner's voice, as anybody might have written it: nothing in it knows of LLM
instrumentation.

Retrieval with LangChain and OpenAI; the answer from the owner's own model on a SageMaker endpoint. The one span below
stands for the one that a web framework's instrumentation starts for each request. It talks to whatever OPENAI_API_KEY,
OPENAI_BASE_URL and AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME say. Its own words go to standard error.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TypedDict

import boto3
import openai
from opentelemetry import trace
from planning import outline_sequel, review, suggest_publication
from retrieval import VectorRetriever

ENDPOINT = os.environ.get("TWIN_ENDPOINT", "chat-llm-twin-llama-8b")
QUESTION = "How do I keep the answers of my RAG system faithful to its sources?"
SYSTEM_PROMPT = "You are the author. Answer in their voice, from their notes only."
PROMPT_TEMPLATE = "Notes:\n{context}\n\nQuestion: {question}"

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

    def generate(self, query: str, enable_rag: bool = True) -> dict[str, str]:
        context = ""
        if enable_rag:
            documents = self._retriever.retrieve_top_k(query, k=3, to_expand_to_n_queries=3)
            context = "\n".join(document.page_content for document in documents)
        messages = self.format_prompt(query, context)
        return {"answer": self.call_llm_service(messages), "context": context}

    @staticmethod
    def format_prompt(query: str, context: str) -> list[Message]:
        return [
            {"role": "system", "content": SYSTEM_PROMPT},
            {"role": "user", "content": PROMPT_TEMPLATE.format(context=context, question=query)},
        ]

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
    logging.getLogger("sagemaker.config").setLevel(logging.WARNING)  # it reports to standard output
    with openai.OpenAI() as client:
        twin = LLMTwin(client, ENDPOINT)
        with trace.get_tracer("llm_twin").start_as_current_span("answer_question"):
            answer_question(twin, client, QUESTION)


if __name__ == "__main__":
    main()
