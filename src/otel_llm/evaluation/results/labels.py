"""Stores what people say beside the items of a SQLite dataset: the newest word of each, and what it replaced."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from time import time
from typing import Any

from ...config import DEFAULT_DATASET
from ...content import boundary
from ..dataset.database import Database
from ..dataset.reader import DatasetError, is_json_lines, rows

#: How items hold what feedback may name a trace by: a path into the item, or into each of its calls.
_IN_ITEMS = {
    "gen_ai.conversation.id": "json_extract(item, '$.conversation_id') = :value",
    "gen_ai.response.id": (
        "exists (select 1 from json_each(item, '$.calls') where json_extract(value, '$.response_id') = :value)"
    ),
}
_METADATA = "otel_llm.metadata."
#: Only the newest items are searched by what has no index.
_MOST_SEARCHED = 10_000


@dataclass(frozen=True, slots=True)
class Label:
    """One word of a person about one target. What is given has passed the content policy.

    :param target: what it is about, such as ``trace:5b8a...`` or ``conversation:c7``.
    :param name: what was asked, such as ``thumbs``.
    :param submitter: who said it, as the id of a user or its pseudonym; empty if that is not known.
    :param correction: the answer that the person would have wanted.
    :param at: when, in seconds since the epoch.
    """

    target: str
    name: str
    submitter: str = ""
    trace_id: str | None = None
    span_id: str | None = None
    score: float | None = None
    scale: str = "0-1"
    label: str | None = None
    comment: str | None = None
    correction: str | None = None
    at: float = 0.0

    def says_the_same(self, feedback: Mapping[str, Any]) -> bool:
        """Whether it says the same as an earlier one, given as the JSON that is stored of it."""
        told = ("score", "scale", "label", "comment", "correction")
        return all(getattr(self, name) == feedback.get(name) for name in told)


class Stored(Enum):
    """What became of a label: it is new, it replaces an earlier one, it repeats it, or a later one is there."""

    NEW = "new"
    REPLACED = "replaced"
    REPEATED = "repeated"
    OUTDATED = "outdated"


class LabelStore:
    """The labels of the SQLite dataset at ``path``. Several processes can write to it while others read.

    :raises DatasetError: for a dataset of JSON lines, which has no place for labels.
    """

    def __init__(self, path: str | os.PathLike[str] = DEFAULT_DATASET) -> None:
        if is_json_lines(path):
            raise DatasetError(f"{os.fspath(path)} can't hold labels: a SQLite dataset is needed for that")
        self.path = Path(path).absolute()
        self._database = Database(self.path)

    def put(self, label: Label) -> Stored:
        """Store ``label``. Of several with the same target, submitter and name, the newest is the current one.

        :raises sqlite3.Error: if it can't be stored.
        """
        with self._database.transaction() as database:
            database.execute("begin immediate")
            current = database.execute(
                "select id, at, feedback from labels"
                " where target = ? and submitter = ? and name = ? and replaced_at is null",
                (label.target, label.submitter, label.name),
            ).fetchone()
            if current is None:
                self._insert(database, label, None)
                return Stored.NEW
            row_id, at, feedback = current
            if label.says_the_same(json.loads(feedback)):
                return Stored.REPEATED
            if at > label.at:
                self._insert(database, label, at)
                return Stored.OUTDATED
            database.execute("update labels set replaced_at = ? where id = ?", (label.at, row_id))
            self._insert(database, label, None)
            return Stored.REPLACED

    @staticmethod
    def _insert(database: sqlite3.Connection, label: Label, replaced_at: float | None) -> None:
        told = {name: value for name in Label.__slots__ if (value := getattr(label, name)) is not None}
        database.execute(
            "insert into labels values (null, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                label.target,
                label.submitter,
                label.name,
                label.trace_id,
                label.span_id,
                label.at,
                time(),
                replaced_at,
                label.score,
                label.label,
                boundary.SHARED.without_secrets(told),
            ),
        )

    def read(
        self,
        *,
        name: str | None = None,
        trace_id: str | None = None,
        target: str | None = None,
        since: float | None = None,
        history: bool = False,
    ) -> Iterator[Label]:
        """The current labels, the oldest first; with ``history`` also those that were replaced.

        :raises DatasetError: if the dataset is missing or can't be read; also while the labels are iterated.
        """
        given = {"name": name, "trace_id": trace_id, "target": target, "since": since}
        tests = [f"{column} = :{column}" for column in ("name", "trace_id", "target") if given[column] is not None]
        tests += ["at >= :since"] if since is not None else []
        tests += [] if history else ["replaced_at is null"]
        for row in rows(
            self.path,
            "labels",
            f"select feedback from labels where {' and '.join(tests) or '1'} order by at, id",
            given,
        ):
            yield Label(**{name: value for name, value in json.loads(row[0]).items() if name in Label.__slots__})

    def pairs(self) -> Iterator[dict[str, Any]]:
        """A preference pair of each current correction whose trace is among the items and has an answer.

        It has ``prompt``, ``chosen`` (the correction) and ``rejected`` (the answer), and the ids of item and trace.

        :raises DatasetError: as :meth:`read` does.
        """
        query = (
            "select labels.feedback, items.item from labels join items"
            " on items.id between labels.trace_id || '-' and labels.trace_id || '-~'"
            " where replaced_at is null and json_extract(feedback, '$.correction') is not null order by at"
        )
        for feedback, text in rows(self.path, "labels", query, {}):
            label, item = json.loads(feedback), json.loads(text)
            if item.get("answer") is None:
                continue
            yield {
                "prompt": item.get("query"),
                "chosen": label["correction"],
                "rejected": item["answer"],
                "item_id": item["id"],
                "trace_id": item["trace_id"],
                "name": label["name"],
                "at": label["at"],
            }

    def locate(self, attribute: str, value: str) -> tuple[str, str | None] | None:
        """The trace and the judged span of the newest item that carries ``value`` as ``attribute``, or has that trace.

        :raises DatasetError: if the dataset can't be read.
        """
        among = "items"
        if attribute == "trace_id":
            test = "id between :value || '-' and :value || '-~'"
        elif attribute.startswith(_METADATA):
            test = "json_extract(item, '$.metadata.' || :name) = :value"
        elif (test := _IN_ITEMS.get(attribute, "")) == "":
            return None
        if attribute != "trace_id":
            among = f"(select item, started_at from items order by started_at desc limit {_MOST_SEARCHED})"
        given = {"value": value, "name": json.dumps(attribute.removeprefix(_METADATA))}
        query = f"select item from {among} where {test} order by started_at desc limit 1"
        for (text,) in rows(self.path, "items", query, given):
            item = json.loads(text)
            return item["trace_id"], (item.get("answered_by") or {}).get("span_id") or item["span_id"]
        return None

    def close(self) -> None:
        """Close the database. A later write opens it again."""
        self._database.close()

    def after_fork(self) -> None:
        """Forget the parent process's connection; the next write opens one of this process."""
        self._database.after_fork()

    def __str__(self) -> str:
        return str(self.path)
