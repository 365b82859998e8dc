"""Why a model call has no cost, from what its span says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_llm import semconv as s

#: The provider sent no usage, and no tokens were estimated: a stream that was cut off, or a server that sends none.
NO_USAGE = "no_usage"
#: The call failed, and reported no tokens. Providers bill no such call.
FAILED = "failed"
#: The tokens are known, but the application did not know their price, or did not price its calls.
NO_PRICE = "no_price"


def reason(attributes: Mapping[str, Any], tokens: Mapping[str, int]) -> str:
    """Why a model call with these attributes and tokens has no cost."""
    if tokens:
        return NO_PRICE
    return FAILED if attributes.get(s.ERROR_TYPE) else NO_USAGE


#: The reasons, for people.
EXPLAINED = {
    NO_USAGE: "the provider sent no usage; OTEL_LLM_STREAM_USAGE can help",
    FAILED: "the call failed without usage: providers bill no such call",
    NO_PRICE: "the application did not know a price for this call",
}
