"""A local stand-in for the provider, and clients that talk to it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest
from either import Either

from openai_clients import API_KEY, async_client, client, server, session_server
from standin.openai import OpenAIServer

__all__ = ["async_client", "client", "server", "session_server"]


@pytest.fixture(params=["sync", "async"])
async def api(request: pytest.FixtureRequest, server: OpenAIServer) -> AsyncIterator[Either]:
    """Both kinds of client behind one face; each test that takes it runs twice."""
    kind: Any = openai.OpenAI if request.param == "sync" else openai.AsyncOpenAI
    api = Either(kind(base_url=server.base_url, api_key=API_KEY, max_retries=0))
    yield api
    await api(lambda client: client.close())


@pytest.fixture(autouse=True)
def _nothing_of_ours_fails(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """An error of ours that was swallowed fails the test; one that means to provoke it ends with ``caplog.clear()``."""
    caplog.set_level(logging.DEBUG, "otel_llm")
    yield
    logged = [record for record in caplog.get_records("call") if record.name == "otel_llm"]
    assert [record.getMessage() for record in logged if "failed in" in record.getMessage()] == []
