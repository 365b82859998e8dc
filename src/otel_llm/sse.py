"""Server-sent events from bytes that may be split anywhere, for responses whose bytes the caller reads by itself."""

from __future__ import annotations

import json
import re
from typing import Any

_LINE_END = re.compile(rb"\r\n|\n|\r(?!$)")


class SSEDecoder:
    """Gives the JSON payload of each event; what is no JSON (``[DONE]``, a broken payload) is passed over."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, data: bytes) -> list[Any]:
        """The payloads of the events that ``data`` completes."""
        *lines, self._rest = _LINE_END.split(self._rest + data)
        payloads = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:].lstrip(b" "))
            elif not line and self._data:
                joined = b"\n".join(self._data)
                self._data.clear()
                try:
                    payloads.append(json.loads(joined))
                except ValueError:
                    continue
        return payloads
