"""Reads datasets of items, and defines their format. It needs no other package."""

from __future__ import annotations

import json
import os
import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from glob import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

Item = dict[str, Any]

#: The name and version of an item's format, which is in each item.
SCHEMA = "otel-llm.evaluation-item/1"
#: "otlm": marks our databases in their header.
APPLICATION_ID = 0x6F746C6D
VERSION = 1
TABLE = """\
create table items (
    id text primary key,
    stored_at real not null,
    started_at text not null,
    service text,
    name text not null,
    sampled_by text not null,
    item text not null
)"""
#: What the names of databases end in that hold the verdicts on items of another file.
VERDICTS = ".verdicts.db"
_BUSY_SECONDS = 2.0


def json_schema() -> dict[str, Any]:
    """The JSON Schema of an item."""
    schema: dict[str, Any] = json.loads(
        files("otel_llm.evaluation.dataset").joinpath("item.schema.json").read_text(encoding="utf-8")
    )
    return schema


class DatasetError(Exception):
    """A dataset can't be read. The message says which one, why, and what to do."""


def is_json_lines(path: str | os.PathLike[str]) -> bool:
    """Whether the dataset at ``path`` is a file of JSON lines. All others are SQLite databases."""
    return os.fspath(path).endswith(".jsonl")


def rotated(path: Path) -> list[Path]:
    """The rotated files of the dataset at ``path``, the oldest first."""
    found = [one for one in path.parent.glob(f"{escape(path.name)}.*") if one.suffix[1:].isdecimal()]
    return sorted(found, key=_number)


def _number(path: Path) -> int:
    return int(path.suffix[1:])


@dataclass(frozen=True, slots=True)
class Selection:
    """Selects the newest ``limit`` items with an id that begins with ``id``, that started at ``since`` (ISO 8601, UTC)
    or later, and that ``reason`` sampled."""

    id: str = ""
    since: str = ""
    reason: str | None = None
    limit: int | None = None

    def takes(self, item: Item) -> bool:
        return (
            str(item.get("id")).startswith(self.id)
            and str(item.get("started_at")) >= self.since
            and (self.reason is None or self.reason in (item.get("sampled_by") or ()))
        )


@dataclass(slots=True)
class Reading:
    """The selected items, the oldest first, and the number of lines or rows that could not be read."""

    items: Iterator[Item]
    unreadable: int = field(default=0)


def read(path: Path, selection: Selection) -> Reading:
    """Read a dataset. Other processes may write it at the same time.

    :raises DatasetError: if it is missing, locked or not ours; also while the items are iterated.
    """
    reading = Reading(iter(()))
    if is_json_lines(path):
        if not path.exists() and not rotated(path):
            raise _missing(path)
        reading.items = _lines(path, selection, reading)
    else:
        if not path.exists():
            raise _missing(path)
        if path.is_dir():
            raise DatasetError(f"{path} can't be read: it is a directory")
        reading.items = _rows(path, selection, reading)
    return reading


def _missing(path: Path) -> DatasetError:
    return DatasetError(
        f"there is no dataset {path}; name it by --dataset or OTEL_LLM_EVAL_DATASET"
        " (it is made when the first item is stored)"
    )


def _lines(path: Path, selection: Selection, reading: Reading) -> Iterator[Item]:
    found: Iterator[Item] = (item for item in _all_lines(path, reading) if selection.takes(item))
    yield from found if selection.limit is None else deque(found, selection.limit)


def _all_lines(path: Path, reading: Reading) -> Iterator[Item]:
    try:
        for lines in _files(path):
            with lines:
                for line in lines:
                    if (item := parsed_item(line)) is not None:
                        yield item
                    elif line.strip():
                        reading.unreadable += 1
    except OSError as error:
        raise DatasetError(f"{error.filename or path} can't be read: {error.strerror}") from None


