"""Decodes server-sent events from bytes that may be split anywhere, as a caller of a raw response reads them."""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from typing import Any

_LINE_END = re.compile(rb"\r\n|\n|\r(?!$)")
#: An event of more bytes is not read for telemetry.
_MAX_EVENT_BYTES = 4 * 1024 * 1024


class SSEDecoder:
    """Gives the JSON payload of each event; what is no JSON (``[DONE]``, a broken payload) is passed over."""

    def __init__(self) -> None:
        self._line: list[bytes] = []  # the pieces of a line whose end has not come
        self._line_size = 0
        self._data: list[bytes] = []
        self._data_size = 0
        self._begun = False

    def feed(self, data: bytes) -> list[Any]:
        """The payloads of the events that ``data`` completes."""
        if self._line and self._line[-1] == b"\r":
            data = b"\r" + data  # the end of a line, or the first half of one
            self._line.pop()
        *lines, rest = _LINE_END.split(data)
        if lines and self._line:
            lines[0] = b"".join(self._line) + lines[0]
            self._line.clear()
            self._line_size = 0
        payloads = []
        for line in lines:
            if not self._begun:
                self._begun = True
                line = line.removeprefix(BOM_UTF8)
            if line.startswith(b"data:"):
                if len(self._data) == 1:  # some servers leave out the empty line between events
                    payloads.extend(self._event(ended=False))
                self._data_size += len(line)
                if self._data_size <= _MAX_EVENT_BYTES:
                    self._data.append(line[5:].lstrip(b" "))
            elif not line:
                payloads.extend(self._event())
        self._keep(rest)
        return payloads

    def _keep(self, rest: bytes) -> None:
        """Keep the beginning of a line. A last ``\\r`` stands alone: only what follows tells whether it is the end."""
        pieces = (rest[:-1], b"\r") if rest.endswith(b"\r") else (rest,)
        for piece in pieces:
            self._line_size += len(piece)
            if piece and self._line_size <= _MAX_EVENT_BYTES:
                self._line.append(piece)

    def _event(self, ended: bool = True) -> list[Any]:
        """The payload of the event that has ended, or seems to have."""
        joined = b"\n".join(self._data)
        try:
            payloads = [json.loads(joined)] if joined else []
        except (ValueError, RecursionError):
            payloads = []
        if ended or payloads:
            self._data.clear()
            self._data_size = 0
        return payloads
