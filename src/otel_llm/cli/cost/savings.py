"""What caching saved: the difference to the price of the same tokens without a cache.

Spans carry amounts, not prices. So prices are looked up here, as the application does it, and a saving is told only
where they give the very amount that the span has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from otel_llm import semconv as s
from otel_llm.cost import billing
from otel_llm.cost.book import Book
from otel_llm.cost.listed import ListPrices
from otel_llm.cost.matching import Query
from otel_llm.cost.sheet import Rates
from otel_llm.cost.table import Table

_CACHE = (s.USAGE_CACHE_READ_INPUT_TOKENS, s.USAGE_CACHE_WRITE_INPUT_TOKENS)


class Savings:
    """Looks prices up in the user's table at `path`, if there is one, and in the list prices, if they are installed.

    Raises:
        ValueError: the table can't be used.
    """

    def __init__(self, path: str | None) -> None:
        self._table = Table.load(path) if path else Table()
        self._book: Book | None = None
        #: What was looked up last for calls that are alike, and the time in which it holds.
        self._known: dict[Query, tuple[tuple[int, int], Rates | None]] = {}

    def of(self, attributes: Mapping[str, Any], started: int | None, cost: Mapping[str, Decimal]) -> Decimal | None:
        """What caching saved a call, in the currency of its cost; 0 if it cached nothing, None if that is not known."""
        usage = {name: count for name, count in attributes.items() if name.startswith("gen_ai.usage.")}
        if not any(usage.get(name) for name in _CACHE):
            return Decimal(0)
        if started is None or len(cost) != 1:
            return None
        (amount,) = cost.values()
        try:
            rates = self._rates_of(_query(attributes), started)
            paid = rates.charge(usage) if rates is not None else ""
            whole = rates.charge({n: c for n, c in usage.items() if n not in _CACHE}) if rates is not None else ""
        except (TypeError, ValueError):  # attributes of other types
            return None
        if isinstance(paid, str) or isinstance(whole, str) or not math.isclose(paid, amount, rel_tol=1e-6):
            return None
        return Decimal(repr(whole)) - Decimal(repr(paid))

    def _rates_of(self, query: Query, started: int) -> Rates | None:
        if self._book is None:
            try:
                listed = ListPrices()
            except ImportError:
                listed = None
            self._book = Book(self._table, listed)
        known = self._known.get(query)
        if known is None or not known[0][0] <= started < known[0][1]:
            found = self._book.resolve(query, started)
            known = self._known[query] = found.period, None if found.sheet is None else Rates(found.sheet)
        return known[1]


def _query(attributes: Mapping[str, Any]) -> Query:
    def text(name: str) -> str | None:
        value = attributes.get(name)
        return value if isinstance(value, str) and value else None

    models = (text(s.RESPONSE_MODEL), text(s.REQUEST_MODEL))
    port = attributes.get(s.SERVER_PORT)
    tier = (
        text(s.OPENAI_RESPONSE_SERVICE_TIER) or text(s.LLM_RESPONSE_SERVICE_TIER) or text(s.OPENAI_REQUEST_SERVICE_TIER)
    )
    tiers = filter(None, (billing.discounted(tier), text(s.LLM_REQUEST_PROCESSING)))
    return Query(
        text(s.PROVIDER_NAME) or "",
        tuple(dict.fromkeys(filter(None, models))),
        text(s.SERVER_ADDRESS),
        port if isinstance(port, int) else None,
        text(s.LLM_SAGEMAKER_ENDPOINT),
        "+".join(tiers) or None,
    )
