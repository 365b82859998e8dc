"""The page on costs: its table of prices is one, and its examples are worked out correctly."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from otel_llm import semconv as s
from otel_llm.config import documents
from otel_llm.core.request import Response
from otel_llm.cost import billing
from otel_llm.cost.book import Book
from otel_llm.cost.clock import HostClock
from otel_llm.cost.listed import ListPrices
from otel_llm.cost.matching import Query
from otel_llm.cost.sheet import Rates
from otel_llm.cost.table import Table
from otel_llm.providers._stainless.gateway import GatewayCosts

_PAGE = (Path(__file__).parents[2] / "docs" / "cost.md").read_text()
_WRITTEN = re.findall(r"```yaml\n(.*?)```", _PAGE, re.DOTALL)[0]
_TABLE = Table.of(documents.parse(_WRITTEN, "cost"))
_ROWS = re.findall(
    r"^\| (response|table|by the hour|list price) \| (.+?) \| (.+?) \| ([0-9.]+) \|$", _PAGE, re.MULTILINE
)
_NOW = round(datetime(2026, 11, 1, tzinfo=UTC).timestamp()) * 10**9
_SECOND = 10**9


def _tokens(model: str, given: int, came: int, cached: int = 0, tier: str | None = None, listed: Any = None) -> Any:
    resolution = Book(_TABLE, listed).resolve(Query("openai", (model,), tier=tier), _NOW)
    assert resolution.sheet is not None
    usage = {s.USAGE_INPUT_TOKENS: given, s.USAGE_OUTPUT_TOKENS: came, s.USAGE_CACHE_READ_INPUT_TOKENS: cached}
    return Rates(resolution.sheet).charge(usage)


def _hour(others: list[int]) -> float:
    (entry, *_) = _TABLE.hosts
    clock = HostClock(float(entry.per_hour), 0)
    return clock.charge(0, 12 * _SECOND, others)


def _response(**usage: Any) -> Any:
    told = billing.reported(Response(billed=((usage, None),)))
    return told and told[0]


_AMOUNTS = [
    lambda: _response(cost=0.00123),
    lambda: (GatewayCosts(["x-litellm-response-cost"]).told({"x-litellm-response-cost": "0.0045"}) or [None])[0],
    lambda: _tokens("gpt-4o", 10_000, 500, 8_000),
    lambda: _tokens("gpt-4o", 10_000, 500, 8_000, "batch"),
    lambda: _tokens("gemini-3-pro", 300_000, 1_000),
    lambda: _hour([]),
    lambda: _hour([6 * _SECOND]),
    lambda: _tokens("o3", 1_000, 2_000, listed=ListPrices()),
]


def test_the_page_has_the_examples() -> None:
    assert len(_ROWS) == len(_AMOUNTS)


@pytest.mark.parametrize(
    ("row", "worked_out"), list(zip(_ROWS, _AMOUNTS, strict=True)), ids=[row[1][:40] for row in _ROWS]
)
def test_an_example_is_worked_out_correctly(row: Any, worked_out: Any) -> None:
    _, _, by_hand, amount = row
    assert re.fullmatch(r"[0-9,.()x/+ ]+", by_hand)
    exact = re.sub(r"[0-9.]+", lambda number: f"Fraction('{number[0]}')", by_hand.replace(",", "").replace("x", "*"))

    assert eval(exact, {"Fraction": Fraction}) == Fraction(amount)
    assert worked_out() == pytest.approx(float(amount), abs=1e-12)


def test_the_results_of_a_batch_are_priced(costs: Any, table: Any) -> None:
    """(2,000 x 1.25 + 8,000 x 0.625 + 500 x 5.00) / 1,000,000 = 0.01"""
    (example,) = [block for block in re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL) if "def read" in block]
    costs.on(table(_WRITTEN))
    usage = {"prompt_tokens": 10_000, "completion_tokens": 500, "prompt_tokens_details": {"cached_tokens": 8_000}}
    body = {"id": "c1", "model": "gpt-4o-2024-08-06", "usage": usage}
    read: dict[str, Any] = {}
    exec(example, read)

    read["read"]([json.dumps({"response": {"body": body}})])

    assert costs.last["otel_llm.usage.cost.amount"] == 0.01
