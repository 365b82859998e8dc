"""What a call is billed by, beyond the tokens on its span: read from the usage as the provider sent it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..core.request import Billed, Response
from ..protocols.openai.fields import count, get, mapping

#: Of what a media endpoint tells.
_NUMBERS = ("images", "characters", "seconds")
_TEXTS = ("size", "quality")
_SEARCHES = "web_searches"
NOTHING: Mapping[str, Any] = {}
#: Tiers that are billed at the common prices.
_COMMON_TIERS = frozenset({"auto", "default", "on_demand", "standard"})
#: xAI tells amounts in ticks.
_TICKS_PER_DOLLAR = 10_000_000_000


def reported(response: Response) -> tuple[float, str] | None:
    """What the response itself says it cost, with the currency; ``None`` if it does not."""
    if response.cost is not None:
        return response.cost
    total, known = 0.0, False
    for usage, _ in response.billed:
        if type(usage) is dict and _SEARCHES in usage:
            continue  # it goes with the usage before
        amount = _amount(usage)
        if amount is None:
            return None
        total, known = total + amount, True
    return (total, "USD") if known else None


def _amount(usage: Any) -> float | None:
    # A model of the SDK's has fields that it does not know apart from its own.
    fields = usage if isinstance(usage, dict) else getattr(usage, "__pydantic_extra__", None)
    if not fields:
        return None
    told = fields.get("cost")
    if told is None:
        ticks = count(fields.get("cost_in_usd_ticks"))
        return None if ticks is None else ticks / _TICKS_PER_DOLLAR
    if isinstance(told, Mapping):  # Perplexity
        told = told.get("total_cost")
    return amount(told)


def amount(told: Any) -> float | None:
    """``told`` as an amount of money; ``None`` if it is none."""
    if type(told) is float:
        return told if 0 <= told < math.inf else None
    whole = count(told)
    return None if whole is None else float(whole)


def _quantity(value: Any) -> float | None:
    """``value`` as a number of units; ``None`` if it is none."""
    return (value if 0 <= value < 2**63 else None) if type(value) is float else count(value)


def tier_of(billed: tuple[Billed, ...]) -> str | None:
    """The service tier that the answers named."""
    for _, tier in billed:
        if isinstance(tier, str):
            return tier
    return None


def discounted(tier: str | None) -> str | None:
    """``tier``, if it has prices of its own."""
    return None if tier is None or tier in _COMMON_TIERS else tier


def units(billed: tuple[Billed, ...]) -> Mapping[str, Any]:
    """What the answers are billed by beside the tokens; empty for most."""
    if len(billed) == 1 and "prompt_tokens" in (fields := mapping(billed[0][0])):
        return NOTHING  # a chat completion, the most common call
    found: dict[str, Any] = {}
    for usage, _ in billed:
        fields = mapping(usage)
        for name in _NUMBERS:
            if (value := fields.get(name)) is not None and (number := _quantity(value)) is not None:
                found[name] = number
        for name in _TEXTS:
            if isinstance(value := fields.get(name), str):
                found[name] = value
        if written := count(get(fields.get("cache_creation"), "ephemeral_1h_input_tokens")):
            found["cache_write_1h"] = found.get("cache_write_1h", 0) + written
        told = fields.get(_SEARCHES) or get(fields.get("server_tool_use"), "web_search_requests")
        if searches := count(told):
            found[_SEARCHES] = found.get(_SEARCHES, 0) + searches
    return found
