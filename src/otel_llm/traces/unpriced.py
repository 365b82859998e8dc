"""Why a model call has no cost, from what its span says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import semconv as s
from ..cost import sheet

#: The call failed, and reported no tokens. Providers bill no such call.
FAILED = "failed"
#: The answer came from LangChain's cache.
CACHED = "cached"
#: Reasons of calls that have no cost because nothing was billed.
NOT_BILLED = frozenset({FAILED, CACHED})
#: The tokens are known, but costs were off in the application.
NO_PRICE = "no_price"


def reason(attributes: Mapping[str, Any], has_tokens: bool) -> str:
    """Why a model call has no cost: the reason on its span, or the one that its attributes suggest."""
    said = attributes.get(s.LLM_UNPRICED_REASON)
    if isinstance(said, str) and said:
        return said
    if attributes.get(s.LLM_LANGCHAIN_CACHED):
        return CACHED
    if has_tokens:
        return NO_PRICE
    if attributes.get(s.LLM_STREAM_OUTCOME):
        return sheet.CUT_OFF
    return FAILED if attributes.get(s.ERROR_TYPE) else sheet.NO_USAGE


_WITHOUT_USAGE = "OTEL_LLM_STREAM_USAGE or OTEL_LLM_ESTIMATE_TOKENS can help"
#: The reasons, for people.
EXPLAINED = {
    sheet.NO_USAGE: f"the provider sent no usage; {_WITHOUT_USAGE}",
    sheet.CUT_OFF: f"the stream ended before all of its usage came; {_WITHOUT_USAGE}",
    sheet.PENDING: "a background response whose answer was not fetched, or by another process",
    sheet.UNKNOWN_HOST: "the host is not the vendor's own: name it in the table of OTEL_LLM_PRICES",
    sheet.UNKNOWN_MODEL: "no table has the model",
    sheet.UNKNOWN_TIER: "the service tier, batch or completion window has no price of its own",
    sheet.UNKNOWN_KIND: "what the call used has no price, such as audio tokens or images",
    sheet.BAD_USAGE: "parts of the usage are more than the whole",
    sheet.TOO_LATE: "the process ended before the price was looked up",
    sheet.NO_PRICES: 'there was neither a table nor list prices: pip install "otel-llm[cost]"',
    FAILED: "the call failed without usage: providers bill no such call",
    CACHED: "the answer came from LangChain's cache: nothing was billed",
    NO_PRICE: "the application did not price its calls: set OTEL_LLM_COST=true",
}
