"""Deterministic replacements for the output of a model: answers, token counts, ids, vectors, JSON for a schema."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from itertools import count
from typing import Any

_OPENINGS = (
    "In short, it depends on what you optimise for.",
    "There are three things worth knowing here.",
    "A good way to think about it is from the outside in.",
    "The common advice holds up well in practice.",
)
_BODIES = (
    "Start with the smallest version that can be measured, and keep what the numbers support.",
    "Keep the parts that change often apart from the parts that do not.",
    "Most of the cost comes from a few frequent calls, so look at those before anything else.",
    "Write the expected result down first; then every later change can be compared with it.",
)
_SAMPLES = {"city": "Paris", "location": "Paris", "country": "France", "unit": "celsius", "language": "en"}
_FORMATS = {"date": "2026-01-15", "date-time": "2026-01-15T09:30:00Z", "email": "ada@example.com"}
_DATED = {
    "gpt-3.5-turbo": "gpt-3.5-turbo-0125",
    "gpt-3.5-turbo-instruct": "gpt-3.5-turbo-instruct:20230824-v2",
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano": "gpt-4.1-nano-2025-04-14",
    "gpt-5": "gpt-5-2025-08-07",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "gpt-5-nano": "gpt-5-nano-2025-08-07",
    "o3": "o3-2025-04-16",
    "o3-mini": "o3-mini-2025-01-31",
    "o4-mini": "o4-mini-2025-04-16",
}
_ids = count(1)


def dated(model: str) -> str:
    """The model in the response, for the model in the request."""
    return _DATED.get(model, model)


def new_id(prefix: str) -> str:
    """An id that looks like the provider's and is unique in this process."""
    return prefix + hashlib.sha256(f"{prefix}{next(_ids)}".encode()).hexdigest()[:24]


def answer(question: str, variant: int = 0) -> str:
    """Two or three sentences about the question; the same question gets the same answer."""
    topic = " ".join(question.split())[:80].rstrip("?.! ")
    about = f'On "{topic}": ' if topic else ""
    seed = hashlib.sha256(question.encode()).digest()
    opening, body = (seed[0] + variant) % len(_OPENINGS), (seed[1] + variant) % len(_BODIES)
    return f"{about}{_OPENINGS[opening]} {_BODIES[body]}"


def tokens(value: Any) -> int:
    """The number of tokens: about one for four characters, none for an empty text."""
    text = value if isinstance(value, str) else json.dumps(value)
    return (len(text) + 3) // 4


def cut(text: str, limit: int | None) -> tuple[str, bool]:
    """The text, cut to a limit of tokens, and whether it was cut."""
    if limit is None or tokens(text) <= limit:
        return text, False
    return text[: limit * 4], True


def pieces(text: str, words: int = 3) -> Iterator[str]:
    """The text in pieces, as for a stream."""
    parts = text.split(" ")
    for start in range(0, len(parts), words):
        piece = " ".join(parts[start : start + words])
        yield piece if start == 0 else f" {piece}"


def vector(text: str, size: int) -> list[float]:
    """A unit vector that depends on the text only."""
    source = random.Random(text)
    raw = [source.uniform(-1, 1) for _ in range(size)]
    norm = sum(x * x for x in raw) ** 0.5 or 1.0
    return [x / norm for x in raw]


def fitting(schema: Any, name: str = "", defs: dict[str, Any] | None = None) -> Any:
    """A small value that satisfies a JSON schema of the subset that providers accept."""
    if not isinstance(schema, dict):
        return None
    defs = {**(defs or {}), **schema.get("$defs", {}), **schema.get("definitions", {})}
    if "$ref" in schema:
        return fitting(defs.get(schema["$ref"].rsplit("/", 1)[-1], {}), name, defs)
    for fixed in ("const", "default"):
        if schema.get(fixed) is not None:
            return schema[fixed]
    if schema.get("enum"):
        return schema["enum"][0]
    for group in ("anyOf", "oneOf", "allOf"):
        if schema.get(group):
            options = [option for option in schema[group] if option.get("type") != "null"]
            return fitting(options[0], name, defs) if options else None
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), "null")
    return _of_kind(kind, schema, name, defs)


def _of_kind(kind: str, schema: dict[str, Any], name: str, defs: dict[str, Any]) -> Any:
    if kind == "object":
        properties = schema.get("properties", {})
        wanted = schema.get("required", properties)
        return {key: fitting(properties.get(key, {}), key, defs) for key in wanted}
    if kind == "array":
        return [fitting(schema.get("items", {}), name, defs)] * max(1, schema.get("minItems", 1))
    if kind in ("integer", "number"):
        value = schema.get("minimum", 1)
        return int(value) if kind == "integer" else float(value)
    if kind in ("boolean", "null"):
        return True if kind == "boolean" else None
    return _FORMATS.get(schema.get("format", ""), _SAMPLES.get(name, name.replace("_", " ") or "example"))
