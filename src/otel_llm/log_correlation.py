"""Adds the ids of the trace, the session and the prompt to the log records of the application."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from .manual.current import Ids, current_ids

#: The names of the ids.
NAMES = tuple(Ids.__annotations__)


class ContextFilter(logging.Filter):
    """A filter that sets the ids of :func:`otel_llm.current_ids` on each log record.

    Add it to a handler with ``handler.addFilter(ContextFilter())``: a handler sees the records of all loggers, a logger
    only its own. It sets the attributes ``trace_id``, ``span_id``, ``session_id``, ``user_id``, ``conversation_id``,
    ``prompt_name``, ``prompt_version``, ``prompt_hash``, ``experiment_id`` and ``experiment_variant``. An unknown id is
    ``None``, so a format string may contain any of them. Attributes that a record already has are not changed, and no
    record is dropped.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        ids: Any = current_ids()
        known = record.__dict__
        for name in NAMES:
            known.setdefault(name, ids.get(name))
        return True


def add_ids(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor that adds the ids of :func:`otel_llm.current_ids` to ``event`` and returns it.

    Unknown ids are left out, and entries that ``event`` already has are not changed. structlog passes ``logger`` and
    ``method``, which are not used.
    """
    for name, value in current_ids().items():
        event.setdefault(name, value)
    return event
