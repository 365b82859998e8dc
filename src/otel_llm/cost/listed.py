"""List prices: the table of the package ``genai-prices``, as sheets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from .matching import FOREVER, Query
from .sheet import UNKNOWN_HOST, UNKNOWN_KIND, UNKNOWN_MODEL, UNKNOWN_TIER, Sheet

#: The names of providers in the conventions -> in the package.
_PROVIDERS = {
    "anthropic": "anthropic",
    "aws.bedrock": "aws",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "groq": "groq",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "x_ai": "x-ai",
}
_SECONDS = Decimal(60)
_THOUSAND = Decimal(1000)
_ONE = Decimal(1)
#: The names of prices in the package -> in a sheet, and how many units of a sheet the price is for.
_NAMES = {
    "input_mtok": ("input", _ONE),
    "cache_read_mtok": ("cached_input", _ONE),
    "cache_write_mtok": ("cache_write", _ONE),
    "cache_write_5m_mtok": ("cache_write", _ONE),
    "cache_write_1h_mtok": ("cache_write_1h", _ONE),
    "output_mtok": ("output", _ONE),
    "output_reasoning_mtok": ("reasoning", _ONE),
    "input_audio_mtok": ("audio_input", _ONE),
    "output_audio_mtok": ("audio_output", _ONE),
    "input_image_mtok": ("image_input", _ONE),
    "output_image_mtok": ("image_output", _ONE),
    "requests_kcount": ("request", _THOUSAND),
    "web_searches_kcount": ("web_search", _ONE),
    "input_mchars": ("characters", _ONE),
    "audio_hours": ("minute", _SECONDS),
    "input_audio_hours": ("minute", _SECONDS),
}
#: Prices of what no usage that is read here tells.
_UNSEEN = frozenset(
    {
        *("cache_audio_read_mtok", "cache_image_read_mtok", "code_executions_kcount", "input_text_mtok"),
        *("input_video_mtok", "output_text_mtok", "output_video_mtok", "social_searches_kcount"),
        *("storage_searches_kcount",),
    }
)
#: What a Groq transcription is billed at least.
_GROQ_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Listing:
    """A list price: the ``sheet``, or the ``reason`` why there is none, and the nanoseconds in which that holds."""

    sheet: Sheet | None
    reason: str | None
    label: str
    period: tuple[int, int] = FOREVER


class ListPrices:
    """The table of ``genai-prices``. Making one imports it, which takes a second."""

    def __init__(self) -> None:
        """:raises ImportError: if the package is not installed."""
        from genai_prices import data_snapshot

        self._snapshot: Any = data_snapshot.get_snapshot()

    def find(self, query: Query, at_ns: int) -> Listing:
        """The list price of a call at a time in nanoseconds since the epoch."""
        provider = self._provider(query)
        if provider is None:
            return Listing(None, UNKNOWN_HOST, f"genai-prices knows no vendor at {query.host or query.provider}")
        for name in query.models:
            if (model := provider.find_model(name.lower(), all_providers=self._snapshot.providers)) is not None:
                return _listing(provider, model, query.tier, datetime.fromtimestamp(at_ns / 1e9, UTC))
        return Listing(None, UNKNOWN_MODEL, f"genai-prices has no {' or '.join(query.models)} of {provider.id}")

    def vendor_at(self, host: str) -> str | None:
        """The vendor whose API is at ``host``."""
        found = self._at(host)
        return None if found is None else str(found.id)

    def _provider(self, query: Query) -> Any:
        if query.host is not None:
            return self._at(query.host)
        wanted = _PROVIDERS.get(query.provider)
        return next((one for one in self._snapshot.providers if one.id == wanted), None)

    def _at(self, host: str) -> Any:
        url = f"https://{host.lower()}/"
        return next((one for one in self._snapshot.providers if _matches(one.api_pattern, url)), None)


def _matches(pattern: str, url: str) -> bool:
    """Whether a pattern of the package is for the host of ``url``, and not only for the beginning of its name."""
    found = re.match(pattern, url)
    if found is None:
        return False
    rest = url.removesuffix("/")[found.end() :]
    return not rest or (found[0].endswith(".") and "." not in rest)


def _listing(provider: Any, model: Any, tier: str | None, at: datetime) -> Listing:
    label = f"genai-prices: {model.id} of {provider.id}"
    context = None if tier is None else {"processing" if tier == "batch" else "service_tier": tier}
    variants = [one for one in model.price_variants or () if one.when == context]
    constraints = [one.constraint for one in variants]
    if not hasattr(model.prices, "calc_price"):  # a list of conditional prices
        constraints.extend(one.constraint for one in model.prices)
    period = _period(constraints, at)
    if context is not None and not any(one.constraint is None or one.constraint.active(at) for one in variants):
        return Listing(None, UNKNOWN_TIER, f"{label} has no prices for {tier}", period)
    sheet = _sheet(model.get_prices(at, context), _GROQ_SECONDS if provider.id == "groq" else 0.0)
    if sheet is None:
        return Listing(None, UNKNOWN_KIND, f"{label} is billed by what no usage tells", period)
    return Listing(sheet, None, label if tier is None else f"{label}, {tier}", period)


def _sheet(priced: Any, minimum_seconds: float) -> Sheet | None:
    prices: dict[str, Decimal] = {}
    steps: dict[int, dict[str, Decimal]] = {}
    for key, value in vars(priced).items():
        if value is None or key in _UNSEEN:
            continue
        if key not in _NAMES:
            return None
        name, units = _NAMES[key]
        if isinstance(value, Decimal):
            prices[name] = value / units
            continue
        prices[name] = value.base / units
        for tier in value.tiers:
            steps.setdefault(tier.start, {})[name] = tier.price / units
    if not prices:
        return None
    # A step has all prices that change up to it.
    grown: dict[str, Decimal] = {}
    listed = []
    for limit in sorted(steps):
        grown = {**grown, **steps[limit]}
        listed.append((limit, grown))
    return Sheet(prices, tuple(listed), minimum_seconds=minimum_seconds)


def _period(constraints: Iterable[Any], at: datetime) -> tuple[int, int]:
    """The time around ``at`` in which none of ``constraints`` changes, in nanoseconds since the epoch."""
    moments: list[datetime] = []
    for one in constraints:
        if (start := getattr(one, "start_date", None)) is not None:
            moments.append(datetime(start.year, start.month, start.day, tzinfo=UTC))
        for name in ("start_time", "end_time"):
            if (clock := getattr(one, name, None)) is not None:
                for days in (-1, 0, 1):
                    day = (at + timedelta(days=days)).date()
                    moments.append(datetime.combine(day, clock if clock.tzinfo else clock.replace(tzinfo=UTC)))
    before = [moment for moment in moments if moment <= at]
    after = [moment for moment in moments if moment > at]
    return (
        _nanoseconds(max(before)) if before else -(2**63),
        _nanoseconds(min(after)) if after else 2**63,
    )


def _nanoseconds(moment: datetime) -> int:
    return round(moment.timestamp()) * 1_000_000_000
