"""Sends what waits: before a worker is frozen, a notebook cell ends, or a process is killed."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

from opentelemetry import _logs, metrics, trace

from .. import guard
from ..background import deferred, finalizers, threads
from ..core import cancellation, listeners
from .installation import INSTALLATION


def flush(timeout: float = 5.0) -> bool:
    """Send all telemetry that waits: spans, metrics, logs, evaluation items, feedback and lines of the prompt log.

    It flushes the global providers and those that were passed to :func:`instrument`. It waits at most ``timeout``
    seconds in all, and returns whether everything was sent in that time. It would block an event loop: use
    ``await asyncio.to_thread(otel_llm.flush)`` there.

    :raises ValueError: if ``timeout`` is negative.
    """
    if timeout < 0:
        raise ValueError(f"timeout must be 0 or more seconds, not {timeout!r}")
    cancellation.settle(finally_=True)
    results: list[bool] = []
    done = threading.Event()
    # On a thread, because an exporter may wait for its backend longer than the timeout.
    threads.start("flush", _flush, monotonic() + timeout, results, done)
    return done.wait(timeout) and all(results)


def _flush(deadline: float, results: list[bool], done: threading.Event) -> None:
    try:
        finalizers.catch_up()
        results.append(bool(_guarded(listeners.SHARED.flush, max(deadline - monotonic(), 0.0))))
        if (feedback := sys.modules.get("otel_llm.manual.feedback.desk")) is not None:  # it becomes spans
            results.append(bool(_guarded(feedback.SHARED.flush, max(deadline - monotonic(), 0.0))))
        results.append(deferred.catch_up(max(deadline - monotonic(), 0.0)))
        results.extend(bool(_guarded(step, max(deadline - monotonic(), 0.0))) for step in _steps())
    except Exception as error:
        guard.report("flush", error)
        results.append(False)
    finally:
        done.set()


@guard.never_raise
def _guarded(step: Callable[[float], bool], seconds: float) -> bool:
    return step(seconds)


def _steps() -> list[Callable[[float], bool]]:
    """The functions that flush what may hold telemetry. Each takes the seconds that it may last."""
    providers: list[Any] = [
        trace.get_tracer_provider(),
        metrics.get_meter_provider(),
        _logs.get_logger_provider(),
        *(provider for provider in INSTALLATION.providers.values() if provider is not None),
    ]
    unique = {id(provider): provider for provider in providers if hasattr(provider, "force_flush")}
    steps: list[Callable[[float], bool]] = [_forced(provider) for provider in unique.values()]
    if (prompt_log := sys.modules.get("otel_llm.prompt_log")) is not None:
        steps.append(prompt_log.flush)
    if (upload := sys.modules.get("otel_llm.content.upload")) is not None:
        steps.append(upload.SHARED.flush)
    return steps


def _forced(provider: Any) -> Callable[[float], bool]:
    # A provider that is not the SDK's may return None.
    return lambda seconds: provider.force_flush(int(seconds * 1000)) is not False
