"""Reads spans from OTLP JSON files.

It reads the files of any writer. The SDK's `otlp_json_file` exporter and the Collector's file exporter write one object
per line, other tools one indented document. Ids may be hex or base64, integers strings or numbers, names camelCase or
snake_case. What can't be read is reported with file and line and skipped; the rest is read.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

STDIN = "-"
STATUS_ERROR = 2

_SIGNALS = ("resourceSpans", "resourceMetrics", "resourceLogs", "resourceProfiles")
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_UNREADABLE = (ValueError, TypeError, AttributeError, OverflowError, RecursionError)
#: Bounds in OTLP: times are unsigned integers of 64 bits, integer attributes signed ones.
_LATEST = 2**64 - 1
_INTEGERS = range(-(2**63), 2**63)


class InputError(Exception):
    """A file can't be used at all. The message says why."""


@dataclass(frozen=True, slots=True)
class Event:
    name: str
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """A span. Ids are lower-case hex; `start` and `end` are in nanoseconds since the epoch."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start: int
    end: int
    is_error: bool
    status_message: str
    attributes: dict[str, Any]
    events: tuple[Event, ...]
    service: str


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
                    reading.spans.extend(_spans(document, f"{name}:{number}", reading.problems))
                except _UNREADABLE as error:
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
                if isinstance(item, dict) and (item.keys() & _KNOWN):
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


def _snake(name: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name)


_KNOWN = {*_SIGNALS, *map(_snake, _SIGNALS)}


def _get(owner: Mapping[str, Any], name: str) -> Any:
    """A field by its JSON name, or by its original name, which protobuf's JSON format allows too."""
    return owner.get(name, owner.get(_snake(name)))


def _list(owner: Mapping[str, Any], name: str) -> list[Any]:
    value = _get(owner, name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise TypeError(f"`{name}` is not a list")
    return value


def _spans(document: Mapping[str, Any], where: str, problems: list[str]) -> Iterator[Span]:
    """Yield the spans of a document. What can't be read is added to `problems` and skipped."""
    for resource_spans in _list(document, "resourceSpans"):
        try:
            service = _service(resource_spans)
        except _UNREADABLE as error:
            service = ""
            problems.append(f"{where}: the resource is unreadable ({error})")
        try:
            for scope_spans in _list(resource_spans, "scopeSpans"):
                for raw in _list(scope_spans, "spans"):
                    try:
                        yield _span(raw, service)
                    except _UNREADABLE as error:
                        problems.append(f"{where}: span skipped ({error})")
        except _UNREADABLE as error:
            problems.append(f"{where}: not the shape of OTLP JSON, skipped ({error})")


def _service(resource_spans: Mapping[str, Any]) -> str:
    resource = _attributes(_list(_get(resource_spans, "resource") or {}, "attributes"))
    return str(resource.get("service.name", ""))


def _span(raw: Mapping[str, Any], service: str) -> Span:
    status = _get(raw, "status") or {}
    return Span(
        trace_id=_identifier(_get(raw, "traceId"), 16, "traceId"),
        span_id=_identifier(_get(raw, "spanId"), 8, "spanId"),
        parent_id=_identifier(_get(raw, "parentSpanId") or "", 8, "parentSpanId", optional=True),
        name=str(_get(raw, "name") or ""),
        start=_time(raw, "startTimeUnixNano"),
        end=_time(raw, "endTimeUnixNano"),
        is_error=_get(status, "code") in (STATUS_ERROR, str(STATUS_ERROR), "STATUS_CODE_ERROR"),
        status_message=str(_get(status, "message") or ""),
        attributes=_attributes(_list(raw, "attributes")),
        events=tuple(
            Event(str(_get(event, "name") or ""), _attributes(_list(event, "attributes")))
            for event in _list(raw, "events")
        ),
        service=service,
    )


def _time(raw: Mapping[str, Any], name: str) -> int:
    return min(max(int(_get(raw, name) or 0), 0), _LATEST)


def _identifier(value: Any, size: int, name: str, *, optional: bool = False) -> str:
    """An id as lower-case hex; empty if there is none. OTLP requires hex, but some protobuf libraries write base64."""
    if not isinstance(value, str):
        raise TypeError(f"`{name}` is missing")
    try:
        content = bytes.fromhex(value) if len(value) == 2 * size else base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        content = b""
    if any(content) and len(content) == size:
        return content.hex()
    if optional and (not value or not any(content)):
        return ""
    raise ValueError(f"`{name}` is not an id: {value[:40]!r}")


def _attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    return {str(pair["key"]): _value(pair.get("value") or {}) for pair in pairs if "key" in pair}


def _value(raw: Mapping[str, Any]) -> Any:
    for name, value in raw.items():
        match name.replace("_", "").lower():
            case "intvalue":
                if (integer := int(value)) not in _INTEGERS:
                    raise ValueError("an integer has more than 64 bits")
                return integer
            case "doublevalue":
                return float(value)
            case "arrayvalue":
                return [_value(item) for item in _list(value, "values")]
            case "kvlistvalue":
                return _attributes(_list(value, "values"))
            case "stringvalue" | "bytesvalue":
                return str(value)
            case "boolvalue":
                return bool(value)
    return None
