"""The user's table and the list prices: what they say of a call, and when they are read."""

from __future__ import annotations

import asyncio
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from time import time, time_ns
from typing import Any

import pytest
from priced_answers import MESSAGES, answer, cost_of

import otel_llm
from interpreter import python
from otel_llm import semconv as s
from otel_llm.cost import IN_FORCE
from otel_llm.cost.book import Book
from otel_llm.cost.listed import ListPrices
from otel_llm.cost.matching import Query
from otel_llm.cost.sheet import Rates
from otel_llm.cost.table import Table

# --- the user's table -----------------------------------------------------------------------------


def test_an_entry_without_a_host_is_for_the_vendor_s_only(costs: Any, at: Any, server: Any, table: Any) -> None:
    costs.on(table("models: [{model: llama, host: 'vllm.*', input: 1, output: 1}, {model: '*', input: 9, output: 9}]"))
    for host in ("vllm.internal", "elsewhere.example.com"):
        server.reply_with(answer("llama"))
        at(host).chat.completions.create(model="llama", messages=MESSAGES)
    server.reply_with(answer("llama"))
    at("api.openai.com").chat.completions.create(model="llama", messages=MESSAGES)

    assert otel_llm.flush()
    assert cost_of(costs.last)[0] == 0.0108
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
    server.reply_with(answer())

    at().chat.completions.create(model="gpt-4o", messages=MESSAGES)

    assert cost_of(costs.last) == (0.0036, "USD", "local")


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
        await async_client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
        assert await asyncio.to_thread(otel_llm.flush)

    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
    assert all(cost_of(span.attributes)[0] for span in lenient.spans)


def test_the_first_call_ends_when_it_ended(costs: Any, at: Any, server: Any, lenient: Any, durations: Any) -> None:
    """Though its span is handed on later, when its price is known."""
    costs.on()
    before = time_ns()
    at().chat.completions.create(model="gpt-4o", messages=MESSAGES)
    after = time_ns()

    assert cost_of(costs.last)[0]
    assert before <= lenient.span.start_time <= lenient.span.end_time <= after
    assert durations() == []


def test_a_table_that_changes_is_taken_over(costs: Any, at: Any, server: Any, table: Any, caplog: Any) -> None:
    path = table("models: [{model: gpt-4o, input: 1, output: 1}]")
    costs.on(path)
    client = at()

    def ask() -> Any:
        server.reply_with(answer("gpt-4o"))
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
        IN_FORCE.look_now()
        return cost_of(costs.last)[0]

    assert ask() == 0.0012
    table("models: [{model: gpt-4o, input: 20, output: 20}]")
    ask()
    assert ask() == 0.024
    broken = Path(table("models: [{model: gpt-4o, input: much}]"))
    os.utime(broken, (time() - 60, time() - 60))  # it is not being written any more
    assert [ask(), ask(), ask()] == [0.024] * 3
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "entry 1: input must be a price, not 'much'; the last good table stays in force" in record.getMessage()
    table("models: [{model: gpt-4o, input: 300, output: 300}]")
    ask()
    assert ask() == 0.36
    caplog.clear()


def test_a_table_that_is_missing_is_said_once(costs: Any, tmp_path: Path, quiet: Any) -> None:
    costs.on(str(tmp_path / "prices.yaml"))
    IN_FORCE.look_now()
    assert otel_llm.flush()

    (record,) = quiet.records
    assert record.getMessage().endswith("can't be read: No such file or directory; no table is in force")
    quiet.clear()


def test_a_program_may_change_its_directory(costs: Any, table: Any, tmp_path: Path, monkeypatch: Any) -> None:
    table("models: [{model: m, host: '*', input: 1, output: 1}]")
    monkeypatch.chdir(tmp_path)
    costs.on("prices.yaml")
    monkeypatch.chdir("/")
    IN_FORCE.look_now()
    table("models: [{model: m, host: '*', input: 2000000, output: 1}]")
    IN_FORCE.look_now()
    assert otel_llm.flush()

    with otel_llm.chat_span("m", "acme", server_address="here") as span:
        span.response("Five.", input_tokens=1, output_tokens=0)

    assert cost_of(costs.last)[0] == 2.0


def test_a_table_that_is_being_written_is_no_broken_one(costs: Any, table: Any, quiet: Any) -> None:
    path = table("models: [{model: m, host: '*', input: 1, output: 1}]")
    costs.on(path)
    table("")
    IN_FORCE.look_now()
    assert otel_llm.flush()
    table("models: [{model: m, host: '*', input: 2000000, output: 1}]")
    IN_FORCE.look_now()
    assert otel_llm.flush()

    with otel_llm.chat_span("m", "acme", server_address="here") as span:
        span.response("Five.", input_tokens=1, output_tokens=0)

    assert cost_of(costs.last)[0] == 2.0
    assert quiet.records == []


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