def _files(path: Path) -> Iterator[TextIO]:
    """All files of a dataset, the oldest first.

    The dataset may be rotated at any time. So the newest file is opened before the numbered files are listed: if there
    is a new one among them, it is the file that was opened.
    """
    last = 0
    while True:
        newest = _opened(path)
        numbered = [one for one in rotated(path) if _number(one) > last]
        if not numbered:
            if newest is not None:
                yield newest
            return
        if newest is not None:
            newest.close()
        for one in numbered:
            last = _number(one)
            if (lines := _opened(one)) is not None:
                yield lines


def _opened(path: Path) -> TextIO | None:
    """Open a file; ``None`` if it no longer exists, because the sink keeps only some of the rotated files."""
    try:
        return path.open(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def parsed_item(text: str) -> Item | None:
    """The item that ``text`` is; ``None`` if it is none of a version known here."""
    try:
        item = json.loads(text)
    except (ValueError, RecursionError):
        return None
    known = isinstance(item, dict) and item.get("schema") == SCHEMA and isinstance(item.get("id"), str)
    return item if known else None


def _rows(path: Path, selection: Selection, reading: Reading) -> Iterator[Item]:
    try:
        database = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=_BUSY_SECONDS)
        try:
            check(database)
            for text in _selected(database, selection):
                if (item := parsed_item(text)) is not None:
                    yield item
                else:
                    reading.unreadable += 1
        finally:
            database.close()
    except sqlite3.Error as error:
        raise DatasetError(explained(path, error)) from None


def _selected(database: sqlite3.Connection, selection: Selection) -> Iterator[str]:
    query = (
        "select item, started_at from items where substr(id, 1, length(:id)) = :id and started_at >= :since"
        " and (:reason is null or exists (select 1 from json_each(sampled_by) where value = :reason))"
    )
    if selection.limit is not None:
        query = f"select * from ({query} order by started_at desc limit :limit)"
    given = {"id": selection.id, "since": selection.since, "reason": selection.reason, "limit": selection.limit}
    for text, _ in database.execute(f"{query} order by started_at", given):
        yield text


def rows(path: Path, table: str, query: str, given: Mapping[str, Any] | Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of ``query`` on ``table``, writing nothing; none if the dataset does not have this table yet.

    :raises DatasetError: if the dataset is missing or can't be read.
    """
    if not path.exists():
        raise DatasetError(f"there is no dataset {path}")
    try:
        uri = f"file:{quote(str(path.absolute()))}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)) as database:
            check(database)
            if database.execute("select 1 from sqlite_schema where name = ?", (table,)).fetchone():
                yield from database.execute(query, given)
    except sqlite3.Error as error:
        raise DatasetError(explained(path, error)) from None


def check(database: sqlite3.Connection) -> bool:
    """Return ``True`` for a dataset of ours, and ``False`` for an empty database.

    :raises sqlite3.DatabaseError: for a database of another application, or of a newer version of ours.
    """
    (owner,) = database.execute("pragma application_id").fetchone()
    (version,) = database.execute("pragma user_version").fetchone()
    if owner == APPLICATION_ID and version <= VERSION:
        return True
    if owner == APPLICATION_ID:
        raise sqlite3.DatabaseError(f"it is of version {version}, for which a newer otel-llm is needed")
    if database.execute("select count(*) from sqlite_schema").fetchone()[0]:
        raise sqlite3.DatabaseError("it is a database of something else")
    return False


def explained(path: Path, error: sqlite3.Error) -> str:
    """Why the database at ``path`` can't be read, in words for people."""
    text = str(error)
    if "locked" in text or "busy" in text:
        return f"{path} is locked by another process; try again"
    if "not a database" in text:
        return f"{path} is no dataset: neither SQLite nor, by its suffix .jsonl, JSON lines"
    if "readonly" in text:
        return f"{path} can only be read where one may also write beside it: copy it"
    if "no such table" in text:
        return f"{path} is empty"
    return f"{path} can't be read: {text}"
