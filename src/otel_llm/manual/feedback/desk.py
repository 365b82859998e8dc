"""Takes feedback off the caller's thread: stores its label, and brings it back to the trace."""

from __future__ import annotations

import atexit
import logging
import sqlite3
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ... import guard
from ... import semconv as s
from ...background.forks import SHARED as FORKS
from ...background.forks import ForkLock
from ...background.worker import Worker
from ...config import DEFAULT_DATASET, Settings
from ...config.choices import ContentCapture
from ...evaluation.dataset.reader import DatasetError, is_json_lines
from ...evaluation.results.emission import VerdictEmitter
from ...evaluation.results.labels import Label, LabelStore, Stored
from ...evaluation.results.verdict import Verdict
from ...evaluation.sampling.feedback import SHARED as HEARERS
from ...propagation.targets import Kind, Target
from ..scope import manual_telemetry

_logger = logging.getLogger("otel_llm")

#: How much feedback may wait for the thread.
_MAX_WAITING = 1000
#: Of so many targets it is remembered what was last said of them.
_MAX_REMEMBERED = 10_000
#: The most seconds that the end of the program waits for feedback that is not recorded yet.
_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Submission:
    """Feedback that is to be recorded."""

    target: Target
    label: Label
    dataset: Path | None


class Desk:
    """Records feedback on a thread of its own, which starts with the first one."""

    def __init__(self) -> None:
        self._worker: Worker[Submission] = Worker("feedback", self._record, size=_MAX_WAITING, finish=self._close)
        self._lock = ForkLock()
        self._emitter: tuple[Any, VerdictEmitter] | None = None
        self._stores: dict[Path, LabelStore] = {}
        self._told = guard.Once()
        #: What was last said, by target, submitter and name, as a hash: no words are kept.
        self._last: OrderedDict[tuple[str, str, str], int] = OrderedDict()
        FORKS.add(self)

    def start_afresh(self) -> None:
        """In a child process: the parent records its own."""
        for store in self._stores.values():
            store.after_fork()

    # --- on the caller's thread --------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return manual_telemetry.settings

    def dataset(self) -> Path | None:
        """The SQLite dataset that labels are stored in: the one of a sampler, or that of the settings."""
        if (path := next(iter(HEARERS.datasets()), None)) is not None:
            return path
        settings = self.settings
        named = settings.evaluation_dataset
        configured = settings.samples_for_evaluation or named != DEFAULT_DATASET
        return Path(named).absolute() if configured and not is_json_lines(named) else None

    def keeps_content(self) -> bool:
        """Whether the dataset may have comments and corrections."""
        settings = self.settings
        return settings.capture_content is not ContentCapture.NO_CONTENT or settings.evaluation_capture_content

    def repeats(self, label: Label) -> bool:
        """Whether this process was last told the same. It remembers what it is told now."""
        key = (label.target, label.submitter, label.name)
        said = hash((label.score, label.scale, label.label, label.comment, label.correction))
        with self._lock.lock:
            last = self._last.pop(key, None)
            self._last[key] = said
            if len(self._last) > _MAX_REMEMBERED:
                self._last.popitem(last=False)
        return last == said

    def forget(self, label: Label) -> None:
        """Take back what :meth:`repeats` remembers of ``label``, which was not recorded."""
        with self._lock.lock:
            self._last.pop((label.target, label.submitter, label.name), None)

    def submit(self, submission: Submission) -> bool:
        """Have ``submission`` recorded soon; return whether there was room."""
        if self._worker.start():
            # The last to be registered is the first to run: before the SDK's own, which was set up earlier.
            atexit.unregister(self._at_exit)
            atexit.register(self._at_exit)
        return self._worker.put(submission)

    def flush(self, timeout: float) -> bool:
        """Record what waits; return whether that took at most ``timeout`` seconds."""
        return self._worker.flush(timeout)

    def _at_exit(self) -> None:
        self._worker.flush(_PATIENCE)

    # --- on the thread -----------------------------------------------------------------------------

    def _record(self, submission: Submission) -> None:
        label, target = submission.label, submission.target
        if submission.dataset is not None:
            label = self._placed(label, target, submission.dataset)
            if self._store(label, submission.dataset) is Stored.REPEATED:
                return
        self._emit(label, target)

    def _placed(self, label: Label, target: Target, dataset: Path) -> Label:
        """``label`` with the trace and the span that the dataset knows of its target."""
        if label.trace_id is not None and label.span_id is not None:
            return label
        known = ("trace_id", label.trace_id) if label.trace_id is not None else (target.attribute, target.value)
        if not dataset.exists():
            return label
        try:
            found = self._store_at(dataset).locate(*known)
        except DatasetError as error:
            self._log(dataset, error)
            return label
        return label if found is None else replace(label, trace_id=found[0], span_id=found[1])

    def _store(self, label: Label, dataset: Path) -> Stored | None:
        try:
            return self._store_at(dataset).put(label)
        except (OSError, sqlite3.Error) as error:
            self._log(dataset, error)
            return None

    def _store_at(self, dataset: Path) -> LabelStore:
        return self._stores.setdefault(dataset, LabelStore(dataset))

    def _log(self, dataset: Path, error: Exception) -> None:
        if self._told.first((dataset, str(error))):
            _logger.warning("labels of feedback can't be stored in %s: %s", dataset, error)

    def _emit(self, label: Label, target: Target) -> None:
        named = {} if target.kind in (Kind.SPAN, Kind.TRACE) else {target.attribute: target.value}
        response_id = target.value if target.kind is Kind.RESPONSE else None
        named.pop(s.RESPONSE_ID, None)
        self._emitter_in_force().emit(
            Verdict(
                label.name,
                label.trace_id,
                label.span_id,
                score=label.score,
                label=label.label or _label_without_words(label),
                explanation=label.comment,
                response_id=response_id,
                source="human",
                scale=label.scale,
                submitter=label.submitter or None,
                at=label.at,
                attributes=named,
            )
        )

    def _emitter_in_force(self) -> VerdictEmitter:
        arguments = manual_telemetry.arguments
        if self._emitter is None or self._emitter[0] is not arguments:
            providers = {name: value for name, value in arguments.items() if name.endswith("_provider")}
            self._emitter = arguments, VerdictEmitter(arguments.get("settings"), **providers)
        return self._emitter[1]

    def _close(self) -> None:
        for store in self._stores.values():
            store.close()


def _label_without_words(label: Label) -> str | None:
    """What there is to say of feedback that has neither a score nor a label."""
    if label.score is not None:
        return None
    return "corrected" if label.correction is not None else "commented"


#: One for the process: feedback is given anywhere.
SHARED = Desk()
