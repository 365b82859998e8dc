"""A local stand-in for the provider, and clients that talk to it: fixtures that a conftest imports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import openai
import pytest

from standin.openai import OpenAIServer

API_KEY = "sk-test-0123456789abcdef"


@pytest.fixture(scope="session")
def session_server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def server(session_server: OpenAIServer) -> Iterator[OpenAIServer]:
    """The stand-in; what it failed at fails the test."""
    session_server.clear()
    yield session_server
    assert session_server.failures == []


@pytest.fixture
def client(server: OpenAIServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.base_url, api_key=API_KEY, max_retries=0) as client:
        yield client


@pytest.fixture
async def async_client(server: OpenAIServer) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=server.base_url, api_key=API_KEY, max_retries=0) as client:
        yield client
