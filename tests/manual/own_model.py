"""A model of the application's own, as several tests call it."""

from __future__ import annotations

from typing import Any

import otel_llm
import otel_llm.core.recording
from otel_llm import ContentCapture, Settings

ON_SPANS = Settings(capture_content=ContentCapture.SPAN_ONLY)
ON_BOTH = Settings(capture_content=ContentCapture.SPAN_AND_EVENT)
SERVER: dict[str, Any] = {"server_address": "models.example.com", "server_port": 443}
ASK: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}


def whole_chat(**request: Any) -> Any:
    return otel_llm.chat_span("llama", "own", **SERVER, **request)


def answer(call: Any, **more: Any) -> None:
    call.response(id="r-1", model="llama-3", finish_reason="stop", input_tokens=3, output_tokens=4, **more)
