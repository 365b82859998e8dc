"""OTLP JSON as the tests of `otel-llm view` and `otel-llm cost` write it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OTHER_TRACE = "0af7651916cd43dd8448eb211c80319c"

View = Callable[..., tuple[int, str, str]]


def span(name: str, span_id: int, parent: int = 0, *, trace_id: str = TRACE, **fields: Any) -> dict[str, Any]:
    attributes = fields.pop("attributes", {})
    return {
        "traceId": trace_id,
        "spanId": f"{span_id:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "name": name,
        "kind": 3,
        "startTimeUnixNano": str(1_700_000_000_000_000_000 + span_id),
        "endTimeUnixNano": str(1_700_000_001_000_000_000),
        "attributes": [{"key": key, "value": value} for key, value in attributes.items()],
        "status": {},
        **fields,
    }


def document(*spans: dict[str, Any], service: str = "shop") -> dict[str, Any]:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "t"}, "spans": list(spans)}]}]}


def line(*spans: dict[str, Any], service: str = "shop") -> str:
    return json.dumps(document(*spans, service=service)) + "\n"


def text(value: str) -> dict[str, str]:
    return {"stringValue": value}


def call(operation: str = "chat", given: int = 10, answered: int = 5) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": text(operation),
        "gen_ai.usage.input_tokens": {"intValue": str(given)},
        "gen_ai.usage.output_tokens": {"intValue": answered},
    }


def paid(amount: float, currency: str = "USD", source: str = "local", **more: str) -> dict[str, Any]:
    """The attributes of a call of 10 and 5 tokens that cost `amount`."""
    return {
        **call(),
        "otel_llm.usage.cost.amount": {"doubleValue": amount},
        "otel_llm.usage.cost.currency": text(currency),
        "otel_llm.usage.cost.source": text(source),
        **{name.replace("__", "."): text(value) for name, value in more.items()},
    }


def labels(output: str) -> list[str]:
    """The lines without what depends on time: the trace's heading, durations, bars."""
    lines = [line for line in output.splitlines() if line and not line.startswith("trace ")]
    return [re.sub(r"\s+[\d.]+ (?:µs|ms|s)\s*[━ ]*$", "", line) for line in lines]
