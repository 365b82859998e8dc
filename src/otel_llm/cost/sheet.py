"""What a model costs: the prices of one kind of call as price pages print them, and the arithmetic on them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from .. import semconv as s

# --- why a call has no price ------------------------------------------------------------------

#: The answer told no usage.
NO_USAGE = "no_usage"
#: The stream was closed or broke off before the usage came.
CUT_OFF = "cut_off"
#: The answer of a background response comes later.
PENDING = "pending"
#: Nobody said what the host of the call charges.
UNKNOWN_HOST = "unknown_host"
UNKNOWN_MODEL = "unknown_model"
#: The service tier, batch or completion window has no known price.
UNKNOWN_TIER = "unknown_tier"
#: A kind of token, or what the call is billed by, has no known price.
UNKNOWN_KIND = "unknown_kind"
#: The parts of the usage are more than the whole.
BAD_USAGE = "bad_usage"
#: The process ends, or too many calls wait.
TOO_LATE = "too_late"
#: There is no table of prices at all.
NO_PRICES = "no_prices"

#: Prices of tokens, by the million.
TOKENS = frozenset(
    {
        *("input", "cached_input", "cache_write", "cache_write_1h", "output", "reasoning"),
        *("audio_input", "audio_output", "image_input", "image_output"),
    }
)
#: Other prices: for a request, an image, a minute of audio, a million characters, a thousand web searches.
UNITS = frozenset({"request", "image", "minute", "characters", "web_search"})

_MILLION = Decimal(1_000_000)
#: Digits after the point of an amount: less than a token of the cheapest model.
_DIGITS = 12
_NO_MORE: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Sheet:
    """Prices by the names in :data:`TOKENS` and :data:`UNITS`.

    ``steps`` are for requests with more input tokens than a limit: the prices that then replace others, for all tokens
    of the request. ``images`` are prices of an image by its quality and size. ``minimum_seconds`` of audio are billed.
    """

    prices: Mapping[str, Decimal]
    steps: tuple[tuple[int, Mapping[str, Decimal]], ...] = ()
    images: Mapping[str, Decimal] = field(default_factory=dict)
    minimum_seconds: float = 0.0

    def less(self, discount: Decimal) -> Sheet:
        """These prices with a ``discount``, a share from 0 to 1."""

        def reduced(prices: Mapping[str, Decimal]) -> dict[str, Decimal]:
            return {name: price * (1 - discount) for name, price in prices.items()}

        steps = tuple((limit, reduced(prices)) for limit, prices in self.steps)
        return Sheet(reduced(self.prices), steps, reduced(self.images), self.minimum_seconds)


class _Prices:
    """Prices of single tokens, as floats."""

    __slots__ = ("input", "input_parts", "output", "output_parts", "request")

    def __init__(self, prices: Mapping[str, Decimal]) -> None:
        def each(name: str, instead: str | None = None) -> float | None:
            price = prices.get(name, prices.get(instead) if instead else None)
            return None if price is None else float(price / _MILLION)

        self.request = float(prices.get("request", 0))
        self.input, self.output = each("input"), each("output")
        # An image among the input, and reasoning, have the common price unless they have one of their own. What may
        # well have another price, but none that is known, has none. The last value says whether the tokens may be those
        # of a cache, too: nobody tells how many are both.
        self.input_parts: tuple[tuple[str, float | None, bool], ...] = (
            (s.USAGE_CACHE_READ_INPUT_TOKENS, each("cached_input"), False),
            (s.USAGE_CACHE_WRITE_INPUT_TOKENS, each("cache_write"), False),
            ("gen_ai.usage.audio.input_tokens", each("audio_input"), True),
        )
        if "image_input" in prices:
            self.input_parts += (("gen_ai.usage.image.input_tokens", each("image_input"), True),)
        self.output_parts = (
            (s.USAGE_REASONING_OUTPUT_TOKENS, each("reasoning", "output")),
            ("gen_ai.usage.audio.output_tokens", each("audio_output")),
            ("gen_ai.usage.image.output_tokens", each("image_output", "output")),
        )


class Rates:
    """A :class:`Sheet` made ready to price calls in a few microseconds."""

    __slots__ = ("_base", "_first_step", "_longer_cache_write", "_sheet", "_steps", "_web_search", "flat")

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        #: The price of any request, where that is the only price.
        self.flat = float(sheet.prices["request"]) if sheet.prices.keys() == {"request"} and not sheet.images else None
        self._base = _Prices(sheet.prices)
        self._steps = [(limit, _Prices({**sheet.prices, **prices})) for limit, prices in sorted(sheet.steps)]
        self._first_step = self._steps[0][0] if self._steps else math.inf
        hour = sheet.prices.get("cache_write_1h")
        self._longer_cache_write = None if hour is None else float(hour / _MILLION)
        search = sheet.prices.get("web_search")
        self._web_search = None if search is None else float(search / 1000)

    def charge(
        self, usage: Mapping[str, int], told: Mapping[str, Any] = _NO_MORE, operation: str = s.CHAT
    ) -> float | str:
        """What a call with ``usage`` costs, or why that is not known.

        A call that tells only the tokens of its input, or only those of its output, is not priced by half. An
        ``operation`` of embeddings has no output.
        ``told`` is what else it is billed by: ``images`` with ``size`` and ``quality``, ``characters``, ``seconds``,
        ``web_searches``, and the tokens written to a cache for an hour as ``cache_write_1h``.
        """
        if self.flat is not None:
            return self.flat
        get = usage.get
        given, came = get(s.USAGE_INPUT_TOKENS), get(s.USAGE_OUTPUT_TOKENS)
        if given is None or came is None:
            if given is None and came is None and told:
                return self._by_unit(told)
            if given is None or operation != s.EMBEDDINGS:
                return NO_USAGE
        prices = self._base
        if given is not None and given > self._first_step:
            prices = next(prices for limit, prices in reversed(self._steps) if given > limit)
        amount = prices.request
        if given is not None:
            for attribute, price, may_be_cached in prices.input_parts:
                if part := get(attribute):
                    if price is None or (may_be_cached and get(s.USAGE_CACHE_READ_INPUT_TOKENS)):
                        return UNKNOWN_KIND
                    amount += part * price
                    given -= part
            if given:
                if prices.input is None or given < 0:
                    return UNKNOWN_KIND if prices.input is None else BAD_USAGE
                amount += given * prices.input
        if came is not None:
            for attribute, price in prices.output_parts:
                if part := get(attribute):
                    if price is None:
                        return UNKNOWN_KIND
                    amount += part * price
                    came -= part
            if came:
                if prices.output is None or came < 0:
                    return UNKNOWN_KIND if prices.output is None else BAD_USAGE
                amount += came * prices.output
        if told:
            more = self._beside_tokens(prices, told)
            if more is None:
                return UNKNOWN_KIND
            amount += more
        return round(amount, _DIGITS)

    def _beside_tokens(self, prices: _Prices, told: Mapping[str, Any]) -> float | None:
        """What is charged beside the tokens."""
        more = 0.0
        if written := told.get("cache_write_1h"):
            usual = prices.input_parts[1][1]
            if self._longer_cache_write is None or usual is None:
                return None
            more += written * (self._longer_cache_write - usual)
        if searches := told.get("web_searches"):
            if self._web_search is None:
                return None
            more += searches * self._web_search
        return more

    def _by_unit(self, told: Mapping[str, Any]) -> float | str:
        prices, sheet = self._sheet.prices, self._sheet
        amount = float(prices.get("request", 0))
        if "characters" in told:
            count, price = told["characters"], prices.get("characters")
            each = None if price is None else price / _MILLION
        elif "seconds" in told:
            count, price = max(told["seconds"], sheet.minimum_seconds), prices.get("minute")
            each = None if price is None else price / 60
        elif "images" in told:
            count, each = told["images"], self._image(told)
        else:
            return NO_USAGE
        if each is None:
            return UNKNOWN_KIND if count or not amount else round(amount, _DIGITS)
        return round(amount + float(count * float(each)), _DIGITS)

    def _image(self, told: Mapping[str, Any]) -> Decimal | None:
        quality, size = told.get("quality"), told.get("size")
        images = self._sheet.images
        for name in (f"{quality} {size}", str(size), str(quality)):
            if name in images:
                return images[name]
        return self._sheet.prices.get("image")
