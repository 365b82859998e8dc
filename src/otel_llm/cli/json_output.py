"""JSON on standard output, safe for a terminal."""

from __future__ import annotations

import io
import json
import re
import sys
from typing import Any

#: Characters that control terminals or the direction of text, and that JSON allows unescaped.
_CONTROLS = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def as_json(value: Any, indent: int | None = None) -> str:
    """`value` as JSON in which no character controls the terminal."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def utf8_to_stdout() -> None:
    """Write UTF-8 to standard output, whatever the encoding of the terminal, because JSON is UTF-8."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
