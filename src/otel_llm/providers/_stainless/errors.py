"""Reads from an error of these SDKs what :mod:`otel_llm.core.errors` does not read from every error."""

from __future__ import annotations

from typing import Any

from ... import semconv as s
from ...core.errors import Facts


def retries(answer: Any) -> int | None:
    """The number of retries before the HTTP request of ``answer``, a response or an error; ``None`` if there were none.

    The SDK sends it to the server in a header.
    """
    try:
        sent = answer.request.headers["x-stainless-retry-count"]
    except Exception:  # another kind of error; errors of httpx raise if they have no request
        return None
    return int(sent) or None if isinstance(sent, str) and sent.isdecimal() else None


def read(error: BaseException) -> Facts | None:
    """The retries of the SDK."""
    count = retries(error)
    return None if count is None else Facts(attributes={s.LLM_REQUEST_RETRIES: count})
