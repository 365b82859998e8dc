"""Stores items in a sink, with several tries, and logs why an item can't be stored."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable

from ... import guard
from .reader import Item
from .sinks import JSONLinesSink, Sink, SQLiteSink

#: Seconds before each further try to store an item.
PAUSES = (0.2, 1.0)

_logger = logging.getLogger("otel_llm")


class Delivery:
    """Delivers items to one sink. Each kind of failure is logged once."""

    def __init__(self, sink: Sink, pauses: tuple[float, ...] | None = None) -> None:
        self._sink = sink
        self._pauses = PAUSES if pauses is None else pauses
        self._logged = guard.Once()

    def __call__(self, item: Item, pause: Callable[[float], object]) -> bool:
        """Store ``item``; return whether it is stored. ``pause`` is called with the seconds to wait between tries."""
        for seconds in (*self._pauses, None):
            try:
                self._sink.write(item)
                return True
            except BaseException as error:  # an exit or a cancellation is for the sink's code, not for this thread
                self._log(error)
            if seconds is not None:
                pause(seconds)
        return False

    def _log(self, error: BaseException) -> None:
        # The text of an error that is not about our own file may hold words of the item.
        about_file = isinstance(self._sink, SQLiteSink | JSONLinesSink) and isinstance(error, OSError | sqlite3.Error)
        text = str(error) if about_file else type(error).__name__
        level = logging.WARNING if self._logged.first(text) else logging.DEBUG
        _logger.log(
            level, "items for evaluation can't be stored in %s: %s; items that are lost are counted", self._sink, text
        )
