"""LangChain's models set to local stand-ins, and traces as text."""

from __future__ import annotations

import gc
import importlib.util
import logging
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from opentelemetry import trace

if importlib.util.find_spec("langchain_core") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    from langchain_openai import ChatOpenAI

    from otel_llm.providers.langchain import LangChainInstrumentor
    from standin.openai import OpenAIServer


_timeouts = count()


@pytest.fixture(scope="session")
def _server() -> Iterator[Any]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def server(_server: Any) -> Iterator[Any]:
    """The stand-in for OpenAI; what it failed at fails the test."""
    _server.clear()
    yield _server
    assert _server.failures == []


@pytest.fixture
def openai(server: Any) -> dict[str, Any]:
    """What every model of langchain-openai is made with. It shares HTTP clients by timeout; a loop needs its own."""
    return {
        "timeout": 30 + next(_timeouts) / 1000,
        "base_url": server.base_url,
        "api_key": "sk-test-0123456789",
        "max_retries": 0,
    }


@pytest.fixture
def model(openai: dict[str, Any]) -> Any:
    return ChatOpenAI(model="gpt-4o-mini", **openai)


@pytest.fixture(autouse=True)
def _clean(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing of ours fails, no context is left current or fails to be taken back, and no run is left."""
    caplog.set_level(logging.DEBUG, "otel_llm")
    yield
    logged = [record.getMessage() for record in caplog.get_records("call")]
    assert [text for text in logged if "failed in" in text or "Failed to detach" in text or "callback:" in text] == []
    assert trace.get_current_span() is trace.INVALID_SPAN
    gc.collect()
    handler = LangChainInstrumentor().handler
    assert handler is None or len(handler.runs) == 0
