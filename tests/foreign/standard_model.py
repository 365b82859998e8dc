"""The standard tests of ``langchain-tests`` for a chat model, against a local server that speaks the protocol."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from standin.openai import OpenAIServer

_server = OpenAIServer()
_CLIENT: dict[str, Any] = {"api_key": "sk-test-0123456789", "max_retries": 0}


@pytest.fixture(scope="session", autouse=True)
def server() -> Iterator[OpenAIServer]:
    with _server:
        yield _server


class TestChat(ChatModelIntegrationTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "gpt-4o-mini", "base_url": _server.base_url, **_CLIENT}


class TestResponses(TestChat):
    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**super().chat_model_params, "use_responses_api": True}


class TestEmbeddings(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return OpenAIEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {
            "model": "text-embedding-3-small",
            "base_url": _server.base_url,
            "check_embedding_ctx_length": False,
            **_CLIENT,
        }
