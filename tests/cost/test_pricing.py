"""Costs of calls on their spans and in metrics: where they come from, and where there is none."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from standin.server import Reply

_MESSAGES: Any = [{"role": "user", "content": "How late is it?"}]


def _answer(model: str = "gpt-4o-2024-08-06", **fields: Any) -> Reply:
    usage = fields.pop("usage", {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200})
    choice = {"index": 0, "message": {"role": "assistant", "content": "Five."}, "finish_reason": "stop"}
    body = {"id": "c1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": usage}
    return Reply(body={**body, **fields})


def _cost(attributes: Any) -> tuple[Any, ...]:
    return tuple(attributes.get(f"otel_llm.usage.cost.{name}") for name in ("amount", "currency", "source"))


def test_a_call_has_its_list_price(costs: Any, at: Any, server: Any) -> None:
    costs.on()
    server.reply_with(_answer())

    at().chat.completions.create(model="gpt-4o", messages=_MESSAGES)

    assert _cost(costs.last) == (0.0045, "USD", "local")


@pytest.mark.parametrize("host", ["localhost", "gateway.example.com", "eu.api.openai.com"])
def test_another_host_is_not_paid_like_the_vendor(costs: Any, at: Any, server: Any, host: str) -> None:
    costs.on()
    server.reply_with(_answer())

    at(host).chat.completions.create(model="gpt-4o", messages=_MESSAGES)

    assert _cost(costs.last) == (None, None, None)
    assert costs.unpriced == {"unknown_host": 1}


def test_an_answer_tells_what_it_cost(costs: Any, at: Any, server: Any) -> None:
    costs.on()
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12, "cost": 0.00014}
    server.reply_with(_answer("openai/gpt-4o", usage=usage))

    at("openrouter.ai").chat.completions.create(model="openai/gpt-4o", messages=_MESSAGES)

    assert _cost(costs.last) == (0.00014, "USD", "provider")
    assert costs.unpriced == {}


def test_no_cost_without_the_setting(lenient: Any, client: openai.OpenAI) -> None:
    client.chat.completions.create(model="gpt-4o", messages=_MESSAGES)

    assert _cost(lenient.attributes) == (None, None, None)
    assert lenient.points("otel_llm.client.unpriced_calls") == []
