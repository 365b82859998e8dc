"""Amounts of money: read from spans, added up exactly, and shown. Amounts of two currencies are never added."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

from .. import semconv as s

#: An amount is shown with this many significant digits at least, unless that takes more than `_PLACES` decimals.
_DIGITS = 3
_PLACES = 8


#: More digits than a sum of floats can have.
_EXACT = Context(prec=1_000)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call cost. `source` says who knew the price."""

    amount: Decimal
    currency: str
    source: str | None


def cost_of(attributes: Mapping[str, Any]) -> Cost | None:
    """The cost that a span carries; None if it carries none that can be read."""
    source = attributes.get(s.LLM_USAGE_COST_SOURCE)
    return read(attributes.get(s.LLM_USAGE_COST_AMOUNT), attributes.get(s.LLM_USAGE_COST_CURRENCY), source)


def read(amount: Any, currency: Any, source: Any = None) -> Cost | None:
    """The cost that the three values of any type make; None if they make none."""
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not math.isfinite(amount) or amount < 0:
        return None
    if not isinstance(currency, str) or not currency:
        return None
    return Cost(Decimal(repr(amount)), currency, source if isinstance(source, str) else None)


def add(total: dict[str, Decimal], more: Mapping[str, Decimal]) -> None:
    """Add amounts by currency to `total`."""
    for currency, amount in more.items():
        total[currency] = _EXACT.add(total.get(currency, Decimal(0)), amount)


def shown(amount: Decimal, places: int | None = None) -> str:
    """`amount` for people, rounded to `places` decimals, by default to as many as it needs."""
    places = places_for(amount) if places is None else places
    least = Decimal(1).scaleb(-places)
    if 0 < amount < least / 2:
        return f"<{least:f}"
    return f"{amount:,.{places}f}"


def places_for(amount: Decimal) -> int:
    """The number of decimals that `amount` is shown with: 2, and more for small amounts."""
    if not amount:
        return 2
    return min(max(_DIGITS - 1 - amount.adjusted(), 2), _PLACES)


def listed(cost: Mapping[str, Decimal]) -> str:
    """Amounts by currency on one line."""
    return " + ".join(f"{shown(amount)} {currency}" for currency, amount in sorted(cost.items()))
