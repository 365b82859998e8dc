"""A provider with an EvaluationSampler, and what the sampler stored; every item is held against its schema."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest
from evaluating import Evaluated

from openai_clients import client, server, session_server
from otel_llm import guard, sampled
from otel_llm.evaluation import sinks

__all__ = ["client", "server", "session_server"]


@pytest.fixture
def evaluated() -> Iterator[Callable[..., Evaluated]]:
    """Makes an :class:`Evaluated`, with what EvaluationSampler takes."""
    made: list[Evaluated] = []

    def make(*args: object, **kwargs: object) -> Evaluated:
        made.append(Evaluated(*args, **kwargs))
        return made[-1]

    yield make
    for one in made:
        one.provider.shutdown()
        one.check()


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.LogCaptureFixture]:
    """Nothing complains. Who provokes it ends with ``quiet.clear()``."""
    monkeypatch.setattr(guard, "_seen", set())
    monkeypatch.setattr(sinks, "_told", set())
    caplog.set_level(logging.WARNING)
    yield caplog
    said = [record for record in caplog.get_records("call") if record.name.startswith(("otel_llm", "opentelemetry"))]
    assert [f"{record.name}: {record.getMessage()}" for record in said] == []
    assert sampled.wanting == []
