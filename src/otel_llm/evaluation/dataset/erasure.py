"""Removes what belongs to a person from datasets and prompt logs."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .reader import APPLICATION_ID, VERDICTS, DatasetError, rotated

_BUSY_SECONDS = 10.0


class Erased:
    """What was removed: how many entries, and the ids of their traces."""

    def __init__(self) -> None:
        self.count = 0
        self.trace_ids: set[str] = set()

    def add(self, entry: dict[str, Any]) -> None:
        self.count += 1
        if isinstance(trace_id := entry.get("trace_id"), str):
            self.trace_ids.add(trace_id)


def from_database(path: Path, people: Collection[str], erased: Erased, dry_run: bool) -> None:
    """Remove the items of ``people`` from the SQLite database at ``path``, so that the file holds them no more.

    :raises DatasetError: if it is not a dataset, or can't be changed.
    """
    mode = "ro" if dry_run else "rw"
    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{quote(str(path))}?mode={mode}", _BUSY_SECONDS, uri=True, isolation_level=None)
        ) as database:
            if database.execute("pragma application_id").fetchone()[0] != APPLICATION_ID:
                raise DatasetError(f"{path} is not a dataset of otel-llm")
            ids = [
                item_id
                for item_id, item in database.execute("select id, item from items")
                if _is_of(item, people, erased)
            ]
            said = {table: _said(database, table, people, erased) for table in ("results", "labels")}
            if (ids or any(said.values())) and not dry_run:
                database.execute("pragma secure_delete = on")
                database.execute("begin immediate")
                database.executemany("delete from items where id = ?", [(one,) for one in ids])
                for table, rows in said.items():
                    database.executemany(f"delete from {table} where rowid = ?", [(one,) for one in rows])
                database.execute("commit")
                database.execute("vacuum")
                database.execute("pragma wal_checkpoint(truncate)")
    except sqlite3.Error as error:
        raise DatasetError(f"{path} can't be changed: {error}") from None


def _said(database: sqlite3.Connection, table: str, people: Collection[str], erased: Erased) -> list[int]:
    """The rows of ``table`` about traces that are erased, which may quote them, and those that ``people`` gave."""
    if not database.execute("select 1 from sqlite_schema where name = ?", (table,)).fetchone():
        return []
    found = [
        row_id
        for row_id, trace_id, submitter in database.execute(f"select rowid, trace_id, submitter from {table}")
        if trace_id in erased.trace_ids or submitter in people
    ]
    erased.count += len(found)
    return found


def from_lines(path: Path, people: Collection[str], erased: Erased, dry_run: bool) -> None:
    """Remove the lines of ``people`` from the file of JSON lines at ``path``, and from those it was rotated to.

    The verdicts on them, which may quote them, are removed as well.

    :raises DatasetError: if a file can't be read or replaced.
    """
    for file in (*rotated(path), path):
        try:
            if file.exists():
                with _locked(path):
                    _from_file(file, people, erased, dry_run)
        except OSError as error:
            raise DatasetError(f"{file} can't be changed: {error.strerror}") from None
    if (verdicts := Path(f"{path}{VERDICTS}")).exists():
        from_database(verdicts, people, erased, dry_run)


def _from_file(file: Path, people: Collection[str], erased: Erased, dry_run: bool) -> None:
    before = erased.count
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=".otel-llm-erase-", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as kept, file.open("rb") as lines:
            for line in lines:
                if not _is_of(line, people, erased):
                    kept.write(line)
            if not dry_run and erased.count > before:
                part.chmod(file.stat().st_mode & 0o777)
                part.replace(file)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep those that write items from doing so, if the system has file locks."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with open(f"{path}.lock", "ab") as lock:
        os.chmod(lock.fileno(), 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_of(line: str | bytes, people: Collection[str], erased: Erased) -> bool:
    """Whether ``line``, the JSON of an item or of a call, is of one of ``people``, and count it if it is."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return False
    if not isinstance(entry, dict) or entry.get("user_id") not in people:
        return False
    erased.add(entry)
    return True
