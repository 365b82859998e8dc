"""The stand-in and its clients, and what every test of a promise must not see."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from exits import chunk
from opentelemetry import context, trace

from openai_clients import async_client, client, server, session_server
from otel_llm import config, guard
from standin.server import Reply, sse

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
def gate(server: Any, recorder: Any) -> Any:
    """The server sends one chunk, then waits at this gate."""
    recorder.missing |= {"gen_ai.response.id", "gen_ai.response.model", "openai.response.service_tier"}
    recorder.missing |= {
        "gen_ai.response.time_to_first_chunk",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
    }
    gate = server.hold()
    server.reply_with(Reply(chunks=sse(chunk("Pa"), gate, chunk("ris"), chunk(None, "stop"))))
    yield gate
    gate.open()
