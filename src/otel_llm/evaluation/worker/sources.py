"""Sources of items: datasets, OTLP JSON files, Jaeger and Tempo."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ...traces import files, servers
from ...traces.http import Server, ServerError
from ...traces.otlp import is_document
from ...traces.trees import Trace, join
from ..dataset import from_traces, reader
from ..dataset.reader import DatasetError, Item, Selection

if TYPE_CHECKING:
    from ...content.upload import Store

#: Where Jaeger and Tempo are if no URL is given.
_LOCAL = {"jaeger": "http://127.0.0.1:16686", "tempo": "http://127.0.0.1:3200"}
#: What is read from a server if no time is given.
_PERIOD = timedelta(days=1)
_SQLITE = b"SQLite format 3\0"
_GZIP = b"\x1f\x8b"
_TIMEOUT = 30.0


class SourceError(Exception):
    """A source can't be used. The message says which one, why, and what to do."""


class Source(Protocol):
    """Where items come from. ``problems`` has what could not be read so far."""

    problems: list[str]

    def items(self, selection: Selection) -> Iterator[Item]:
        """Yield the selected items, the oldest first.

        :raises SourceError: if the source can't be used; also while the items are iterated.
        """
        ...

    def trace(self, trace_id: str) -> Iterator[Item]:
        """Yield the items of the trace whose id is, or begins with, ``trace_id``. Servers take whole ids only.

        :raises SourceError: as ``items`` does.
        """
        ...


def open_source(
    name: str | os.PathLike[str],
    *,
    services: Iterable[str] = (),
    headers: Mapping[str, str] | None = None,
    timeout: float = _TIMEOUT,
    uploads: str | None = None,
) -> Source:
    """The source that ``name`` is: the path of a dataset or of an OTLP JSON file, ``jaeger`` or ``tempo`` on this
    machine, or the URL of one: ``jaeger+http://host:16686``, ``tempo+https://host/path``.

    ``services``, ``headers`` and ``timeout`` (seconds for one answer) are for servers. Content that the application has
    uploaded is read from the URL ``uploads``.

    :raises SourceError: if there is no such source.
    """
    store = None
    if uploads:
        from ...content.upload import Store

        store = Store(uploads)
    text = os.fspath(name)
    kind, plus, url = text.partition("+")
    if kind in _LOCAL and (plus or not Path(text).exists()):
        try:
            server = Server(url or _LOCAL[kind], headers or {}, timeout)
        except ServerError as error:
            raise SourceError(str(error)) from None
        return ServerSource(kind, server, list(services), store)
    path = Path(text)
    return FileSource(path, store) if _is_otlp(path) else DatasetSource(path)


class DatasetSource:
    """The items of a dataset."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.problems: list[str] = []

    def items(self, selection: Selection) -> Iterator[Item]:
        try:
            reading = reader.read(self._path, selection)
            yield from reading.items
        except DatasetError as error:
            raise SourceError(str(error)) from None
        if reading.unreadable:
            self.problems.append(
                f"{self._path}: {reading.unreadable} line(s) or row(s) skipped: not items of a version known here"
            )

    def trace(self, trace_id: str) -> Iterator[Item]:
        return self.items(Selection(id=trace_id.lower()))


class FileSource:
    """The traces of an OTLP JSON file, such as the Collector's file exporter writes."""

    def __init__(self, path: Path, uploads: Store | None = None) -> None:
        self._path = path
        self._uploads = uploads
        self.problems: list[str] = []

    def items(self, selection: Selection) -> Iterator[Item]:
        try:
            reading = files.read([os.fspath(self._path)])
        except files.InputError as error:
            raise SourceError(str(error)) from None
        self.problems += reading.problems
        return _selected(join(reading.spans), self._uploads, selection)

    def trace(self, trace_id: str) -> Iterator[Item]:
        return self.items(Selection(id=trace_id.lower()))


class ServerSource:
    """The traces that Jaeger or Tempo has of ``services``, by default of all."""

    def __init__(self, kind: str, server: Server, services: list[str], uploads: Store | None = None) -> None:
        self._search = servers.jaeger if kind == "jaeger" else servers.tempo
        self._one = servers.jaeger_trace if kind == "jaeger" else servers.tempo_trace
        self._server = server
        self._services = services
        self._uploads = uploads
        self.problems: list[str] = []

    def items(self, selection: Selection) -> Iterator[Item]:
        now = datetime.now(UTC)
        since = datetime.fromisoformat(selection.since) if selection.since else now - _PERIOD
        since = since if since.tzinfo else since.replace(tzinfo=UTC)
        period = (int(since.timestamp() * 1e9), int(now.timestamp() * 1e9))
        try:
            found = self._search(self._server, self._services, period, self.problems)
            yield from _selected(sorted(_once(found), key=lambda trace: trace.start), self._uploads, selection)
        except ServerError as error:
            raise SourceError(str(error)) from None

    def trace(self, trace_id: str) -> Iterator[Item]:
        try:
            found = self._one(self._server, trace_id.lower(), self.problems)
        except ServerError as error:
            raise SourceError(str(error)) from None
        return _selected(found, self._uploads, Selection())


def _once(traces: Iterable[Trace]) -> Iterator[Trace]:
    """Each trace once: Jaeger gives one of several services for each of them."""
    seen: set[str] = set()
    for trace in traces:
        if trace.trace_id not in seen:
            seen.add(trace.trace_id)
            yield trace


def _selected(traces: Iterable[Trace], uploads: Store | None, selection: Selection) -> Iterator[Item]:
    found = (item for trace in traces for item in from_traces.items(trace, uploads) if selection.takes(item))
    return iter(found if selection.limit is None else deque(found, selection.limit))


def _is_otlp(path: Path) -> bool:
    """Whether a file holds OTLP JSON rather than items. What can't be read is left to the reader of datasets."""
    try:
        with path.open("rb") as file:
            start = file.read(len(_SQLITE))
            if start == _SQLITE:
                return False
            if start.startswith(_GZIP):
                return True
            file.seek(0)
            line = next((line for line in file if line.strip()), b"")
            try:
                return is_document(json.loads(line))
            except (ValueError, RecursionError):
                return line.strip() == b"{"  # an indented document; items have one line each
    except OSError:
        return False
