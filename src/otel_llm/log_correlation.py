"""Adds the ids of trace, session and prompt to the application's log records."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from .manual.current import Ids, current_ids

#: The names of all ids.
NAMES = tuple(Ids.__annotations__)


class ContextFilter(logging.Filter):
    """A filter that sets the ids of :func:`otel_llm.current_ids` on each log record: ``addFilter(ContextFilter())``.

    Add it to a handler, where it sees the records of all loggers. It sets the attributes ``trace_id``, ``span_id``,
    ``session_id``, ``user_id``, ``conversation_id``, ``prompt_name``, ``prompt_version``, ``prompt_hash``,
    ``experiment_id`` and ``experiment_variant``. Unknown ids are ``None``, so that a format can name all of them.
    Attributes that a record already has are not changed. No record is filtered out.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        ids: Any = current_ids()
        known = record.__dict__
        for name in NAMES:
            known.setdefault(name, ids.get(name))
        return True


def add_ids(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor that adds the known ids of :func:`otel_llm.current_ids` to each event.

    Entries that the event already has are not changed.
    """
    for name, value in current_ids().items():
        event.setdefault(name, value)
    return event
