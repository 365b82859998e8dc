"""Moderations and batches: calls that run no model on a prompt of the caller's.

The conventions have nothing near them, so these spans carry no ``gen_ai.*`` and no GenAI metrics are recorded.
"""

from __future__ import annotations

import re
from typing import Any

from ... import semconv as s
from ...content.encoding import dumped
from ...core.request import Request, Response
from ...protocols.openai.endpoint import Endpoint, Exchange
from ...protocols.openai.fields import count, get, items, string

_BATCH_PATH = re.compile(r"/batches/([^/?]+)")


def endpoint(operation: str) -> Endpoint:
    """The endpoint of ``operation``: ``moderation``, ``create_batch``, ``retrieve_batch`` or ``cancel_batch``."""

    def request(exchange: Exchange) -> Request:
        attributes = exchange.attributes(None)
        attributes[s.LLM_OPERATION_NAME] = operation
        if (target := string(exchange.body.get("endpoint"))) is not None:
            attributes[s.LLM_BATCH_ENDPOINT] = target
        if (match := _BATCH_PATH.search(exchange.path)) is not None:
            attributes[s.LLM_BATCH_ID] = match[1]
        return Request(operation, exchange.model, attributes, 0)

    return Endpoint(request, _moderation if operation == "moderation" else _batch)


def _moderation(exchange: Exchange, answer: Any) -> Response:
    made = Response()
    results = items(get(answer, "results"))
    if results:
        made.attributes[s.LLM_MODERATION_FLAGGED] = any(get(result, "flagged") is True for result in results)
        flagged = sorted({name for result in results for name in _categories(get(result, "categories"))})
        if flagged:
            made.attributes[s.LLM_MODERATION_CATEGORIES] = flagged
    return made


def _categories(value: Any) -> list[str]:
    # A model's own names are Python's: ``hate_threatening`` for ``hate/threatening``.
    named = dumped(value, by_alias=True) if hasattr(value, "model_dump") else value
    return [name for name, flagged in named.items() if flagged is True] if isinstance(named, dict) else []


def _batch(exchange: Exchange, answer: Any) -> Response:
    made = Response()
    for field, attribute in (
        ("id", s.LLM_BATCH_ID),
        ("status", s.LLM_BATCH_STATUS),
        ("endpoint", s.LLM_BATCH_ENDPOINT),
    ):
        if (value := string(get(answer, field))) is not None:
            made.attributes[attribute] = value
    counts = get(answer, "request_counts")
    for field, attribute in (
        ("total", s.LLM_BATCH_REQUESTS_TOTAL),
        ("completed", s.LLM_BATCH_REQUESTS_COMPLETED),
        ("failed", s.LLM_BATCH_REQUESTS_FAILED),
    ):
        if (number := count(get(counts, field))) is not None:
            made.attributes[attribute] = number
    return made
