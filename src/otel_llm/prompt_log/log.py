"""A prompt log that is on. It takes a record of each call that ended, and its thread writes the records."""

from __future__ import annotations

import atexit
import logging
from time import time_ns

from .. import semconv as s
from ..background import forks
from ..background.worker import Worker
from ..core import listeners
from ..core.listeners import EndedCall
from .record import Record, finished, record_of
from .targets import File, Write

#: The most records that wait to be written, unless the application says otherwise.
MAX_WAITING = 10_000
FLUSH_SECONDS = 5.0
_LOGGED = s.INFERENCE_OPERATIONS | {s.EMBEDDINGS}

_logger = logging.getLogger("otel_llm")


class PromptLog:
    """An open prompt log. :func:`otel_llm.log_prompts` opens one.

    As a context manager, it is shut down at the end of the block. Otherwise it is at the end of the program.
    """

    def __init__(self, write: Write, max_waiting: int = MAX_WAITING) -> None:
        self._write = write
        self.start_afresh()
        forks.SHARED.add(self)
        self._worker: Worker[Record] = Worker("prompt-log", self._write_one, size=max_waiting, finish=self._finish)
        listeners.SHARED.add(self._note)
        atexit.register(self.shutdown)

    def start_afresh(self) -> None:
        """In a child process: the parent writes and counts its own lines."""
        #: How many of the dropped lines the log has reported in a line.
        self._mentioned = 0

    @property
    def dropped(self) -> int:
        """The number of lines that this process lost, because too many were waiting or the target failed.

        The field ``dropped`` of the next line has the number of lines lost before it.
        """
        return self._worker.dropped

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Wait at most ``seconds`` until all lines so far are written or dropped. Returns whether they are."""
        return self._worker.flush(seconds)

    def shutdown(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Write the lines that wait, for at most ``seconds``, and close the log. Returns whether that was enough time.

        Lines that are not begun by then are dropped and counted.
        """
        listeners.SHARED.remove(self._note)
        atexit.unregister(self.shutdown)
        waiting = self._worker.waiting
        ended = self._worker.close(seconds)
        if not ended and waiting:
            _logger.warning(
                "the prompt log was shut down after %g seconds with lines left to write; %d lines are lost in all",
                seconds,
                self.dropped,
            )
        return ended

    def __enter__(self) -> PromptLog:
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()

    def _note(self, ended: EndedCall) -> None:
        if ended.request.operation in _LOGGED:
            self._worker.put(record_of(ended))

    # --- on the log's own thread -----------------------------------------------------------------

    def _write_one(self, record: Record) -> None:
        if dropped := self._worker.dropped - self._mentioned:
            record["dropped"] = dropped
        try:
            self._write(finished(record))
            self._mentioned += dropped
        except BaseException:
            self._worker.drop()
            raise

    def _finish(self) -> None:
        try:
            if self._worker.dropped > self._mentioned:
                self._write_one({"timestamp": time_ns()})
        finally:
            if isinstance(self._write, File):
                self._write.close()
