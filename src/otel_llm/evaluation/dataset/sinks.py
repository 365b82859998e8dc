"""Sinks, which store items: a SQLite database, a file of JSON lines, or a function of the application."""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from time import time
from typing import Protocol, runtime_checkable

from ...config import DEFAULT_DATASET
from ...content.boundary import SHARED
from .database import Database
from .reader import Item, is_json_lines, rotated

_DEFAULT_ROTATE_BYTES = 64 * 2**20


@runtime_checkable
class Sink(Protocol):
    """An object that stores items. Its methods are called on one thread at a time."""

    def write(self, item: Item) -> None:
        """Store ``item`` completely, or raise an exception and store nothing; it is then called again.

        If an item with the same id is stored already, replace it.
        """

    def close(self) -> None:
        """Close the sink. No other method is called after it."""

    def after_fork(self) -> None:
        """Forget open files and connections. It is called in a child process, because they belong to the parent."""


class _Function:
    def __init__(self, function: Callable[[Item], object]) -> None:
        self._function = function

    def write(self, item: Item) -> None:
        self._function(item)

    def close(self) -> None:
        """The function belongs to the application."""

    def after_fork(self) -> None:
        """The function belongs to the application."""

    def __str__(self) -> str:
        return getattr(self._function, "__qualname__", type(self._function).__qualname__)


class SQLiteSink:
    """Stores items in a SQLite database at ``path``, in WAL mode.

    Several processes of a host can write to it while others read. The table ``items`` has a row for each item, with its
    JSON in the column ``item``; ``docs/evaluation.md`` describes the other columns. The file can be read by its owner
    only, because it may contain prompts.
    """

    def __init__(self, path: str | os.PathLike[str] = DEFAULT_DATASET) -> None:
        self.path = Path(path).absolute()
        self._database = Database(self.path)

    def write(self, item: Item) -> None:
        """Store ``item``.

        :raises sqlite3.Error: if it can't be stored, or the database is not one of this package.
        """
        with self._database.transaction() as database:
            database.execute(
                "insert or replace into items values (?, ?, ?, ?, ?, ?, ?)",
                (
                    item["id"],
                    time(),
                    item["started_at"],
                    item.get("service"),
                    item["name"],
                    SHARED.without_secrets(item["sampled_by"]),
                    SHARED.without_secrets(item),
                ),
            )

    def close(self) -> None:
        """Close the database. A later write opens it again."""
        self._database.close()

    def after_fork(self) -> None:
        """Forget the parent process's connection; the next write opens one of this process."""
        self._database.after_fork()

    def __str__(self) -> str:
        return str(self.path)


class JSONLinesSink:
    """Stores items in a file at ``path``, one line of JSON for each.

    When the file has reached ``rotate_bytes``, it is renamed to the next number (``path.1`` is the oldest), and a new
    one is started. ``keep`` is the number of renamed files to keep (default: all). Several processes of a host can
    share the file. The files can be read by their owner only, because they may contain prompts.

    :raises ValueError: if ``rotate_bytes`` or ``keep`` is below 1.
    """

    def __init__(
        self, path: str | os.PathLike[str], rotate_bytes: int = _DEFAULT_ROTATE_BYTES, keep: int | None = None
    ) -> None:
        if rotate_bytes < 1 or (keep is not None and keep < 1):
            raise ValueError("rotate_bytes and keep must be numbers above 0")
        self.path = Path(path).absolute()
        self._rotate_bytes = rotate_bytes
        self._keep = keep

    def write(self, item: Item) -> None:
        """Store ``item``.

        :raises OSError: if it can't be stored.
        """
        line = (SHARED.without_secrets(item) + "\n").encode()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked():
            if self.path.exists() and self.path.stat().st_size >= self._rotate_bytes:
                self._rotate()
            _append(self.path, line)

    def close(self) -> None:
        """Nothing to do: no file is kept open."""

    def after_fork(self) -> None:
        """Nothing to do: no file is kept open."""

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from rotating the file during a write, if the system has file locks."""
        try:
            import fcntl
        except ImportError:
            yield
            return
        lock = os.open(f"{self.path}.lock", os.O_CREAT | os.O_WRONLY, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                yield
            finally:  # a child process that was forked during the write has the file open, and would keep it locked
                fcntl.flock(lock, fcntl.LOCK_UN)
        finally:
            os.close(lock)

    def _rotate(self) -> None:
        numbered = rotated(self.path)
        following = int(numbered[-1].suffix[1:]) + 1 if numbered else 1
        self.path.rename(f"{self.path}.{following}")
        if self._keep is not None:
            for old in numbered[: max(len(numbered) + 1 - self._keep, 0)]:
                old.unlink(missing_ok=True)

    def __str__(self) -> str:
        return str(self.path)


def _append(path: Path, line: bytes) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_RDWR, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if size:
            os.lseek(descriptor, -1, os.SEEK_END)
            if os.read(descriptor, 1) != b"\n":  # the last writer was killed during its write
                line = b"\n" + line
        try:
            written = 0
            while written < len(line):
                written += os.write(descriptor, line[written:])
        except OSError:  # such as a full disk: half a line would make the next one unreadable
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def open_sink(sink: object) -> Sink:
    """Make a sink of ``sink``: a path to a SQLite database or a file of JSON lines, a function, or a sink.

    :raises TypeError: for anything else.
    """
    if sink is None:
        return SQLiteSink()
    called = sink.__call__ if callable(sink) else getattr(sink, "write", None)
    if inspect.iscoroutinefunction(sink) or inspect.iscoroutinefunction(called):
        raise TypeError("sink must not be async: it is called on a thread without an event loop")
    if isinstance(sink, str | os.PathLike):
        return JSONLinesSink(sink) if is_json_lines(sink) else SQLiteSink(sink)
    if isinstance(sink, Sink):
        return sink
    if callable(sink):
        return _Function(sink)
    raise TypeError(f"sink must be a path, a function or have write, close and after_fork, not {type(sink).__name__}")
