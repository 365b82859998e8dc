"""Spans in OTLP JSON, whoever wrote them, in one form that can be compared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ZERO = "0" * 16


def spans(resource_spans: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every span with all that it says, in order of span id."""
    found = [
        _span(span, scope.get("scope", {}), resource.get("resource", {}))
        for resource in resource_spans
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    return sorted(found, key=lambda span: span["id"])


def spans_of_file(path: Path) -> list[dict[str, Any]]:
    """The spans of a file of JSON lines, which may be missing, or grow."""
    return spans(resource for line in lines(path) for resource in line.get("resourceSpans", []))


def lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        whole, _, _ = path.read_bytes().rpartition(b"\n")
        yield from map(json.loads, whole.splitlines())


def _span(span: dict[str, Any], scope: dict[str, Any], resource: dict[str, Any]) -> dict[str, Any]:
    status = span.get("status", {})
    parent = span.get("parentSpanId", "")
    return {
        "trace": span["traceId"],
        "id": span["spanId"],
        "parent": "" if parent == ZERO else parent,
        "name": span["name"],
        "kind": span.get("kind", 0),
        "start": int(span["startTimeUnixNano"]),
        "end": int(span["endTimeUnixNano"]),
        "status": (status.get("code", 0), status.get("message", "")),
        "attributes": attributes(span),
        "events": [(event["name"], int(event["timeUnixNano"]), attributes(event)) for event in span.get("events", [])],
        "links": [(link["traceId"], link["spanId"]) for link in span.get("links", [])],
        "scope": (scope.get("name", ""), scope.get("version", "")),
        "resource": attributes(resource),
    }


def attributes(owner: dict[str, Any]) -> dict[str, Any]:
    return {pair["key"]: _value(pair["value"]) for pair in owner.get("attributes", [])}


def _value(value: dict[str, Any]) -> Any:
    ((kind, content),) = value.items()
    match kind:
        case "intValue":
            return int(content)
        case "doubleValue":
            return float(content)
        case "arrayValue":
            return [_value(item) for item in content.get("values", [])]
    return content


def as_stored(found: dict[str, Any], sent: dict[str, Any]) -> dict[str, Any]:
    """`found` as it was before Jaeger, whose storage on disk holds lists as JSON text, and which adds a warning where a
    child isn't within its parent: the machine's clock was set meanwhile."""
    restored = {
        key: json.loads(value) if isinstance(sent["attributes"].get(key), list) and isinstance(value, str) else value
        for key, value in found["attributes"].items()
        if not key.startswith("@jaeger@")
    }
    return found | {"attributes": restored}
