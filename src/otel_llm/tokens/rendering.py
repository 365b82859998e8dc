"""The texts of a model's input and output, as its tokens are counted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..content.encoding import dumps
from ..content.messages import Content

#: Tokens around each message of a chat (its role and its two marks), and before the answer. They are exact for OpenAI's
#: models, and differ by one or two for each message in the templates of others.
_AROUND_MESSAGE, _BEFORE_ANSWER = 4, 3
#: Tokens around the declarations of tools, around each call of a tool, and around several calls in one message.
_AROUND_TOOLS, _AROUND_CALL, _AROUND_CALLS = 15, 7, 15
#: The tools that a model sees as declarations. What others cost, such as a search of the web, can't be told.
_DECLARED = frozenset({"function", "custom"})


@dataclass(slots=True)
class Texts:
    """Texts whose tokens are to be counted, and the number of tokens around them."""

    texts: list[str] = field(default_factory=list)
    around: int = 0


def input_of(content: Content, *, chat: bool) -> Texts | None:
    """The texts of an input; ``None`` if it has parts that are no text, or that the provider keeps."""
    tools = content.tools or ()
    if content.variables is not None or not all(
        isinstance(tool, dict) and tool.get("type") in _DECLARED for tool in tools
    ):
        return None
    made = Texts()
    messages: list[Any] = [*(content.messages or ())]
    if content.instructions:
        messages.insert(0, {"role": "system", "parts": content.instructions})
    for message in messages:
        if not _add(made, message):
            return None
        made.around += _AROUND_MESSAGE if chat else 0
    if not made.texts:
        return None
    if chat:
        made.around += _BEFORE_ANSWER
    if tools:
        made.texts.append("\n".join(_declarations(tools)))
        made.around += _AROUND_TOOLS
    return made


def output_of(messages: Iterable[Any], *, around: int = 0, may_be_empty: bool = False) -> Texts | None:
    """The texts of an output, with ``around`` more tokens for each message.

    ``None`` if there is more than text, or nothing, unless the output ``may_be_empty``.
    """
    made = Texts()
    for message in messages:
        if not _add(made, message):
            return None
        made.around += around
    return made if made.texts or may_be_empty else None


def _add(made: Texts, message: Any) -> bool:
    """Add the texts of a message; return whether it has only such."""
    parts = message.get("parts") if isinstance(message, dict) else None
    if not isinstance(parts, list):
        return False
    calls = 0
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in ("text", "reasoning"):
            made.texts.append(_text(part.get("content")))
        elif kind == "tool_call":
            made.texts += [_text(part.get("name")), _text(part.get("arguments"))]
            made.around += _AROUND_CALL
            calls += 1
        elif kind == "tool_call_response":
            made.texts.append(_text(part.get("response")))
        else:
            return False
    if calls > 1:
        made.around += _AROUND_CALLS
    return True


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else dumps(value)


# --- tools -----------------------------------------------------------------------------------
#
# A model sees its tools as declarations of functions, not as the JSON that the application sends.


def _declarations(tools: Iterable[Any]) -> Iterator[str]:
    for tool in tools:
        if tool.get("description"):
            yield f"// {tool['description']}"
        yield f"type {tool.get('name')} = (_: {{"
        yield from _fields(tool.get("parameters"))
        yield "}) => any;"


def _fields(schema: Any) -> Iterator[str]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return
    required = schema.get("required") or ()
    for name, field_schema in properties.items():
        if isinstance(field_schema, dict) and field_schema.get("description"):
            yield f"// {field_schema['description']}"
        yield f"{name}{'' if name in required else '?'}: {_type(field_schema)},"


def _type(schema: Any) -> str:
    if not isinstance(schema, dict):
        return "any"
    if values := schema.get("enum"):
        return " | ".join(map(json.dumps, values)) if isinstance(values, list) else "any"
    if schema.get("type") == "array":
        return f"{_type(schema.get('items'))}[]"
    if schema.get("type") == "object" and schema.get("properties"):
        return "{ " + " ".join(_fields(schema)) + " }"
    return str(schema.get("type") or "any")
