"""Finds what the author has written about a question: self-query, query expansion, search, rerank."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import openai
from articles import ARTICLES
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import PromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

import otel_llm

CHAT_MODEL = os.environ.get("TWIN_CHAT_MODEL", "gpt-4o-mini")
EMBEDDING_MODEL = os.environ.get("TWIN_EMBEDDING_MODEL", "text-embedding-3-small")
RETIRED_MODEL = os.environ.get("TWIN_RETIRED_MODEL", "gpt-4-retired")  # a model that the provider rejects

QUERY_EXPANSION = PromptTemplate.from_template(
    "Write {to_expand_to_n} different search queries for the question below, one a line.\nQuestion: {question}",
    metadata={"prompt_name": "query_expansion", "prompt_version": "3"},
)


class Filters(BaseModel):
    """What a question says about the articles to find."""

    platform: str | None


class SelfQuery:
    """Extract filters from a question, with structured output."""

    def __init__(self, client: openai.OpenAI) -> None:
        self._client = client

    def generate_response(self, question: str) -> Filters:
        completion = self._client.chat.completions.parse(
            model=CHAT_MODEL,
            temperature=0,
            messages=[
                {"role": "system", "content": "Which platform does the user ask about, if any: blog or newsletter?"},
                {"role": "user", "content": question},
            ],
            response_format=Filters,
        )
        return completion.choices[0].message.parsed or Filters(platform=None)


class QueryExpansion:
    """Other wordings of a question: LangChain's prompt | model | parser, with a fallback model."""

    def __init__(self) -> None:
        model = ChatOpenAI(model=RETIRED_MODEL, temperature=0).with_fallbacks(
            [ChatOpenAI(model=CHAT_MODEL, temperature=0)]
        )
        self._chain = (QUERY_EXPANSION | model | StrOutputParser()).with_config(run_name="query_expansion")

    def generate_response(self, question: str, to_expand_to_n: int) -> list[str]:
        answer = self._chain.invoke({"question": question, "to_expand_to_n": to_expand_to_n})
        lines = [line.strip() for line in answer.replace(". ", ".\n").splitlines() if line.strip()]
        return [question, *lines[: to_expand_to_n - 1]]


class ArticleRetriever(BaseRetriever):
    """The articles closest to a query by cosine similarity: a LangChain retriever, as for a vector database."""

    embeddings: OpenAIEmbeddings
    k: int = 3

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        stored = self.embeddings.embed_documents([article.page_content for article in ARTICLES])
        asked = self.embeddings.embed_query(query)
        ranked = sorted(zip(stored, ARTICLES, strict=True), key=lambda pair: -_cosine(asked, pair[0]))
        return [article for _, article in ranked[: self.k]]


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True)) / (math.hypot(*one) * math.hypot(*other))


class VectorRetriever:
    """Finds the passages that answer a question."""

    def __init__(self, client: openai.OpenAI) -> None:
        self._self_query = SelfQuery(client)
        self._expansion = QueryExpansion()
        self._articles = ArticleRetriever(
            embeddings=OpenAIEmbeddings(model=EMBEDDING_MODEL, check_embedding_ctx_length=False)
        )

    @otel_llm.observe
    def retrieve_top_k(self, question: str, k: int, to_expand_to_n_queries: int) -> list[Document]:
        filters = self._self_query.generate_response(question)
        queries = self._expansion.generate_response(question, to_expand_to_n_queries)
        hits = {
            hit.id: hit for query in queries for hit in self._articles.invoke(query, config={"run_name": "articles"})
        }
        wanted = [hit for hit in hits.values() if filters.platform in (None, hit.metadata["platform"])]
        return self.rerank(question, wanted or list(hits.values()), k)

    @staticmethod
    @otel_llm.observe(capture=True)
    def rerank(question: str, hits: list[Document], keep_top_k: int) -> list[Document]:
        """Rank by common words, in place of a cross-encoder."""
        words = set(question.lower().split())
        return sorted(hits, key=lambda hit: -len(words & set(hit.page_content.lower().split())))[:keep_top_k]
