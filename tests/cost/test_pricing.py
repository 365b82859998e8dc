"""Costs of calls on their spans and in metrics: where they come from, and where there is none."""

from __future__ import annotations

import asyncio
import os
import threading
from datetime import UTC, datetime
from time import time_ns
from typing import Any

import openai
import pytest

import otel_llm
from interpreter import python
from otel_llm import semconv as s
from otel_llm.cost import IN_FORCE
from otel_llm.cost.book import Book
from otel_llm.cost.listed import ListPrices
from otel_llm.cost.sheet import Rates
from otel_llm.cost.table import Query, Table
from standin.server import Reply, sse

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


# --- what the answer tells ------------------------------------------------------------------------


def test_a_gateway_tells_it_in_a_header(costs: Any, at: Any, server: Any) -> None:
    costs.on()
    client = at("litellm.example.com")
    server.reply_with(Reply(body=_answer().body, headers={"x-litellm-response-cost": "0.00123"}), _answer())

    client.chat.completions.create(model="gpt-4o", messages=_MESSAGES)
    assert _cost(costs.last) == (0.00123, "USD", "provider")

    client.chat.completions.create(model="gpt-4o", messages=_MESSAGES)  # the header is of the first answer only
    assert _cost(costs.last) == (None, None, None)


async def test_a_gateway_tells_it_in_a_header_of_its_own(costs: Any, async_client: Any, server: Any) -> None:
    costs.on(cost_headers=frozenset({"x-price"}))
    server.reply_with(Reply(body=_answer().body, headers={"X-Price": "0.5"}))

    await async_client.chat.completions.create(model="gpt-4o", messages=_MESSAGES)

    assert _cost(costs.last) == (0.5, "USD", "provider")


@pytest.mark.parametrize("told", ["0", "0.0", "-1", "nan", "inf", "much"])
def test_a_gateway_that_knows_no_price_is_not_believed(costs: Any, client: Any, server: Any, told: str) -> None:
    costs.on()
    server.reply_with(Reply(body=_answer().body, headers={"x-litellm-response-cost": told}))

    client.chat.completions.create(model="gpt-4o", messages=_MESSAGES)

    assert _cost(costs.last) == (None, None, None)


def test_raw_and_streamed_answers_have_the_header_too(costs: Any, client: Any, server: Any) -> None:
    costs.on()
    headers = {"x-litellm-response-cost": "0.25"}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": []}
    server.reply_with(Reply(body=_answer().body, headers=headers), Reply(chunks=sse(chunk), headers=headers))

    client.chat.completions.with_raw_response.create(model="gpt-4o", messages=_MESSAGES)
    assert _cost(costs.last)[0] == 0.25
    list(client.chat.completions.create(model="gpt-4o", messages=_MESSAGES, stream=True))
    assert _cost(costs.last)[0] == 0.25


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
    server.reply_with(_answer(usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, **usage}))

    client.chat.completions.create(model="gpt-4o", messages=_MESSAGES)

    assert _cost(costs.last)[0] == amount


def test_a_manual_span_says_what_it_cost(costs: Any) -> None:
    costs.on()
    with otel_llm.chat_span("m", "acme") as span:
        span.response("Five.", input_tokens=1, output_tokens=1, cost=0.02, currency="EUR")

    assert _cost(costs.last) == (0.02, "EUR", "provider")


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
    server.reply_with(_answer(**fields))

    at().chat.completions.create(model=fields.get("model", "gpt-4o"), messages=_MESSAGES)

    assert _cost(costs.last) == (None, None, None)
    assert costs.unpriced == {reason: 1}


def test_a_stream_that_is_left_early_is_billed_but_not_known(costs: Any, at: Any) -> None:
    costs.on()
    with at().chat.completions.create(model="gpt-4o", messages=_MESSAGES, stream=True) as stream:
        next(iter(stream))

    assert _cost(costs.last) == (None, None, None)
    assert costs.unpriced == {"cut_off": 1}


def test_a_call_that_fails_is_not_billed(costs: Any, at: Any, server: Any) -> None:
    costs.on()
    server.reply_with(Reply(status=429, body={"error": {"message": "no", "code": "rate_limit"}}))

    with pytest.raises(openai.RateLimitError):
        at().chat.completions.create(model="gpt-4o", messages=_MESSAGES)

    assert _cost(costs.last) == (None, None, None)
    assert costs.unpriced == {}


def test_agents_and_workflows_have_no_cost_of_their_own(costs: Any, at: Any, lenient: Any) -> None:
    costs.on()
    with otel_llm.workflow_span("twin"), otel_llm.agent_span("researcher"):
        at().chat.completions.create(model="gpt-4o", messages=_MESSAGES)

    assert otel_llm.flush()
    priced = [span.name for span in lenient.spans if _cost(span.attributes) != (None, None, None)]
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
    assert _cost(costs.last) == (0.3, "USD", "local")
    client.responses.retrieve("r1")
    assert _cost(costs.last) == (None, None, None)  # it is billed once


# --- the user's table -----------------------------------------------------------------------------


def test_an_entry_without_a_host_is_for_the_vendor_s_only(costs: Any, at: Any, server: Any, table: Any) -> None:
    costs.on(table("models: [{model: llama, host: 'vllm.*', input: 1, output: 1}, {model: '*', input: 9, output: 9}]"))
    for host in ("vllm.internal", "elsewhere.example.com"):
        server.reply_with(_answer("llama"))
        at(host).chat.completions.create(model="llama", messages=_MESSAGES)
    server.reply_with(_answer("llama"))
    at("api.openai.com").chat.completions.create(model="llama", messages=_MESSAGES)

    assert otel_llm.flush()
    assert _cost(costs.last)[0] == 0.0108
    assert costs.unpriced == {"unknown_host": 1}


