"""Decodes streams of server-sent events, JSON lines or plain text from bytes that may be split anywhere."""

from __future__ import annotations

import codecs
import json
from typing import Any

from .sse import SSEDecoder

#: A line of more bytes is not read for telemetry.
_MAX_LINE_BYTES = 4 * 1024 * 1024
_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
_LONGEST_FIELD = max(map(len, _FIELDS))


class Decoder:
    """Gives what each piece of bytes completes: the JSON of events or lines; text, where it is neither, as it comes.

    The first bytes tell which of them it is.
    """

    def __init__(self) -> None:
        self._head = b""
        self._feed: Any = None
        self._events: SSEDecoder | None = None
        self._line: list[bytes] = []
        self._size = 0
        self._text = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> list[Any]:
        if self._feed is None:
            self._head += data
            start = self._head.lstrip()
            if not start or (len(start) < _LONGEST_FIELD and any(field.startswith(start) for field in _FIELDS)):
                return []
            data, self._head = self._head, b""
            if start.startswith(_FIELDS):
                self._events = SSEDecoder()
                self._feed = self._events.feed
            else:
                self._feed = self._lines if start[:1] in (b"{", b"[") else self._words
        given: list[Any] = self._feed(data)
        return given

    def end(self) -> list[Any]:
        """Decode the last line if no line break ended it."""
        if self._events is not None:
            return self._events.feed(b"\n\n")
        if self._feed is None:
            return []
        return self._lines(b"\n") if self._line else []

    def _lines(self, data: bytes) -> list[Any]:
        *lines, rest = data.split(b"\n")
        found: list[Any] = []
        for line in lines:
            self._keep(line)
            found.extend(self._parsed())
        self._keep(rest)
        return found

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if piece and self._size <= _MAX_LINE_BYTES:
            self._line.append(piece)

    def _parsed(self) -> list[Any]:
        line = b"".join(self._line)
        self._line.clear()
        self._size = 0
        try:
            return [json.loads(line)] if line.strip() else []
        except (ValueError, RecursionError):
            return []

    def _words(self, data: bytes) -> list[Any]:
        words = self._text.decode(data)
        return [words] if words else []
