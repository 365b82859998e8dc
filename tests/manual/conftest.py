"""What every test of the manual API must not see, and what several share."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import context, trace

from openai_clients import async_client, client, server, session_server
from otel_llm import config, guard

__all__ = ["async_client", "client", "server", "session_server"]


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.LogCaptureFixture]:
    """Neither we nor OpenTelemetry complain, and nothing stays current. Who provokes it ends with ``quiet.clear()``."""
    monkeypatch.setattr(guard, "_seen", set())
    monkeypatch.setattr(config, "_told", set())
    caplog.set_level(logging.WARNING)
    yield caplog
    said = [record for record in caplog.get_records("call") if record.name.startswith(("otel_llm", "opentelemetry"))]
    assert [f"{record.name}: {record.getMessage()}" for record in said] == []
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert context.get_current() == {}


@pytest.fixture
def lenient(recorder: Any) -> Any:
    """A recorder for spans of which the test tells no more than it needs."""
    recorder.missing |= {
        "gen_ai.embeddings.dimension.count",
        "gen_ai.request.encoding_formats",
        "gen_ai.response.finish_reasons",
        "gen_ai.response.id",
        "gen_ai.response.model",
        "gen_ai.response.time_to_first_chunk",
        "gen_ai.retrieval.top_k",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "openai.response.service_tier",
        "server.address",
        "server.port",
    }
    return recorder
