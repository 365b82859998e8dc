"""Generators that the tests observe, and what they ask of the context."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from opentelemetry import context, trace

import otel_llm

OUTCOME = "otel_llm.stream.outcome"


def here() -> int:
    return trace.get_current_span().get_span_context().span_id


@otel_llm.observe
def count(limit: int = 3) -> Any:
    """Yields which span it runs in, takes what is sent, and returns what it has got."""
    got = []
    for _ in range(limit):
        try:
            got.append((yield here()))
        except KeyError as error:
            got.append(error)
    return got


@otel_llm.observe
async def acount(limit: int = 3) -> Any:
    for _ in range(limit):
        await asyncio.sleep(0)
        with contextlib.suppress(KeyError):
            yield here()


def clean() -> bool:
    return context.get_current() == {}
