"""Turns what a generator yielded into the output of its span."""

from __future__ import annotations

import json
import re
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from typing import Any

#: A line of a server-sent event: a field, a comment, or the empty line that ends an event.
_LINE = re.compile(r"(?:data|event|id|retry)?:|(?:data|event|id|retry)?$")
_LINE_END = re.compile(r"\r\n|\n|\r")
_FIELDS = frozenset({"data", "event", "id", "retry", "comment"})
#: The names under which services usually send the text of a chunk.
_TEXT_NAMES = ("content", "text", "delta", "token", "answer", "output", "response", "message")

#: Stands for server-sent events without any text.
NO_TEXT: Any = object()


def output_of(items: list[Any]) -> Any:
    """The output that ``items`` make together.

    Texts are joined. Server-sent events, as text or as mappings, give the answer that they carry, or :data:`NO_TEXT`.
    Anything else stays a list.
    """
    if all(isinstance(item, str | bytes | bytearray) for item in items):
        joined = _joined(items)
        return _answer(_payloads(joined)) if _is_events(joined) else joined
    if all(isinstance(item, dict) and item.keys() <= _FIELDS and "data" in item for item in items):
        return _answer(item["data"] for item in items)
    return items


def _joined(items: list[str | bytes | bytearray]) -> str:
    """The text of ``items``, without the byte order mark before it. Bytes may be split within a character."""
    decoder = getincrementaldecoder("utf-8")("replace")
    texts = [item if isinstance(item, str) else decoder.decode(item) for item in items]
    return ("".join(texts) + decoder.decode(b"", final=True)).removeprefix("\ufeff")


def _is_events(text: str) -> bool:
    if "data:" not in text:
        return False
    *lines, last = _LINE_END.split(text)
    return all(_LINE.match(line) for line in lines) and (not last or bool(_LINE.match(last)))


def _payloads(text: str) -> Iterator[str]:
    """The data of each event in ``text``. An event may have several lines of data."""
    data: list[str] = []
    for line in (*_LINE_END.split(text), ""):
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            yield "\n".join(data)
            data = []


def _answer(payloads: Iterable[Any]) -> Any:
    texts = [text for payload in payloads for text in _texts(payload)]
    return "".join(texts) if texts else NO_TEXT


def _texts(payload: Any) -> Iterator[str]:
    """The texts of one event's payload, which is plain text or JSON."""
    if isinstance(payload, str):
        if payload == "[DONE]":
            return
        try:
            parsed = json.loads(payload)
        except (ValueError, RecursionError):
            yield payload
            return
        payload = parsed if isinstance(parsed, dict | list | str) else payload
    if isinstance(payload, str):
        yield payload
    elif isinstance(payload, dict):
        yield from _chunk_texts(payload)


def _chunk_texts(chunk: dict[str, Any]) -> Iterator[str]:
    """The text of a chunk: that of the first choice in OpenAI's shape, else that under one of the usual names."""
    choices = chunk.get("choices")
    if isinstance(choices, list):
        for choice in choices[:1]:
            if isinstance(choice, dict):
                yield from _chunk_texts(choice)
        return
    for name in _TEXT_NAMES:
        value = chunk.get(name)
        if isinstance(value, str):
            yield value
            return
        if isinstance(value, dict):
            yield from _chunk_texts(value)
            return
