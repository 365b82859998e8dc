"""What no test here must see, and the policy of the environment again behind each."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from otel_llm.content.boundary import SHARED
from otel_llm.guardrails import running
from quietness import quiet

__all__ = ["quiet"]


@pytest.fixture(autouse=True)
def policy_of_the_environment() -> Iterator[None]:
    """The content policy of one test holds in no other."""
    yield
    SHARED.use(None)


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Lets functions go on that hang until the end of the test; they have threads of their own."""
    monkeypatch.setattr(running, "THREADS", running.TimeLimit("guardrail-test", running.MOST_THREADS))
    event = threading.Event()
    yield event
    event.set()
