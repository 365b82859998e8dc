"""Requests and answers of layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from otel_llm.content.messages import text
from otel_llm.core.request import Request, Response


def ask(operation: str = "chat", model: str = "m", **attributes: Any) -> Request:
    named = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": "test",
        "gen_ai.request.model": model,
    }
    return Request(operation, model, named | attributes)


def said(words: str) -> Callable[[], list[Any]]:
    return lambda: [{"role": "assistant", "parts": [text(words)], "finish_reason": "stop"}]


def answer(words: str = "Paris", **fields: Any) -> Response:
    usage = {"gen_ai.usage.input_tokens": 3, "gen_ai.usage.output_tokens": 4}
    return Response(
        **{"id": "r-1", "model": "m-1", "finish_reasons": ["stop"], "usage": usage, "output": said(words)} | fields
    )
