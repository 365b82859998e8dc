"""What the model calls of an item cost, as their spans say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from ... import semconv as s
from ..spans import SpanRecord
from .extraction import is_number

#: Amount, currency and source.
Paid = dict[str, Any]


def of_call(span: SpanRecord, fetched: Mapping[object, Paid]) -> Paid | None:
    """The cost of a call; ``None`` if it is not known. ``fetched`` is what :func:`fetched_in` found."""
    return _of_span(span) or fetched.get(span.attributes.get(s.RESPONSE_ID))


def fetched_in(spans: Iterable[SpanRecord]) -> dict[object, Paid]:
    """The costs of background responses, by their id: they are on the spans that fetched the answers."""
    return {
        span.attributes.get(s.RESPONSE_ID): paid
        for span in spans
        if span.attributes.get(s.OPERATION_NAME) == s.FETCH_RESPONSE and (paid := _of_span(span)) is not None
    }


def total(calls: Iterable[SpanRecord], fetched: Mapping[object, Paid]) -> dict[str, float]:
    """The sum over the calls whose cost is known, by currency. Amounts of two currencies are not added up."""
    sums: dict[str, Decimal] = {}
    for cost in filter(None, (of_call(call, fetched) for call in calls)):
        currency = cost["currency"]
        sums[currency] = sums.get(currency, Decimal(0)) + Decimal(repr(cost["amount"]))
    return {currency: float(amount) for currency, amount in sums.items()}


def _of_span(span: SpanRecord) -> Paid | None:
    amount, currency = (span.attributes.get(name) for name in (s.LLM_USAGE_COST_AMOUNT, s.LLM_USAGE_COST_CURRENCY))
    if not is_number(amount) or amount < 0 or not isinstance(currency, str):
        return None
    cost = {"amount": float(amount), "currency": currency}
    if isinstance(source := span.attributes.get(s.LLM_USAGE_COST_SOURCE), str):
        cost["source"] = source
    return cost