def test_prices_have_dates_and_long_contexts_steps(table: Any) -> None:
    entries = Table.load(
        table(
            """
            models:
              - {model: m, until: 2026-01-01, input: 1, output: 1}
              - {model: m, from: 2026-01-01, input: 2, output: 4, above: {200000: {input: 4, output: 6}}}
            """
        )
    )
    query = Query("openai", ("m",))

    def cost(day: datetime, tokens: int) -> Any:
        resolution = Book(entries).resolve(query, round(day.timestamp()) * 10**9)
        assert resolution.sheet is not None
        assert resolution.period[0] <= day.timestamp() * 10**9 < resolution.period[1]
        return Rates(resolution.sheet).charge({s.USAGE_INPUT_TOKENS: tokens, s.USAGE_OUTPUT_TOKENS: 0})

    assert cost(datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC), 100_000) == 0.1
    assert cost(datetime(2026, 1, 1, tzinfo=UTC), 200_000) == 0.4
    assert cost(datetime(2026, 1, 1, tzinfo=UTC), 200_001) == 0.800004


def test_a_discount_is_off_the_list_price(costs: Any, at: Any, server: Any, table: Any) -> None:
    costs.on(table("models: [{model: gpt-4o*, discount: 20%}]"))
    server.reply_with(_answer())

    at().chat.completions.create(model="gpt-4o", messages=_MESSAGES)

    assert _cost(costs.last) == (0.0036, "USD", "local")


def test_list_prices_have_a_history() -> None:
    listed = ListPrices()
    for day, price in ((datetime(2025, 6, 9, tzinfo=UTC), "10"), (datetime(2025, 6, 10, tzinfo=UTC), "2")):
        listing = listed.find(Query("openai", ("o3",)), round(day.timestamp()) * 10**9)
        assert listing.sheet is not None
        assert str(listing.sheet.prices["input"]) == price
        assert listing.period[0] <= day.timestamp() * 10**9 < listing.period[1]


# --- when it is looked up -------------------------------------------------------------------------


async def test_a_price_is_looked_up_once_and_never_on_the_loop(
    costs: Any, async_client: Any, table: Any, monkeypatch: Any, lenient: Any
) -> None:
    costs.on(table("models: [{model: '*', host: '*', input: 1, output: 1}]"))
    threads = []
    resolve = Book.resolve

    def watched(book: Book, query: Query, at_ns: int) -> Any:
        threads.append(threading.current_thread())
        return resolve(book, query, at_ns)

    monkeypatch.setattr(Book, "resolve", watched)
    for _ in range(3):
        await async_client.chat.completions.create(model="gpt-4o", messages=_MESSAGES)
        assert await asyncio.to_thread(otel_llm.flush)

    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
    assert all(_cost(span.attributes)[0] for span in lenient.spans)


def test_the_first_call_ends_when_it_ended(costs: Any, at: Any, server: Any, lenient: Any, durations: Any) -> None:
    """Though its span is handed on later, when its price is known."""
    costs.on()
    before = time_ns()
    at().chat.completions.create(model="gpt-4o", messages=_MESSAGES)
    after = time_ns()

    assert _cost(costs.last)[0]
    assert before <= lenient.span.start_time <= lenient.span.end_time <= after
    assert durations() == []


def test_a_table_that_changes_is_taken_over(costs: Any, at: Any, server: Any, table: Any, caplog: Any) -> None:
    path = table("models: [{model: gpt-4o, input: 1, output: 1}]")
    costs.on(path)
    client = at()

    def ask() -> Any:
        server.reply_with(_answer("gpt-4o"))
        client.chat.completions.create(model="gpt-4o", messages=_MESSAGES)
        IN_FORCE.look_now()
        return _cost(costs.last)[0]

    assert ask() == 0.0012
    table("models: [{model: gpt-4o, input: 20, output: 20}]")
    ask()
    assert ask() == 0.024
    table("models: [{model: gpt-4o, input: much}]")
    assert [ask(), ask(), ask()] == [0.024] * 3
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "entry 1: input must be a price, not 'much'; the last good table stays in force" in record.getMessage()
    table("models: [{model: gpt-4o, input: 300, output: 300}]")
    ask()
    assert ask() == 0.36


def test_nothing_is_imported_when_it_is_off() -> None:
    program = "import otel_llm, sys; otel_llm.instrument(); print([m for m in sys.modules if 'otel_llm.cost' in m "
    program += "or 'genai_prices' in m])"

    assert python("-c", program).stdout.strip() == "[]"


_SHORT_PROGRAM = """
import os, sys, threading
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
import otel_llm

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(
    ConsoleSpanExporter(formatter=lambda span: f"{span.name} {span.attributes.get(AMOUNT)}\\n")))
otel_llm.instrument(settings=otel_llm.Settings(cost=True), tracer_provider=provider)
AMOUNT = "otel_llm.usage.cost.amount"


def ask():
    with otel_llm.chat_span("gpt-4o", "openai") as span:
        span.response("Five.", input_tokens=1000, output_tokens=200)


"""


def test_the_first_call_of_a_short_program_has_its_price() -> None:
    """The program ends while the prices are being loaded."""
    assert python("-c", f"{_SHORT_PROGRAM}ask()").stdout == "chat gpt-4o 0.0045\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_process_prices_its_own_calls() -> None:
    program = f"""{_SHORT_PROGRAM}
ask()
child = os.fork()
if not child:
    ask()
    assert otel_llm.flush(20)
    os._exit(0)
os.waitpid(child, 0)
"""
    assert python("-c", program).stdout == "chat gpt-4o 0.0045\n" * 2
