"""The prompt log: one line of JSON for each model call, for those who want records apart from traces.

When a call ends, a record of what is known of it goes into a bounded queue. A thread writes the records.
"""

from __future__ import annotations

import logging
import os
import sys
import weakref
from collections.abc import Callable
from time import monotonic
from typing import Any

from .. import guard
from ..config import PROMPT_LOG
from ..config.warnings import warn
from .log import FLUSH_SECONDS, MAX_WAITING, PromptLog
from .record import Record
from .targets import Stream, writer

__all__ = ["OPEN", "PromptLog", "configure", "flush", "log_prompts"]

_STREAMS = {"-": "stdout", "stderr": "stderr"}


class OpenLogs:
    """The prompt logs that are on, and which of them the settings asked for."""

    def __init__(self) -> None:
        self._open: weakref.WeakSet[PromptLog] = weakref.WeakSet()
        self._configured: tuple[str, PromptLog] | None = None

    def add(self, log: PromptLog) -> PromptLog:
        self._open.add(log)
        return log

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Wait at most ``seconds`` until every prompt log has written its lines; return whether all have."""
        deadline = monotonic() + seconds
        written = [log.flush(max(deadline - monotonic(), 0.0)) for log in list(self._open)]
        return all(written)

    @guard.never_raise
    def configure(self, target: str | None) -> None:
        """Log to ``target`` (a path, ``-`` or ``stderr``) and no longer to the target configured before."""
        if self._configured is not None:
            configured, log = self._configured
            if configured == target:
                return
            log.shutdown()
            self._configured = None
        if target:
            try:
                log = log_prompts(getattr(sys, _STREAMS[target]) if target in _STREAMS else target)
            except OSError as error:
                warn(PROMPT_LOG, target, error, None)
            else:
                self._configured = target, log


#: The prompt logs of this process.
OPEN = OpenLogs()
flush, configure = OPEN.flush, OPEN.configure


def log_prompts(
    target: str | os.PathLike[str] | Stream | logging.Logger | Callable[[Record], Any],
    max_waiting: int = MAX_WAITING,
) -> PromptLog:
    """Log each model call as a line of JSON, whether or not its trace is sampled. Returns the open log.

    ``target`` is the path of a file, to which lines are appended, a text stream, a logger (lines have level INFO), or a
    function that is called with each record, a dict. ``docs/prompts.md`` describes the fields. A line has the content
    that the call recorded: none, unless content is captured.

    A background thread writes the lines. At most ``max_waiting`` lines wait for it; further ones are dropped and
    counted.

    :raises TypeError: for a target of another type.
    :raises ValueError: if ``max_waiting`` is not a whole number of at least 1.
    :raises OSError: for a file that can't be opened.
    """
    if isinstance(max_waiting, bool) or not isinstance(max_waiting, int) or max_waiting < 1:
        given = max_waiting if isinstance(max_waiting, int | float | str) else type(max_waiting).__name__
        raise ValueError(f"max_waiting must be a whole number of at least 1, not {given!r}")
    return OPEN.add(PromptLog(writer(target), max_waiting))
