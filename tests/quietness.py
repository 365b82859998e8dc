"""What no test of a promise must see: a fixture that a conftest imports."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from opentelemetry import context, trace

from otel_llm import guard
from otel_llm.background import deferred
from otel_llm.config import warnings
from otel_llm.content.values import notices


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.LogCaptureFixture]:
    """Neither we nor OpenTelemetry complain, and nothing stays current. Who provokes it ends with ``quiet.clear()``."""
    monkeypatch.setattr(guard, "REPORTED", guard.Once())
    monkeypatch.setattr(warnings, "WARNED", guard.Once())
    monkeypatch.setattr(notices, "_told", guard.Once())
    caplog.set_level(logging.WARNING)
    yield caplog
    deferred.catch_up()
    said = [record for record in caplog.get_records("call") if record.name.startswith(("otel_llm", "opentelemetry"))]
    assert [f"{record.name}: {record.getMessage()}" for record in said] == []
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert context.get_current() == {}
