"""The SQLite database of a dataset: opened for writing by several processes and threads, and made if it is missing."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from ...background.forks import ForkLock
from .reader import APPLICATION_ID, TABLE, VERSION, check

_BUSY_SECONDS = 2.0
#: Tables that were added later. A file that an older release made gets them when it is first written to, and an older
#: release passes over them.
_LATER_TABLES = (
    """\
create table if not exists results (
    trace_id text not null,
    span_id text not null,
    evaluator text not null,
    revision text not null,
    submitter text not null,
    stored_at real not null,
    at real not null,
    name text not null,
    source text not null,
    score real,
    label text,
    passed integer,
    error_type text,
    verdict text not null,
    primary key (trace_id, span_id, evaluator, revision, submitter)
)""",
    "create index if not exists results_at on results (at)",
    """\
create table if not exists unsent (
    trace_id text not null,
    span_id text not null,
    evaluator text not null,
    revision text not null,
    submitter text not null,
    primary key (trace_id, span_id, evaluator, revision, submitter)
)""",
    """\
create table if not exists spending (
    id text primary key,
    period text not null,
    currency text not null,
    parts integer not null
)""",
    "create index if not exists spending_period on spending (period)",
    """\
create table if not exists evidence (
    bound text primary key,
    bets text not null
)""",
    """\
create table if not exists leases (
    item text primary key,
    work text not null,
    owner text not null,
    until real not null,
    attempts integer not null
)""",
    """\
create table if not exists labels (
    id integer primary key,
    target text not null,
    submitter text not null,
    name text not null,
    trace_id text,
    span_id text,
    at real not null,
    stored_at real not null,
    replaced_at real,
    score real,
    label text,
    feedback text not null
)""",
    "create unique index if not exists labels_current on labels (target, submitter, name) where replaced_at is null",
    "create index if not exists labels_trace on labels (trace_id)",
)


class Database:
    """Writes to the database at ``path``, in WAL mode. The file can be read by its owner only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._file: os.stat_result
        #: The parent processes' connections. Closing one in a child would release the locks of the parent.
        self._foreign: list[sqlite3.Connection] = []
        #: SQLite has locks for the whole process. In a child that is forked during a write they stay locked for ever.
        self._writing = ForkLock()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A connection whose changes are committed at the end, or rolled back if the block raises an error.

        :raises sqlite3.Error: if it can't be written, or is not a database of this package.
        """
        with self._writing.lock:
            connection = self._opened()
            with connection:
                yield connection

    def close(self) -> None:
        """Close the connection. A later transaction opens it again."""
        with self._writing.lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def after_fork(self) -> None:
        """Forget the parent process's connection; the next transaction opens one of this process."""
        if self._connection is not None:
            self._foreign.append(self._connection)
            self._connection = None

    def _opened(self) -> sqlite3.Connection:
        if self._connection is not None and not self._is_there():  # what is written to a deleted file is lost
            self._connection.close()
            self._connection = None
        if self._connection is None:
            _create_private(self.path)
            connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, check_same_thread=False)
            try:
                _prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._file = os.stat(self.path)
            self._connection = connection
        return self._connection

    def _is_there(self) -> bool:
        """Whether the file is still the one that was opened: neither deleted nor replaced."""
        try:
            return os.path.samestat(os.stat(self.path), self._file)
        except FileNotFoundError:
            return False


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("begin immediate")  # several processes may create the dataset at once
    with connection:
        if not check(connection):
            connection.execute(TABLE)
            connection.execute("create index items_started_at on items (started_at)")
            connection.execute(f"pragma application_id={APPLICATION_ID}")
            connection.execute(f"pragma user_version={VERSION}")
        for statement in _LATER_TABLES:
            connection.execute(statement)
    if connection.execute("pragma journal_mode").fetchone() != ("wal",):
        connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=normal")


def _create_private(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
