"""The texts in what a function of the application takes: a text itself, or messages in the shape of OpenAI's."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

#: Whose messages are input of a model: those of the assistant and of the system are the application's own.
_ASKING = frozenset({"user", "tool", "function"})
#: A text to be checked. The text to use in its place comes back.
Texts = Generator[tuple[str, str], str, Any]


def of(value: Any) -> Texts:
    """Go through the texts of ``value``, each with its source, and return ``value`` with those that come back.

    Nothing of ``value`` is changed: where a text is another one, what holds it is copied.

    :raises TypeError: if it is neither a text nor messages.
    """
    if isinstance(value, str):
        return (yield value, "input")
    if isinstance(value, list | tuple) and all(isinstance(one, str | Mapping) for one in value):
        messages: list[Any] = []
        for message in value:
            checked = (yield from of(message)) if isinstance(message, str) else (yield from _message(message))
            messages.append(checked)
        return type(value)(messages) if messages != list(value) else value
    raise TypeError(f"guardrails check a text or a list of messages, not {type(value).__name__}")


def _message(message: Mapping[str, Any]) -> Texts:
    if message.get("role", "user") not in _ASKING:
        return message
    source = "input" if message.get("role", "user") == "user" else "tool_output"
    content = message.get("content")
    if isinstance(content, str):
        text = yield content, source
        return message if text == content else {**message, "content": text}
    if not isinstance(content, list | tuple):
        return message
    parts = []
    for part in content:
        given = part.get("text") if isinstance(part, Mapping) else part
        if isinstance(given, str):
            text = yield given, source
            if text != given:
                part = {**part, "text": text} if isinstance(part, Mapping) else text
        parts.append(part)
    return message if parts == list(content) else {**message, "content": parts}
