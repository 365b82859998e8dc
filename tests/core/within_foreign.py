"""Calls of openai's SDK inside of other libraries' spans."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from foreign_tracer import Framework

CHAT: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
STREAM: dict[str, Any] = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
OURS = "otel_llm.openai"
CHUNKS = "gen_ai.client.operation.time_per_output_chunk"


@pytest.fixture
def said(quiet: pytest.LogCaptureFixture) -> Any:
    """What we said of other libraries' spans, which is no complaint; all else that is logged fails the test."""
    messages: list[str] = []

    class Keep(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            if "OTEL_LLM_FOREIGN_SPANS" not in record.getMessage():
                return True
            messages.append(record.getMessage())
            return False

    logger, keep = logging.getLogger("otel_llm"), Keep()
    logger.addFilter(keep)
    yield messages
    logger.removeFilter(keep)


@pytest.fixture
def framework(lenient: Any) -> Framework:
    return Framework(lenient)


def sums(recorder: Any, name: str) -> dict[str, float]:
    """What was recorded under ``name``, by scope."""
    found: dict[str, float] = {}
    for resource in recorder.metrics.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                if metric.name == name:
                    found[scope.scope.name] = sum(point.count for point in metric.data.data_points)
    return found


def scopes(recorder: Any) -> list[str]:
    return [span.instrumentation_scope.name for span in recorder.spans]
