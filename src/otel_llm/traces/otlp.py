"""Decodes OTLP JSON documents into spans.

Ids may be hex or base64, integers strings or numbers, names camelCase or snake_case.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

STATUS_ERROR = 2
#: What decoding a malformed document or span raises.
UNREADABLE = (ValueError, TypeError, AttributeError, OverflowError, RecursionError)

_SIGNALS = ("resourceSpans", "resourceMetrics", "resourceLogs", "resourceProfiles")
#: Bounds in OTLP: times are unsigned integers of 64 bits, integer attributes signed ones.
_LATEST = 2**64 - 1
_INTEGERS = range(-(2**63), 2**63)


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
    resource: Mapping[str, Any]
    scope: str

    @property
    def service(self) -> str:
        """The name of the service; empty if the resource has none."""
        return str(self.resource.get("service.name", ""))


def _snake(name: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name)


_DOCUMENT_FIELDS = frozenset({*_SIGNALS, *map(_snake, _SIGNALS)})


def is_document(value: Any) -> bool:
    """Whether a JSON value is an OTLP document, of traces or of another signal."""
    return isinstance(value, dict) and not _DOCUMENT_FIELDS.isdisjoint(value)


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


def spans(document: Mapping[str, Any], where: str, problems: list[str]) -> Iterator[Span]:
    """Yield the spans of a document. What can't be read is added to `problems` and skipped."""
    for resource_spans in _list(document, "resourceSpans"):
        try:
            resource = _attributes(_list(_get(resource_spans, "resource") or {}, "attributes"))
        except UNREADABLE as error:
            resource = {}
            problems.append(f"{where}: the resource is unreadable ({error})")
        try:
            for scope_spans in _list(resource_spans, "scopeSpans"):
                scope = str((_get(scope_spans, "scope") or {}).get("name") or "")
                for raw in _list(scope_spans, "spans"):
                    try:
                        yield _span(raw, resource, scope)
                    except UNREADABLE as error:
                        problems.append(f"{where}: span skipped ({error})")
        except UNREADABLE as error:
            problems.append(f"{where}: not the shape of OTLP JSON, skipped ({error})")


def _span(raw: Mapping[str, Any], resource: Mapping[str, Any], scope: str) -> Span:
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
        resource=resource,
        scope=scope,
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
