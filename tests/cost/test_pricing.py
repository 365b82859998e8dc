"""Costs of calls on their spans and in metrics: where they come from, and where there is none."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from priced_answers import MESSAGES, answer, cost_of

import otel_llm
from standin.server import Reply, sse


def test_a_call_has_its_list_price(costs: Any, at: Any, server: Any) -> None:
    costs.on()
    server.reply_with(answer())

    at().chat.completions.create(model="gpt-4o", messages=MESSAGES)

    assert cost_of(costs.last) == (0.0045, "USD", "local")


@pytest.mark.parametrize("host", ["localhost", "gateway.example.com", "eu.api.openai.com", "api.openai.com.proxy.corp"])
def test_another_host_is_not_paid_like_the_vendor(costs: Any, at: Any, server: Any, host: str) -> None:
    costs.on()
    server.reply_with(answer())

    at(host).chat.completions.create(model="gpt-4o", messages=MESSAGES)

    assert cost_of(costs.last) == (None, None, None)
    assert costs.unpriced == {"unknown_host": 1}


def test_an_answer_tells_what_it_cost(costs: Any, at: Any, server: Any) -> None:
    costs.on()
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12, "cost": 0.00014}
    server.reply_with(answer("openai/gpt-4o", usage=usage))

    at("openrouter.ai").chat.completions.create(model="openai/gpt-4o", messages=MESSAGES)

    assert cost_of(costs.last) == (0.00014, "USD", "provider")
    assert costs.unpriced == {}


def test_no_cost_without_the_setting(lenient: Any, client: openai.OpenAI) -> None:
    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)

    assert cost_of(lenient.attributes) == (None, None, None)
    assert lenient.points("otel_llm.client.unpriced_calls") == []


# --- what the answer tells ------------------------------------------------------------------------


def test_a_gateway_tells_it_in_a_header(costs: Any, at: Any, server: Any) -> None:
    costs.on()
    client = at("litellm.example.com")
    server.reply_with(Reply(body=answer().body, headers={"x-litellm-response-cost": "0.00123"}), answer())

    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert cost_of(costs.last) == (0.00123, "USD", "provider")

    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)  # the header is of the first answer only
    assert cost_of(costs.last) == (None, None, None)


async def test_a_gateway_tells_it_in_a_header_of_its_own(costs: Any, async_client: Any, server: Any) -> None:
    costs.on(cost_headers=frozenset({"x-price"}))
    server.reply_with(Reply(body=answer().body, headers={"X-Price": "0.5"}))

    await async_client.chat.completions.create(model="gpt-4o", messages=MESSAGES)

    assert cost_of(costs.last) == (0.5, "USD", "provider")


@pytest.mark.parametrize("told", ["0", "0.0", "-1", "nan", "inf", "much"])
def test_a_gateway_that_knows_no_price_is_not_believed(costs: Any, client: Any, server: Any, told: str) -> None:
    costs.on()
    server.reply_with(Reply(body=answer().body, headers={"x-litellm-response-cost": told}))

    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)

    assert cost_of(costs.last) == (None, None, None)


def test_raw_and_streamed_answers_have_the_header_too(costs: Any, client: Any, server: Any) -> None:
    costs.on()
    headers = {"x-litellm-response-cost": "0.25"}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": []}
    server.reply_with(Reply(body=answer().body, headers=headers), Reply(chunks=sse(chunk), headers=headers))

    client.chat.completions.with_raw_response.create(model="gpt-4o", messages=MESSAGES)
    assert cost_of(costs.last)[0] == 0.25
    list(client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True))
    assert cost_of(costs.last)[0] == 0.25


@pytest.mark.parametrize(
    ("usage", "amount"),
    [
        ({"cost": {"input_tokens_cost": 0.1, "total_cost": 0.3}}, 0.3),
        ({"cost_in_usd_ticks": 37_756_000}, 0.0037756),
        ({"cost": 0}, 0.0),
        ({"cost": "free"}, None),
        ({"cost": -1.0}, None),
    ],
)
def test_amounts_in_a_usage(costs: Any, client: Any, server: Any, usage: Any, amount: float | None) -> None:
    costs.on()
    server.reply_with(answer(usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, **usage}))

    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)

    assert cost_of(costs.last)[0] == amount


@pytest.mark.parametrize(("currency", "recorded"), [("eur", (1.5, "EUR", "provider")), ("Euro", (None,) * 3)])
def test_a_currency_is_one(costs: Any, currency: str, recorded: Any, quiet: Any) -> None:
    costs.on()

    with otel_llm.chat_span("m", "acme", server_address="h") as span:
        span.response("Five.", cost=1.5, currency=currency)

    assert cost_of(costs.last) == recorded
    assert ("ISO 4217" in quiet.text) == (recorded[0] is None)
    quiet.clear()


def test_a_manual_span_says_what_it_cost(costs: Any) -> None:
    costs.on()
    with otel_llm.chat_span("m", "acme") as span:
        span.response("Five.", input_tokens=1, output_tokens=1, cost=0.02, currency="EUR")

    assert cost_of(costs.last) == (0.02, "EUR", "provider")


# --- what has no price ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"model": "gpt-99"}, "unknown_model"),
        ({"service_tier": "scale"}, "unknown_tier"),
        ({"usage": None}, "no_usage"),
        (
            {
                "model": "gpt-4",
                "usage": {
                    "prompt_tokens": 10,
                    "completion_tokens": 1,
                    "total_tokens": 11,
                    "prompt_tokens_details": {"audio_tokens": 5},
                },
            },
            "unknown_kind",
        ),
        (
            {
                "usage": {
                    "prompt_tokens": 10,
                    "completion_tokens": 1,
                    "total_tokens": 11,
                    "prompt_tokens_details": {"cached_tokens": 50},
                },
            },
            "bad_usage",
        ),
    ],
)
def test_what_is_not_known_is_not_guessed(costs: Any, at: Any, server: Any, fields: Any, reason: str) -> None:
    costs.on()
    server.reply_with(answer(**fields))

    at().chat.completions.create(model=fields.get("model", "gpt-4o"), messages=MESSAGES)

    assert cost_of(costs.last) == (None, None, None)
    assert costs.unpriced == {reason: 1}


def test_a_stream_that_is_left_early_is_billed_but_not_known(costs: Any, at: Any) -> None:
    costs.on()
    with at().chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True) as stream:
        next(iter(stream))

    assert cost_of(costs.last) == (None, None, None)
    assert costs.unpriced == {"cut_off": 1}


def test_a_call_that_fails_is_not_billed(costs: Any, at: Any, server: Any) -> None:
    costs.on()
    server.reply_with(Reply(status=429, body={"error": {"message": "no", "code": "rate_limit"}}))

    with pytest.raises(openai.RateLimitError):
        at().chat.completions.create(model="gpt-4o", messages=MESSAGES)

    assert cost_of(costs.last) == (None, None, None)
    assert costs.unpriced == {}


def test_agents_and_workflows_have_no_cost_of_their_own(costs: Any, at: Any, lenient: Any) -> None:
    costs.on()
    with otel_llm.workflow_span("twin"), otel_llm.agent_span("researcher"):
        at().chat.completions.create(model="gpt-4o", messages=MESSAGES)

    assert otel_llm.flush()
    priced = [span.name for span in lenient.spans if cost_of(span.attributes) != (None, None, None)]
    assert priced == ["chat gpt-4o"]


def test_a_background_response_is_priced_where_its_answer_is_fetched(
    costs: Any, at: Any, server: Any, table: Any
) -> None:
    costs.on(table("models: [{model: gpt-5*, input: 2, output: 8, tiers: {2h: {input: 1, output: 4}}}]"))
    client = at()
    usage = {"input_tokens": 100_000, "output_tokens": 50_000, "total_tokens": 150_000}
    body: Any = {"id": "r1", "object": "response", "created_at": 1, "model": "gpt-5", "background": True}
    body |= {"output": [], "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    done = Reply(body={**body, "status": "completed", "usage": usage})
    server.reply_with(Reply(body={**body, "status": "queued", "usage": None}), done, done)

    client.responses.create(model="gpt-5", input="Hi", background=True, background_options={"completion_window": "2h"})
    assert costs.unpriced == {"pending": 1}
    client.responses.retrieve("r1")
    assert cost_of(costs.last) == (0.3, "USD", "local")
    client.responses.retrieve("r1")
    assert cost_of(costs.last) == (None, None, None)  # it is billed once


def test_of_too_many_background_responses_the_oldest_is_forgotten(
    costs: Any, at: Any, server: Any, table: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("otel_llm.cost.pricing._MAX_PENDING", 2)
    costs.on(table("models: [{model: gpt-5*, input: 2, output: 8}]"))
    client = at()
    body: Any = {"object": "response", "created_at": 1, "model": "gpt-5", "background": True}
    body |= {"output": [], "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    usage = {"input_tokens": 100_000, "output_tokens": 50_000, "total_tokens": 150_000}
    for name in ("r1", "r2", "r3"):
        server.reply_with(Reply(body={**body, "id": name, "status": "queued", "usage": None}))
        client.responses.create(model="gpt-5", input="Hi", background=True)
        assert otel_llm.flush()

    for name, amount in (("r1", None), ("r2", 0.6), ("r3", 0.6)):
        server.reply_with(Reply(body={**body, "id": name, "status": "completed", "usage": usage}))
        client.responses.retrieve(name)
        assert cost_of(costs.last)[0] == amount


def test_a_response_whose_stream_was_left_is_priced_where_its_answer_is_fetched(
    costs: Any, at: Any, server: Any, table: Any
) -> None:
    costs.on(table("models: [{model: gpt-5*, input: 2, output: 8}]"))
    client = at()
    usage = {"input_tokens": 100_000, "output_tokens": 50_000, "total_tokens": 150_000}
    body: Any = {"id": "r1", "object": "response", "created_at": 1, "model": "gpt-5", "background": True}
    body |= {"output": [], "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    created = {"type": "response.created", "sequence_number": 0, "response": {**body, "status": "queued"}}
    waiting = {"type": "response.queued", "sequence_number": 1, "response": {**body, "status": "queued"}}
    server.reply_with(Reply(chunks=sse(created, waiting)), Reply(body={**body, "status": "completed", "usage": usage}))

    stream = client.responses.create(model="gpt-5", input="Hi", background=True, stream=True)
    next(iter(stream))
    stream.close()
    assert costs.unpriced == {"cut_off": 1}
    client.responses.retrieve("r1")

    assert cost_of(costs.last) == (0.6, "USD", "local")


@pytest.mark.parametrize(("price", "amount"), [("web_search: 10, ", 0.0203), ("", None)])
def test_searches_of_the_web_cost_beside_the_tokens(
    costs: Any, at: Any, server: Any, table: Any, price: str, amount: float | None
) -> None:
    """(100 x 1 + 100 x 2) / 1,000,000 + 2 x 10 / 1,000 = 0.0203"""
    costs.on(table(f"models: [{{model: gpt-5*, {price}input: 1, output: 2}}]"))
    search = {"type": "web_search_call", "id": "w", "status": "completed", "action": {"type": "search", "query": "x"}}
    body: Any = {"id": "r1", "object": "response", "created_at": 1, "model": "gpt-5", "status": "completed"}
    body |= {"output": [search, search], "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    usage = {"input_tokens": 100, "output_tokens": 100, "total_tokens": 200}
    server.reply_with(Reply(body={**body, "usage": usage}))

    at().responses.create(model="gpt-5", input="Hi")

    assert cost_of(costs.last)[0] == amount
    assert costs.unpriced == ({} if amount else {"unknown_kind": 1})


def test_an_amount_that_the_answer_tells_includes_its_searches(costs: Any, client: Any, server: Any) -> None:
    costs.on()
    search = {"type": "web_search_call", "id": "w", "status": "completed", "action": {"type": "search", "query": "x"}}
    body: Any = {"id": "r1", "object": "response", "created_at": 1, "model": "grok", "status": "completed"}
    body |= {"output": [search], "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2, "cost_in_usd_ticks": 10**9}
    server.reply_with(Reply(body={**body, "usage": usage}))

    client.responses.create(model="grok", input="Hi")

    assert cost_of(costs.last) == (0.1, "USD", "provider")
