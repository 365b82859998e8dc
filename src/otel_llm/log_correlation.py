"""The ids of the trace, the session and the prompt on the application's own log records."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from .manual.current import Ids, current_ids

#: What there may be on a record.
NAMES = tuple(Ids.__annotations__)


class ContextFilter(logging.Filter):
    """Puts on each log record what :func:`otel_llm.current_ids` says, for a formatter to show.

    ``handler.addFilter(ContextFilter())``: on a handler it sees the records of all loggers. A record gets ``trace_id``,
    ``span_id``, ``session_id``, ``user_id``, ``conversation_id``, ``prompt_name``, ``prompt_version``, ``prompt_hash``,
    ``experiment_id`` and ``experiment_variant``: ``None`` where there is none, as a format may name them all. What it
    has already, stays.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        ids: Any = current_ids()
        known = record.__dict__
        for name in NAMES:
            known.setdefault(name, ids.get(name))
        return True


def add_ids(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor that adds to each event what :func:`otel_llm.current_ids` says, where it is not told."""
    for name, value in current_ids().items():
        event.setdefault(name, value)
    return event
