"""What asking a judge costs: of a reply, and at most before it is asked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from time import time_ns
from typing import Any

from ... import semconv as s
from ...config import Settings
from ...cost.matching import Query
from ...cost.prices import Known, Prices
from .asking import JudgeClient, JudgeReply, JudgeRequest

#: No tokenizer makes more tokens of a text than this for each byte of it; most make a quarter.
_TOKENS_PER_BYTE = 1.0
_USUAL_CHARACTERS = 4


@dataclass(frozen=True, slots=True)
class Seller:
    """Who is paid for the calls of a judge: the provider as the conventions name it, its host, a SageMaker endpoint.

    ``free``: nobody, as no model is called.
    """

    provider: str = ""
    host: str | None = None
    port: int | None = None
    endpoint: str | None = None
    free: bool = False


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of money, in a currency by its ISO 4217 code."""

    amount: float
    currency: str


class JudgePrices:
    """Prices judges by the user's table and the list prices, as model calls are priced.

    ``table`` is the path of a table; the default is ``OTEL_LLM_PRICES``.
    """

    def __init__(self, table: str | None = None) -> None:
        self._prices = Prices((Settings.from_environment().prices if table is None else table) or None)

    def of(self, client: JudgeClient, reply: JudgeReply) -> Amount | None:
        """What ``reply`` cost; ``None`` if that is not known."""
        return self._charge(client, (reply.model, client.model), dict(reply.usage))

    def at_most(self, client: JudgeClient, request: JudgeRequest) -> Amount | None:
        """What ``request`` can cost at most, its repair included; ``None`` if the judge has no known price.

        A tokenizer makes at most one token of each byte.
        """
        given = math.ceil(_bytes(request) * _TOKENS_PER_BYTE)
        came = _output_tokens(client, request)
        first = self._charge(client, (client.model,), _usage(given, came))
        # The repair repeats the request, with the reply that can't be used.
        second = self._charge(client, (client.model,), _usage(given + came + 200, came))
        return None if first is None or second is None else Amount(first.amount + second.amount, first.currency)

    def estimated(self, client: JudgeClient, request: JudgeRequest) -> Amount | None:
        """What ``request`` probably costs: four characters a token, and half of the output that it may have."""
        usage = _usage(request.characters // _USUAL_CHARACTERS, request.max_output_tokens // 2)
        return self._charge(client, (client.model,), usage)

    def _charge(self, client: JudgeClient, models: tuple[str | None, ...], usage: dict[str, int]) -> Amount | None:
        seller = getattr(client, "seller", None)
        if isinstance(seller, Seller) and seller.free:
            return Amount(0.0, "USD")
        if not isinstance(seller, Seller) or not usage:
            return None
        known = self._known(seller, tuple(dict.fromkeys(model for model in models if model)))
        if known.rates is None:
            return None
        charged = known.rates.charge(usage)
        return None if isinstance(charged, str) else Amount(charged, known.currency)

    def _known(self, seller: Seller, models: tuple[str, ...]) -> Known:
        key = (seller, models)
        now = time_ns()
        known = self._prices.known.get(key)
        if known is not None and known.begin <= now < known.end:
            return known
        query = Query(seller.provider, models, seller.host, seller.port, seller.endpoint)
        return self._prices.look_up(key, query, now)


def _usage(given: int, came: int) -> dict[str, int]:
    return {s.USAGE_INPUT_TOKENS: given, s.USAGE_OUTPUT_TOKENS: came}


def _bytes(request: JudgeRequest) -> int:
    return sum(len(message["content"].encode()) for message in request.messages) + len(repr(request.schema)) + 100


def _output_tokens(client: JudgeClient, request: JudgeRequest) -> int:
    limit: Any = getattr(client, "output_tokens", None)
    most: Any = request.max_output_tokens if limit is None else limit(request)
    return int(most)
