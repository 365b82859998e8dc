"""Traces as text, and what they and the metrics add up to."""

from __future__ import annotations

from typing import Any


def tree(recorder: Any) -> list[str]:
    """The spans as lines, indented by depth; siblings in order of their start."""
    spans = sorted(recorder.spans, key=lambda span: span.start_time)
    known = {span.context.span_id for span in spans}
    lines: list[str] = []

    def add(parent: int | None, depth: int) -> None:
        for span in spans:
            above = span.parent.span_id if span.parent is not None else None
            if above == parent or (parent is None and above is not None and above not in known):
                lines.append("  " * depth + span.name + (" !" if "error.type" in span.attributes else ""))
                add(span.context.span_id, depth + 1)

    add(None, 0)
    return lines


def named(recorder: Any, name: str) -> list[dict[str, Any]]:
    """The attributes of the spans that begin with ``name``."""
    return [dict(span.attributes or {}) for span in recorder.spans if span.name.startswith(name)]


def tokens(recorder: Any) -> dict[str, int]:
    """Tokens by type, as the metric counts them."""
    counted: dict[str, int] = {}
    for point in recorder.points("gen_ai.client.token.usage"):
        kind = str(point.attributes["gen_ai.token.type"])
        counted[kind] = counted.get(kind, 0) + int(point.sum)
    return counted
