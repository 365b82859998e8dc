"""Stores content outside of spans, at a URL of fsspec (a folder, S3, GCS, memory), and reads it again.

The name of an object is the hash of what is in it: the same content is stored once, and a reference proves what it
refers to. Traces stay small, and how long content is kept is the bucket's business.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import tempfile
import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import guard
from ..background import forks
from ..background.worker import Worker

_logger = logging.getLogger("otel_llm")

#: What is added to the name of a content attribute for the reference to it.
SUFFIX = "_ref"
STORED, FAILED, DROPPED = "stored", "failed", "dropped"
CLOSE_SECONDS = 5.0
_MOST_WAITING = 1000
_MOST_BYTES = 64 * 2**20
#: The newest objects whose names are remembered, so that they are not stored again.
_MOST_KNOWN = 10_000
_TRIES = 3
_PAUSE_SECONDS = 0.5


class Store:
    """Objects below ``url``, which need fsspec and the package for the URL's protocol."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._opened: tuple[Any, str] | None = None

    def _open(self) -> tuple[Any, str]:
        if self._opened is None:
            from fsspec.core import url_to_fs  # type: ignore[import-untyped,unused-ignore]

            self._opened = url_to_fs(self.url)
        return self._opened

    def reference(self, data: bytes) -> str:
        """The URL of the object for ``data``."""
        digest = hashlib.sha256(data).hexdigest()
        return f"{self.url}/{digest[:2]}/{digest}"

    def write(self, reference: str, data: bytes) -> None:
        """Store ``data`` at ``reference``."""
        filesystem, root = self._open()
        path = root.rstrip("/") + reference.removeprefix(self.url)
        if "file" in _protocols(filesystem):
            _write_private(Path(root), Path(path), data)
        else:
            filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
            filesystem.pipe_file(path, data)

    def read(self, reference: str) -> str | None:
        """The text at ``reference``; ``None`` if it is not below the URL, can't be read, or is not what it was."""
        if not reference.startswith(self.url + "/") or ".." in reference:
            return None
        try:
            filesystem, root = self._open()
            data: bytes = filesystem.cat_file(root.rstrip("/") + reference.removeprefix(self.url))
        except Exception:  # of any protocol
            return None
        return data.decode(errors="replace") if self.reference(data) == reference else None

    def resolved(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """``attributes`` with the content that they have references to, in place of what was cut."""
        found = dict(attributes)
        for name, reference in attributes.items():
            if name.endswith(SUFFIX) and isinstance(reference, str) and (text := self.read(reference)) is not None:
                found[name.removesuffix(SUFFIX)] = text
        return found


def _protocols(filesystem: Any) -> tuple[str, ...]:
    protocol = getattr(filesystem, "protocol", ())
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)


def _write_private(root: Path, path: Path, data: bytes) -> None:
    """Write a file below ``root`` that only its owner can read, and that is there completely or not at all."""
    if path.exists():
        return
    root.parent.mkdir(parents=True, exist_ok=True)
    for folder in (root, path.parent):
        folder.mkdir(exist_ok=True, mode=0o700)
    descriptor, part = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(part, path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


class Upload(Store):
    """Stores objects on a thread of its own. At most 1,000 objects of 64 MiB in all wait for it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.start_afresh()
        forks.SHARED.add(self)
        self._worker: Worker[str] = Worker("upload", self._store, size=_MOST_WAITING, give_up=self._give_up)
        atexit.register(self._worker.close, CLOSE_SECONDS)

    def start_afresh(self) -> None:
        """In a child process: the parent stores and counts what is its own."""
        self._lock = threading.Lock()
        self._told = guard.Once()
        #: Objects by what became of them.
        self.outcomes: Counter[str] = Counter()
        self._waiting: dict[str, bytes] = {}
        self._bytes = 0
        self._known: OrderedDict[str, None] = OrderedDict()

    def put(self, text: str) -> str | None:
        """Have ``text`` stored. Returns the reference to it, or ``None`` if there is no room. Never waits."""
        data = text.encode()
        reference = self.reference(data)
        with self._lock:
            if reference in self._known or reference in self._waiting:
                return reference
            if self._bytes + len(data) > _MOST_BYTES or self._worker.waiting >= _MOST_WAITING:
                self._count(DROPPED)
                return None
            self._waiting[reference] = data
            self._bytes += len(data)
        if self._worker.put(reference):
            return reference
        self._done(reference, DROPPED)
        return None

    def flush(self, seconds: float) -> bool:
        """Wait at most ``seconds`` until all that waits is stored or given up. Returns whether it is."""
        return self._worker.flush(seconds)

    def read(self, reference: str) -> str | None:
        """As :meth:`Store.read`, also of what still waits."""
        waiting = self._waiting.get(reference)
        return super().read(reference) if waiting is None else waiting.decode()

    # --- on the thread of the worker -----------------------------------------------------------

    def _store(self, reference: str) -> None:
        data = self._waiting.get(reference)
        if data is None:
            return
        for last in (*[False] * (_TRIES - 1), True):
            try:
                self.write(reference, data)
            except Exception as error:  # of any protocol
                if last or isinstance(error, ImportError):
                    self._done(reference, FAILED, error)
                    return
                self._worker.pause(_PAUSE_SECONDS)
            else:
                self._done(reference, STORED)
                return

    def _give_up(self, reference: str) -> None:
        self._done(reference, DROPPED)

    def _done(self, reference: str, outcome: str, error: Exception | None = None) -> None:
        with self._lock:
            self._bytes -= len(self._waiting.pop(reference, b""))
            if outcome == STORED:
                self._known[reference] = None
                if len(self._known) > _MOST_KNOWN:
                    self._known.popitem(last=False)
            self._count(outcome, error)

    def _count(self, outcome: str, error: Exception | None = None) -> None:
        self.outcomes[outcome] += 1
        if outcome != STORED and self._told.first((outcome, type(error))):
            reason = "too much waits" if error is None else f"{type(error).__name__}"
            _logger.warning("content is not uploaded: %s (%s)", outcome, reason)


class Uploads:
    """The uploads of this process, by their URL."""

    def __init__(self) -> None:
        self._by_url: dict[str, Upload] = {}

    def to(self, url: str) -> Upload:
        """The upload to ``url``."""
        return self._by_url.get(url) or self._by_url.setdefault(url, Upload(url))

    def resolved(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """``attributes`` with the content that they have references to, as far as it is of one of these."""
        found = dict(attributes)
        for upload in list(self._by_url.values()):
            found = upload.resolved(found)
        return found

    def flush(self, seconds: float) -> bool:
        """Flush all of them, for at most ``seconds`` each."""
        flushed = [upload.flush(seconds) for upload in list(self._by_url.values())]
        return all(flushed)

    def outcomes(self) -> Counter[str]:
        """What became of the objects of all of them."""
        total: Counter[str] = Counter()
        for upload in list(self._by_url.values()):
            total += upload.outcomes
        return total


#: One for the process: several instrumentations store at the same URL.
SHARED = Uploads()
