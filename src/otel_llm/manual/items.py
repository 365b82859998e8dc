"""What the items that a generator yields say together, as the output of its span."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

#: A line of a server-sent event: a field, a comment, or the end of an event.
_LINE = re.compile(r"(?:data|event|id|retry)?:|(?:data|event|id|retry)?$")
_LINE_END = re.compile(r"\r\n|\n|\r")
_FIELDS = frozenset({"data", "event", "id", "retry", "comment"})
#: Under which names services send the text of a chunk.
_TEXT = ("content", "text", "delta", "token", "answer", "output", "response", "message")

NOTHING: Any = object()


def output_of(items: list[Any]) -> Any:
    """The text of ``items`` that are texts; of server-sent events what they carry; else the list.

    :data:`NOTHING` for events that carry no text.
    """
    texts = [_text(item) for item in items]
    if all(text is not None for text in texts):
        joined = "".join(text for text in texts if text is not None)
        return _carried(joined) if _is_events(joined) else joined
    if all(isinstance(item, dict) and item.keys() <= _FIELDS and "data" in item for item in items):
        return _answer(item["data"] for item in items)
    return items


def _text(item: Any) -> str | None:
    if isinstance(item, str):
        return item
    return item.decode(errors="replace") if isinstance(item, bytes | bytearray) else None


def _is_events(text: str) -> bool:
    if "data:" not in text:
        return False
    *lines, last = _LINE_END.split(text)
    return all(_LINE.match(line) for line in lines) and (not last or bool(_LINE.match(last)))


def _carried(text: str) -> Any:
    """The answer in the events of ``text``."""
    events: list[list[str]] = [[]]
    for line in _LINE_END.split(text):
        if line.startswith("data:"):
            events[-1].append(line[5:].removeprefix(" "))
        elif not line and events[-1]:
            events.append([])
    return _answer("\n".join(event) for event in events if event)


def _answer(payloads: Iterable[Any]) -> Any:
    texts = [text for payload in payloads for text in _texts(payload)]
    return "".join(texts) if texts else NOTHING


def _texts(payload: Any) -> Iterator[str]:
    """The texts of one event's payload: JSON of a shape that is known, or a text."""
    if isinstance(payload, str):
        if payload == "[DONE]":
            return
        try:
            read = json.loads(payload)
        except (ValueError, RecursionError):
            yield payload
            return
        payload = read if isinstance(read, dict | list | str) else payload
    if isinstance(payload, str):
        yield payload
    elif isinstance(payload, dict):
        yield from _of_chunk(payload)


def _of_chunk(chunk: dict[str, Any]) -> Iterator[str]:
    """The text of a chunk: of OpenAI's shape, or under one of the usual names."""
    choices = chunk.get("choices")
    if isinstance(choices, list):
        for choice in choices[:1]:
            if isinstance(choice, dict):
                yield from _of_chunk(choice)
        return
    for name in _TEXT:
        value = chunk.get(name)
        if isinstance(value, str):
            yield value
            return
        if isinstance(value, dict):
            yield from _of_chunk(value)
            return
