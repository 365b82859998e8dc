"""Captured content as text for people: messages, instructions, arguments and results of tools."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from otel_llm import semconv as s
from otel_llm.content.messages import parsed

#: The content attributes, in the order in which they are shown, with a label for values that have no roles.
CONTENT = {
    s.LLM_PROMPT_TEMPLATE: "template",
    s.LLM_STEP_INPUT: "input",
    s.SYSTEM_INSTRUCTIONS: "system",
    s.INPUT_MESSAGES: "input",
    s.RETRIEVAL_QUERY_TEXT: "query",
    s.TOOL_CALL_ARGUMENTS: "arguments",
    s.TOOL_CALL_RESULT: "result",
    s.RETRIEVAL_DOCUMENTS: "documents",
    s.OUTPUT_MESSAGES: "output",
    s.LLM_STEP_OUTPUT: "output",
}


def is_content(name: str) -> bool:
    """Whether the attribute `name` is content that is shown."""
    return name in CONTENT or name.startswith(s.PROMPT_VARIABLE_PREFIX)


def lines_of(attributes: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the content of a span as pairs of a label (a role or a name) and a text."""
    for name, value in attributes.items():
        if name.startswith(s.PROMPT_VARIABLE_PREFIX):
            yield "variable " + name.removeprefix(s.PROMPT_VARIABLE_PREFIX), _text(value)
    for name, label in CONTENT.items():
        if name not in attributes:
            continue
        value = parsed(attributes[name])
        match name:
            case s.INPUT_MESSAGES | s.OUTPUT_MESSAGES if isinstance(value, list):
                yield from _messages(value, label)
            case s.SYSTEM_INSTRUCTIONS if isinstance(value, list):
                yield label, _parts(value)
            case _:
                yield label, _text(value)


def _messages(messages: list[Any], label: str) -> Iterator[tuple[str, str]]:
    for message in messages:
        if not isinstance(message, dict):
            yield label, _text(message)
            continue
        role = str(message.get("role") or label)
        parts = message.get("parts")
        yield role, _parts(parts) if isinstance(parts, list) else _text(message.get("content", message))


def _parts(parts: list[Any]) -> str:
    return "\n".join(_part(part) for part in parts)


def _part(part: Any) -> str:
    if not isinstance(part, dict):
        return _text(part)
    identifier = f" ({part['id']})" if part.get("id") else ""
    match part.get("type"):
        case "text":
            return _text(part.get("content"))
        case "reasoning":
            return f"[reasoning] {_text(part.get('content'))}"
        case "tool_call":
            return f"[tool call{identifier}] {part.get('name')}({_text(part.get('arguments'))})"
        case "tool_call_response":
            return f"[tool result{identifier}] {_text(part.get('response'))}"
        case "blob":
            size = len(str(part.get("content") or ""))
            return f"[{part.get('modality')}, {part.get('mime_type')}, {size:,} characters of base64]"
        case "uri" | "file":
            return f"[{part.get('modality')}] {part.get('uri') or part.get('file_id')}"
    return _text(part)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
