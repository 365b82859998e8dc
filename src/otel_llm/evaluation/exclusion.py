"""Excludes evaluators, and other code that runs for the evaluation, from being evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.context import Context, create_key, get_value, set_value

from ..propagation.attach import Frame

_KEY = create_key("otel_llm.not_evaluated")


@contextmanager
def not_evaluated() -> Iterator[None]:
    """Keep what runs inside out of the evaluation: ``with not_evaluated(): judge(item)``.

    A trace that begins inside is not sampled for evaluation. A span that begins inside a sampled trace is left out of
    its item, and its content is not captured for the evaluation. Both still have spans and metrics. It holds for this
    process; nothing goes into the baggage, so a service called from inside samples by its own settings.
    """
    with Frame(excluded(None)):
        yield


def excluded(context: Context | None) -> Context:
    """``context`` (default: the current one), with what begins in it left out of the evaluation."""
    return set_value(_KEY, True, context)


def is_excluded(context: Context | None) -> bool:
    """Whether a span that begins in ``context`` (default: the current one) begins inside :func:`not_evaluated`."""
    return get_value(_KEY, context) is True
