"""Stores verdicts beside the items of a SQLite dataset, and reads them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from time import time
from typing import Any

from ... import semconv as s
from ...config import DEFAULT_DATASET
from ...content import boundary
from ..dataset.database import Database
from ..dataset.reader import DatasetError, is_json_lines, rows
from .verdict import Verdict

_FIELDS = tuple(one.name for one in fields(Verdict))
_KEY = "trace_id = ? and span_id = ? and evaluator = ? and revision = ? and submitter = ?"
_COLUMNS = ", ".join(["?"] * 14)


class ResultStore:
    """The verdicts of the SQLite dataset at ``path``: one for each span, evaluator, revision and submitter.

    Several processes and threads can write to it while others read. A dataset of an older release can be used.

    :raises DatasetError: for a dataset of JSON lines, which has no place for verdicts.
    """

    def __init__(self, path: str | os.PathLike[str] = DEFAULT_DATASET) -> None:
        if is_json_lines(path):
            raise DatasetError(f"{os.fspath(path)} can't hold verdicts: a SQLite dataset is needed for that")
        self.path = Path(path).absolute()
        self._database = Database(self.path)

    def add(self, verdict: Verdict, *, replace: bool = False, unsent: bool = False) -> bool:
        """Store ``verdict``; return whether it was stored.

        If there is one with the same key, it is kept, unless ``replace`` is true. A verdict that failed
        (``error_type``) is always replaced. The explanation is stored as the content policy has it. With ``unsent`` it
        is also among :meth:`unsent` until :meth:`sent` is called, so that a process that is killed in between does not
        lose it.

        :raises sqlite3.Error: if it can't be stored.
        :raises ValueError: if the verdict is not of a trace.
        """
        if verdict.trace_id is None:
            raise ValueError("a verdict is stored by its trace_id")
        row = _row(verdict)
        other = "" if replace else " and error_type is not null"
        with self._database.transaction() as database:
            database.execute(f"delete from results where {_KEY}{other}", row[:5])
            stored = database.execute(f"insert or ignore into results values ({_COLUMNS})", row).rowcount > 0
            if stored and unsent:
                database.execute("insert or ignore into unsent values (?, ?, ?, ?, ?)", row[:5])
            return stored

    def unsent(self, older_than: float = 0.0) -> list[Verdict]:
        """The verdicts that were stored as unsent and may not have been sent, stored over ``older_than`` seconds ago.

        :raises sqlite3.Error: if the database can't be used.
        """
        query = "select verdict from results natural join unsent where stored_at < ? order by results.rowid"
        with self._database.transaction() as database:
            return [_verdict(text) for (text,) in database.execute(query, (time() - older_than,))]

    def sent(self, verdicts: Iterable[Verdict]) -> None:
        """Say that ``verdicts`` were sent."""
        keys = [_key(verdict) for verdict in verdicts]
        with self._database.transaction() as database:
            database.executemany(f"delete from unsent where {_KEY}", keys)

    def of_trace(self, trace_id: str) -> list[Verdict]:
        """The verdicts on the spans of the trace ``trace_id``, failed ones included; quicker than :meth:`read`.

        :raises sqlite3.Error: if the database can't be used.
        """
        if not self.path.exists():
            return []
        with self._database.transaction() as database:
            found = database.execute("select verdict from results where trace_id = ? order by rowid", (trace_id,))
            return [_verdict(text) for (text,) in found]

    def has(self, trace_id: str, span_id: str, evaluator: str, revision: str = "", submitter: str = "") -> bool:
        """Whether there is a verdict with this key that did not fail.

        The key is ``trace_id``, ``span_id``, ``evaluator``, ``revision`` and ``submitter``.

        :raises DatasetError: if the dataset can't be read.
        """
        found = self.read(trace_id=trace_id, span_id=span_id, evaluator=evaluator, revision=revision)
        return any(one.error_type is None and (one.submitter or "") == submitter for one in found)

    def read(
        self,
        *,
        trace_id: str | None = None,
        span_id: str | None = None,
        name: str | None = None,
        evaluator: str | None = None,
        revision: str | None = None,
        source: str | None = None,
        since: float | None = None,
    ) -> Iterator[Verdict]:
        """The verdicts that have all that is given, the oldest first.

        That is ``trace_id``, ``span_id``, ``name``, ``evaluator``, ``revision`` and ``source``, and a time from
        ``since`` on, in seconds since the epoch.

        :raises DatasetError: if the dataset is missing or can't be read; also while the verdicts are iterated.
        """
        wanted: dict[str, Any] = {
            "trace_id": trace_id,
            "span_id": span_id,
            "name": name,
            "evaluator": evaluator,
            "revision": revision,
            "source": source,
        }
        tests = [f"{column} = :{column}" for column, value in wanted.items() if value is not None]
        if since is not None:
            tests.append("at >= :since")
        query = f"select verdict from results where {' and '.join(tests) or '1'} order by at, rowid"
        found = rows(self.path, "results", query, {**wanted, "since": since})
        return (_verdict(text) for (text,) in found)

    def close(self) -> None:
        """Close the database. A later write opens it again."""
        self._database.close()

    def after_fork(self) -> None:
        """Forget the parent process's connection; the next write opens one of this process."""
        self._database.after_fork()

    def __str__(self) -> str:
        return str(self.path)


def _key(verdict: Verdict) -> tuple[str, str, str, str, str]:
    submitter = verdict.submitter and boundary.clean_text(verdict.submitter, s.USER_ID)
    return (
        verdict.trace_id or "",
        verdict.span_id or "",
        verdict.evaluator_id,
        verdict.revision or "",
        submitter or "",
    )


def _row(verdict: Verdict) -> tuple[Any, ...]:
    told = _told(verdict)
    return (
        *_key(verdict),
        time(),
        verdict.at,
        verdict.name,
        verdict.source,
        verdict.score,
        told.get("label"),
        verdict.passed,
        verdict.error_type,
        boundary.SHARED.without_secrets(told),
    )


def _told(verdict: Verdict) -> dict[str, Any]:
    """``verdict`` as the content policy has it, without what it leaves open."""
    attributes = {"label": s.EVALUATION_SCORE_LABEL, "explanation": s.EVALUATION_EXPLANATION, "submitter": s.USER_ID}
    told = {name: value for name in _FIELDS if (value := getattr(verdict, name)) is not None}
    told["attributes"] = boundary.cleaned(verdict.attributes)
    for name, attribute in attributes.items():
        if name in told:
            told[name] = boundary.clean_text(told[name], attribute)
    if not boundary.SHARED.shows_errors:
        told.pop("explanation", None)
    return told


def _verdict(text: str) -> Verdict:
    return Verdict(**{name: value for name, value in json.loads(text).items() if name in _FIELDS})
