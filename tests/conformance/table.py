"""The conventions as the checks read them: `table.json`, looked up and compared with values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

TABLE: dict[str, Any] = json.loads(Path(__file__).with_name("table.json").read_text())
ATTRIBUTES: dict[str, dict[str, Any]] = TABLE["attributes"]
METRICS: dict[str, dict[str, Any]] = TABLE["metrics"]
EVENTS: dict[str, dict[str, Any]] = TABLE["events"]
OPERATIONS = frozenset(ATTRIBUTES["gen_ai.operation.name"]["members"])

OWN = "otel_llm."
# Names that only the conventions may define.
CLOSED = ("gen_ai.", "openai.")
# Namespaces of the core conventions, and of the registry's own, that a GenAI span may use.
BORROWED = (
    *(
        "aws.",
        "azure.",
        "code.",
        "enduser.",
        "error.",
        "exception.",
        "http.",
        "mcp.",
        "network.",
        "process.",
        "server.",
    ),
    *("service.", "session.", "thread.", "url.", "user."),
)
TEMPLATES = tuple(f"{name}." for name, described in ATTRIBUTES.items() if described["type"].startswith("template["))

_CHECKS: dict[str, Any] = {
    "string": lambda value: isinstance(value, str),
    "enum": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "double": lambda value: isinstance(value, float),
    "string[]": lambda value: _is_list(value) and all(isinstance(entry, str) for entry in value),
    "any": lambda value: True,
}


def span_type(operation: str, provider: Any, kind: str) -> dict[str, Any] | None:
    """The definition of a span: refined by its provider where there is one, and by its kind where there are two."""
    fitting = [span for span in TABLE["spans"] if operation in span["operations"]]
    refined = [span for span in fitting if span["provider"] == provider]
    candidates = refined or [span for span in fitting if span["provider"] is None]
    return next((span for span in candidates if span["kind"] == kind), candidates[0] if candidates else None)


def levelled(attributes: Mapping[str, str], level: str) -> list[str]:
    """The names with exactly that level; one with a condition has another."""
    return sorted(name for name, given in attributes.items() if given == level)


def known(name: str) -> bool:
    return name in ATTRIBUTES or name.startswith(TEMPLATES)


def value_problems(name: str, value: Any, *, structured: bool) -> list[str]:
    """What is wrong with the value of a known attribute; `structured` where content must not be a JSON string."""
    described = ATTRIBUTES.get(name, {"type": "string"})
    kind = described["type"]
    if not _CHECKS[kind](value):
        return [f"{name} is {type(value).__name__} {value!r:.60}, not {kind}"]
    if name == "gen_ai.operation.name" and value not in OPERATIONS:
        return [f"{name} {value!r} is none of the conventions'"]
    return content_problems(name, value, structured=structured) if kind == "any" else []


def content_problems(name: str, value: Any, *, structured: bool) -> list[str]:
    if isinstance(value, str):
        if structured:
            return [f"{name} is a string, not a structure"]
        try:
            value = json.loads(value)
        except ValueError as error:
            return [f"{name} is not JSON: {error}"]
    errors = _validator(name).iter_errors(_plain(value))
    return [f"{name} does not fit its schema: {error.json_path}: {error.message:.160}" for error in errors]


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(ATTRIBUTES[name].get("schema", True))


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _plain(value: Any) -> Any:
    """Attribute values as JSON has them: the SDK keeps tuples and mappings of its own."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if _is_list(value) else value
