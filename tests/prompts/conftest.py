"""Prompts that the tests share, and local stand-ins for the providers."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from openai_clients import async_client, client, server, session_server
from otel_llm import Prompt
from otel_llm.prompts import known
from standin.sagemaker import SageMakerServer

__all__ = ["async_client", "client", "server", "session_server"]


@pytest.fixture
def rag() -> Prompt:
    return Prompt(
        "rag",
        "2",
        [
            {"role": "system", "content": "You answer in the voice of {who}."},
            {"role": "user", "content": "{question}"},
        ],
    )


@pytest.fixture
def ask() -> Prompt:
    return Prompt("ask", "7", "Answer briefly: {question}")


@pytest.fixture
def sagemaker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of ``sagemaker-runtime`` that calls a stand-in."""
    import boto3

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with SageMakerServer() as server:
        session = boto3.session.Session("x", "y", region_name="us-east-1")
        client = session.client("sagemaker-runtime", endpoint_url=server.url)
        yield client
        client.close()


@pytest.fixture(autouse=True)
def _nothing_of_ours_fails_or_stays(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG, "otel_llm")
    before = set(known.by_text)
    yield
    known.forget_recent()
    if set(known.by_text) - before:
        gc.collect()
    logged = [record.getMessage() for record in caplog.get_records("call") if record.name == "otel_llm"]
    assert [text for text in logged if "failed in" in text] == []
    assert set(known.by_text) - before == set()
