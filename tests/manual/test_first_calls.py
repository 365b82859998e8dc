"""The first calls of a process, from several threads at once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import context as otel_context

from otel_llm.core.telemetry import Telemetry
from otel_llm.manual import scope


def test_the_first_calls_of_many_threads_share_one_telemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    ready, made = threading.Barrier(10), []

    def slowly(*args: Any, **kwargs: Any) -> Telemetry:
        time.sleep(0.02)
        made.append(Telemetry(*args, **kwargs))
        return made[-1]

    def call() -> None:
        ready.wait()
        shared.listening(otel_context.get_current())

    shared = scope.ManualTelemetry()
    monkeypatch.setattr(scope, "Telemetry", slowly)
    with ThreadPoolExecutor(10) as threads:
        for called in [threads.submit(call) for _ in range(10)]:
            called.result()
    assert len(made) == 1
