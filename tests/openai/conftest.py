"""A local stand-in for the provider, and clients that talk to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import openai
import pytest
from standin.openai import OpenAIServer


@pytest.fixture(scope="session")
def _server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def server(_server: OpenAIServer) -> Iterator[OpenAIServer]:
    """The stand-in; what it failed at fails the test."""
    yield _server
    assert _server.failures == []


@pytest.fixture
def client(server: OpenAIServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.base_url, api_key="sk-test-0123456789", max_retries=0) as client:
        yield client


@pytest.fixture
async def async_client(server: OpenAIServer) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=server.base_url, api_key="sk-test-0123456789", max_retries=0) as client:
        yield client
