"""One call of the core by itself, and its answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from otel_llm import Settings
from otel_llm.content.messages import Content, text
from otel_llm.core import nesting
from otel_llm.core.listeners import SHARED, Listeners
from otel_llm.core.request import Request, Response
from otel_llm.core.telemetry import Telemetry

PROMPT, ANSWER = "What is the capital of France?", "It is Paris."


@pytest.fixture
def begin(lenient: Any) -> Callable[..., Any]:
    """Start a call with these settings; ``logs=False``: nobody takes log records."""

    def begin(
        logs: bool = True, attributes: dict[str, Any] | None = None, listeners: Listeners = SHARED, **settings: Any
    ) -> Any:
        telemetry = Telemetry(
            "otel_llm.test",
            Settings(**settings),
            lenient.tracer_provider,
            lenient.meter_provider,
            lenient.logger_provider if logs else None,
            listeners,
        )
        named = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "test", "gen_ai.request.model": "m"}
        messages = [{"role": "user", "parts": [text(PROMPT)]}]
        request = Request("chat", "m", named | (attributes or {}), content=lambda: Content(messages=messages))
        return nesting.start(telemetry, request)

    return begin


def answer(tokens: int | None = None) -> Response:
    message = {"role": "assistant", "parts": [text(ANSWER)], "finish_reason": "stop"}
    usage = {} if tokens is None else {"gen_ai.usage.output_tokens": tokens}
    return Response("r-1", "m-1", ["stop"], usage, output=lambda: [message])
