"""An answer that costs something, and what its span says of that."""

from __future__ import annotations

from typing import Any

from standin.server import Reply

MESSAGES: Any = [{"role": "user", "content": "How late is it?"}]


def answer(model: str = "gpt-4o-2024-08-06", **fields: Any) -> Reply:
    usage = fields.pop("usage", {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200})
    choice = {"index": 0, "message": {"role": "assistant", "content": "Five."}, "finish_reason": "stop"}
    body = {"id": "c1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": usage}
    return Reply(body={**body, **fields})


def cost_of(attributes: Any) -> tuple[Any, ...]:
    return tuple(attributes.get(f"otel_llm.usage.cost.{name}") for name in ("amount", "currency", "source"))
