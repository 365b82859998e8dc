"""Reads the spans of OTLP JSON files, of any writer.

The SDK's `otlp_json_file` exporter and the Collector's file exporter write one object per line, other tools one
indented document. What can't be read is reported with file and line and skipped; the rest is read.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

from .otlp import UNREADABLE, Span, is_document, spans

STDIN = "-"

_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


class InputError(Exception):
    """A file can't be used at all. The message says why."""


@dataclass(slots=True)
class Reading:
    """What was read from the files: spans, problems (something was lost) and notes (nothing was)."""

    spans: list[Span] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read(paths: Sequence[str]) -> Reading:
    """Read all `paths`; `-` is standard input.

    Raises:
        InputError: a file can't be opened or contains no OTLP JSON.
    """
    reading = Reading()
    for path in paths:
        _read_file(path, reading)
    return reading


def _read_file(path: str, reading: Reading) -> None:
    name = "<stdin>" if path == STDIN else path
    source = _Source(name, reading)
    try:
        with _open(path) as stream:
            for number, document in source.documents(stream):
                try:
                    reading.spans.extend(spans(document, f"{name}:{number}", reading.problems))
                except UNREADABLE as error:
                    reading.problems.append(f"{name}:{number}: not the shape of OTLP JSON, skipped ({error})")
    except EOFError:
        reading.notes.append(f"{name}: the compressed file ends early (still being written?): the rest is missing")
    except (gzip.BadGzipFile, zlib.error) as error:
        reading.problems.append(f"{name}: damaged gzip file, read as far as possible ({error})")
    except OSError as error:
        raise InputError(f"{name}: {error.strerror or error}") from error
    source.conclude()


@contextmanager
def _open(path: str) -> Iterator[BinaryIO]:
    if path == STDIN:
        yield _plain(cast(io.BufferedReader, sys.stdin.buffer))
        return
    with open(path, "rb") as raw:
        yield _plain(raw)


def _plain(raw: io.BufferedReader) -> BinaryIO:
    if raw.peek(len(_GZIP))[: len(_GZIP)] == _GZIP:
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    return raw


class _Source:
    """One file, split into the JSON documents that are OTLP, each with the number of its first line."""

    def __init__(self, name: str, reading: Reading) -> None:
        self._name = name
        self._reading = reading
        self._foreign = 0
        self._first_foreign = 0
        self._documents = 0
        self._seen = False

    def documents(self, stream: BinaryIO) -> Iterator[tuple[int, Mapping[str, Any]]]:
        for number, document in self._parsed(stream):
            for item in document if isinstance(document, list) else [document]:
                if is_document(item):
                    self._documents += 1
                    yield number, item
                else:
                    self._skip_foreign(number)

    def conclude(self) -> None:
        if self._foreign and not self._documents:
            raise InputError(
                f"{self._name}:{self._first_foreign}: not OTLP JSON. Expected lines with `resourceSpans`, as the SDK's"
                " otlp_json_file exporter or the Collector's file exporter (format: json, no compression) writes them"
            )
        if self._foreign:
            self._reading.notes.append(
                f"{self._name}:{self._first_foreign}: {self._foreign} line(s) that are not OTLP JSON skipped"
            )
        if not self._seen:
            self._reading.notes.append(f"{self._name}: empty")

    def _skip_foreign(self, number: int) -> None:
        """Skip a line that is not OTLP JSON, such as output of the application."""
        self._foreign += 1
        self._first_foreign = self._first_foreign or number

    def _parsed(self, stream: BinaryIO) -> Iterator[tuple[int, Any]]:
        for number, line in enumerate(stream, 1):
            text = line.removeprefix(_BOM).strip()
            if not text:
                continue
            first, self._seen = not self._seen, True
            if not text.startswith((b"{", b"[")):
                self._skip_foreign(number)
                continue
            try:
                yield number, json.loads(text)
            except (ValueError, RecursionError) as error:
                if first and (rest := stream.read()):
                    yield from self._document_or_lines(text, rest, number, error)
                    return
                self._bad_line(number, error, is_last=not line.endswith(b"\n"))

    def _document_or_lines(self, text: bytes, rest: bytes, number: int, error: Exception) -> Iterator[tuple[int, Any]]:
        """Read a file whose first line is not valid JSON: it is one indented document, or that line is broken."""
        try:
            yield number, json.loads(text + b"\n" + rest)
        except (ValueError, RecursionError) as whole:
            if text in (b"{", b"["):
                at = number + whole.lineno - 1 if isinstance(whole, json.JSONDecodeError) else number
                raise InputError(f"{self._name}:{at}: incomplete or broken JSON document ({_reason(whole)})") from whole
            self._bad_line(number, error, is_last=False)
            for later, item in self._parsed(io.BytesIO(rest)):
                yield number + later, item

    def _bad_line(self, number: int, error: Exception, *, is_last: bool) -> None:
        where = f"{self._name}:{number}"
        if is_last:
            self._reading.notes.append(f"{where}: the last line is cut off (still being written?), skipped")
        else:
            self._reading.problems.append(f"{where}: broken JSON, line skipped ({_reason(error)})")


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at column {error.colno}"
    return "nested too deep" if isinstance(error, RecursionError) else str(error)
