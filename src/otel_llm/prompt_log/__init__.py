"""The prompt log: one JSON line for each call of a model, for those who want records apart from traces.

A record is made of what the call knows at its end, put into a bounded queue, and written by a thread of its own.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from opentelemetry.instrumentation.utils import suppress_instrumentation

from .. import guard
from .. import semconv as s
from ..background import threads
from ..config import PROMPT_LOG
from ..config.warnings import warn
from ..core import listeners
from ..core.listeners import EndedCall
from .record import Record, finished, record_of
from .targets import File, Stream, Write, writer

#: Records that may wait to be written, unless told otherwise.
MAX_WAITING = 10_000
_FLUSH_SECONDS = 5.0
_LOGGED = s.INFERENCE_OPERATIONS | {s.EMBEDDINGS}


class PromptLog:
    """A prompt log that is on, as :func:`log_prompts` gives it; in a ``with``, until its end.

    ``dropped`` counts the lines that were lost since: more than ``max_waiting`` would have waited, or the target
    failed. The next line tells of them, too.
    """

    def __init__(self, write: Write, max_waiting: int = MAX_WAITING) -> None:
        self.dropped = 0
        self._write = write
        self._max_waiting = max_waiting
        self._told = 0
        self._begin()
        _open.add(self)
        listeners.SHARED.add(self._note)
        atexit.register(self.shutdown)

    def _begin(self) -> None:
        """Start without a thread: the first line brings it, in a forked child too."""
        self._lock = threading.RLock()  # a finalizer may end a call inside of it
        self._waiting: queue.SimpleQueue[Record | threading.Event | None]
        self._thread: threading.Thread | None = None
        self._starting = False

    def flush(self, seconds: float = _FLUSH_SECONDS) -> bool:
        """Wait until all lines so far are written, at most ``seconds``; whether they are."""
        if self._thread is None:
            return True
        written = threading.Event()
        self._waiting.put(written)
        return written.wait(seconds)

    def shutdown(self) -> None:
        """Write what waits and stop. The program's end does it, too."""
        listeners.SHARED.remove(self._note)
        atexit.unregister(self.shutdown)
        _open.discard(self)
        thread = self._thread
        if thread is not None:
            self._waiting.put(None)
            thread.join(_FLUSH_SECONDS)
            self._thread = None
        if isinstance(self._write, File):
            self._write.close()

    def __enter__(self) -> PromptLog:
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()

    # --- on the caller's thread ------------------------------------------------------------------

    def _note(self, ended: EndedCall) -> None:
        if ended.request.operation not in _LOGGED:
            return
        if self._thread is None:
            self._start()
        if self._waiting.qsize() >= self._max_waiting:
            self._drop()
            return
        self._waiting.put(record_of(ended))

    def _drop(self) -> None:
        with self._lock:
            self.dropped += 1

    def _start(self) -> None:
        with self._lock:
            if self._starting:
                return
            self._starting = True
            # Made together: gevent may have put its own in the place of both since the log was opened.
            self._waiting = queue.SimpleQueue()
        try:
            self._thread = threads.start("prompt-log", self._run)
        except RuntimeError:
            self._starting = False  # it is tried again
            raise

    # --- on the log's own ------------------------------------------------------------------------

    def _run(self) -> None:
        waiting = self._waiting
        with suppress_instrumentation():  # a target that calls a model would log without end
            while (item := waiting.get()) is not None:
                if isinstance(item, threading.Event):
                    item.set()
                else:
                    self._write_one(item)
            if self.dropped > self._told:
                self._write_one({"timestamp": time.time_ns()})

    def _write_one(self, record: Record) -> None:
        if dropped := self.dropped - self._told:
            record["dropped"] = dropped
        try:
            self._write(finished(record))
            self._told += dropped
        except Exception as error:
            self._drop()
            guard.report("prompt log", error)


_open: weakref.WeakSet[PromptLog] = weakref.WeakSet()


def _after_fork() -> None:
    for log in list(_open):
        log._begin()  # what waits is the parent's to write


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def log_prompts(
    target: str | os.PathLike[str] | Stream | logging.Logger | Callable[[Record], Any],
    max_waiting: int = MAX_WAITING,
) -> PromptLog:
    """Log each call of a model, sampled or not, as a line of JSON to ``target``: a file (appended to), a text stream,
    or a logger (at INFO). A function is called with each record, a dict, instead.

    A thread of the log's own writes; at most ``max_waiting`` lines wait for it, and those beyond are counted.
    The fields are in ``docs/prompts.md``. Of content, a line has what the call recorded: none unless it is captured.

    :raises TypeError: for a target of another type.
    :raises OSError: for a file that can't be opened.
    """
    if isinstance(max_waiting, bool) or not isinstance(max_waiting, int) or max_waiting < 1:
        raise ValueError(f"max_waiting must be a whole number of at least 1, not {max_waiting!r}")
    return PromptLog(writer(target), max_waiting)


def flush(seconds: float = _FLUSH_SECONDS) -> bool:
    """Wait until every open prompt log has written its lines, at most ``seconds`` in all; whether they have."""
    deadline = time.monotonic() + seconds
    return all(log.flush(max(deadline - time.monotonic(), 0.0)) for log in list(_open))


_configured: tuple[str, PromptLog] | None = None
_STREAMS = {"-": "stdout", "stderr": "stderr"}


@guard.never_raise
def configure(target: str | None) -> None:
    """Log to ``target`` (a path, ``-`` or ``stderr``), and no longer to what was configured before."""
    global _configured
    if _configured is not None:
        if _configured[0] == target:
            return
        _configured[1].shutdown()
        _configured = None
    if target:
        try:
            log = log_prompts(getattr(sys, _STREAMS[target]) if target in _STREAMS else target)
        except OSError as error:
            warn(PROMPT_LOG, target, error, None)
        else:
            _configured = target, log
