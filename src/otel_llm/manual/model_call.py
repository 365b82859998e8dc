"""The base class of manual spans for model calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from opentelemetry.context import Context

from .. import semconv as s
from ..core import nesting
from ..core.call import Call
from ..core.request import AttributeValue, Request, Response
from ..core.telemetry import Telemetry
from ..propagation.validation import identifier
from . import requests
from .operation import Operation
from .requests import integer, number

Attributes = Mapping[str, AttributeValue] | None

_USAGE = {
    "input_tokens": s.USAGE_INPUT_TOKENS,
    "output_tokens": s.USAGE_OUTPUT_TOKENS,
    "cache_read_tokens": s.USAGE_CACHE_READ_INPUT_TOKENS,
    "cache_write_tokens": s.USAGE_CACHE_WRITE_INPUT_TOKENS,
    "reasoning_tokens": s.USAGE_REASONING_OUTPUT_TOKENS,
}


class ModelCall(Operation):
    """A model call. If an instrumented SDK makes the call inside the block, both are one span and count once."""

    __slots__ = ("_response",)

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._reset()

    def _reset(self) -> None:
        self._response = Response()

    def unstarted_copy(self) -> Self:
        made = super().unstarted_copy()
        made._reset()
        return made

    def _start(self, telemetry: Telemetry, request: Request, parent: Context) -> Call:
        return nesting.start_outer(telemetry, request, parent)

    def _context_within(self, call: Call) -> Context:
        # Not for an InnerCall: layers below it belong to the call around it.
        if type(call) is nesting.LayeredCall:
            return nesting.enclose(call, call.context)
        return call.context

    def _response_of(self, call: Call) -> Response | None:
        return self._response

    def usage(
        self,
        *,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cache_read_tokens: int | None = None,
        cache_write_tokens: int | None = None,
        reasoning_tokens: int | None = None,
        service_tier: str | None = None,
        cost: float | None = None,
        currency: str = "USD",
    ) -> Self:
        """Record the tokens that the provider reports, and what it bills. Returns the span.

        ``input_tokens`` includes those read from and written to a cache, ``output_tokens`` includes those of reasoning,
        as the conventions define them. ``None`` is left out, and so is a negative number, which some providers use for
        an unknown one.

        ``service_tier`` is the tier that the provider billed, or ``batch``. ``cost`` is what the response says that it
        cost, in ``currency`` (ISO 4217); without it, it is worked out, if that is asked for.
        """
        given = locals()
        for name, attribute in _USAGE.items():
            if (count := integer(name, given[name])) is not None and count >= 0:
                self._response.usage[attribute] = count
        if (tier := identifier("service_tier", service_tier)) is not None:
            self._response.attributes[s.LLM_RESPONSE_SERVICE_TIER] = tier
        if (amount := number("cost", cost)) is not None and amount >= 0:
            code = requests.currency(currency)
            self._response.cost = None if code is None else (amount, code)
        return self
