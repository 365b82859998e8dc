"""What the model calls of an item cost, as their spans say."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from ... import semconv as s
from ..spans import SpanRecord
from .extraction import is_number


def of_call(span: SpanRecord) -> dict[str, Any] | None:
    """Amount, currency and source of the cost of a call; ``None`` if it is not known."""
    amount, currency = (span.attributes.get(name) for name in (s.LLM_USAGE_COST_AMOUNT, s.LLM_USAGE_COST_CURRENCY))
    if not is_number(amount) or amount < 0 or not isinstance(currency, str):
        return None
    cost = {"amount": float(amount), "currency": currency}
    if isinstance(source := span.attributes.get(s.LLM_USAGE_COST_SOURCE), str):
        cost["source"] = source
    return cost


def total(calls: Iterable[SpanRecord]) -> dict[str, float]:
    """The sum over the calls whose cost is known, by currency. Amounts of two currencies are not added up."""
    sums: dict[str, Decimal] = {}
    for cost in filter(None, map(of_call, calls)):
        currency = cost["currency"]
        sums[currency] = sums.get(currency, Decimal(0)) + Decimal(repr(cost["amount"]))
    return {currency: float(amount) for currency, amount in sums.items()}
