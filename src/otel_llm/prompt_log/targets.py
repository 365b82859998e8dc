"""Targets of a prompt log: a file, a text stream, a logger or a function."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from ..content.boundary import SHARED
from .record import Record

Write = Callable[[Record], Any]


class Stream(Protocol):
    def write(self, text: str, /) -> Any: ...

    def flush(self) -> Any: ...


def writer(target: Any) -> Write:
    if isinstance(target, str | os.PathLike):
        return File(Path(target))
    if isinstance(target, logging.Logger):
        return lambda record: target.info("%s", SHARED.without_secrets(record))
    if hasattr(target, "write") and hasattr(target, "flush"):

        def write(record: Record) -> None:
            target.write(SHARED.without_secrets(record) + "\n")
            target.flush()

        return write
    if callable(target):
        return target  # type: ignore[no-any-return]
    raise TypeError(f"a prompt log goes to a path, a stream, a logger or a function, not {type(target).__name__}")


class File:
    """A file that several processes may append to, and that log rotation may move away."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = None
        self._reopen()

    def __call__(self, record: Record) -> None:
        if not self._is_current():
            self._reopen()
        # One unbuffered write for each line, so that lines of several processes don't mix.
        self._file.write(SHARED.without_secrets(record).encode() + b"\n")

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._file.fileno()))
        except (OSError, ValueError):  # deleted, or closed after a failed write
            return False

    def _reopen(self) -> None:
        self.close()
        # A new file is private to its owner: lines may hold prompts and people's ids.
        descriptor = os.open(self._path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
        self._file = open(descriptor, "ab", buffering=0)  # noqa: SIM115

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
