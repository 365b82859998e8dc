"""Converts any value that an application gives to what an attribute can hold. Never raises."""

from __future__ import annotations

import logging
from typing import Any

from .. import guard
from .boundary import clean_text
from .bounding import encode
from .encoding import plain
from .policy import DROPPED

_logger = logging.getLogger("otel_llm")

Scalar = str | bool | int | float

#: Containers become JSON of at most so many bytes.
MAX_JSON_BYTES = 1024
#: Only so many characters of a text are looked at where a short one is wanted.
_MAX_READ = 4096


class Notices:
    """Warns once of each kind of value that was converted or left out. Names the type, never the value."""

    def __init__(self) -> None:
        self._told = guard.Once()

    def tell(self, what: str, value: object, done: str) -> None:
        """Log that ``value``, given as ``what``, was ``done`` (such as "recorded as text")."""
        kind = type(value).__name__
        if self._told.first((what, kind, done)):
            _logger.warning("otel-llm: %s was given as %s and is %s", what, kind, done)


notices = Notices()


def scalar(value: Any, attribute: str = "") -> Scalar:
    """``value`` as text, boolean or number, as it may be recorded as ``attribute``.

    Whole numbers of more than 64 bits and times become text, an enumeration's member its value, and a container JSON of
    at most :data:`MAX_JSON_BYTES` bytes.
    """
    kind = type(value)
    if kind is str:
        return clean_text(value, attribute)
    if kind is bool or kind is float:
        return value  # type: ignore[no-any-return]
    if kind is int:
        return value if -(2**63) <= value < 2**63 else _digits(value)
    return _converted(value, attribute) or f"[{kind.__qualname__}]"


@guard.never_raise
def _converted(value: Any, attribute: str) -> Scalar:
    known = plain(value)
    if isinstance(known, dict | list):
        return encode(known, MAX_JSON_BYTES, attribute)[0] or DROPPED
    return scalar(known, attribute) if type(known) in (str, bool, int, float) else clean_text(str(known), attribute)


def _digits(value: int) -> str:
    bits = value.bit_length()
    return str(value) if bits <= 4096 else f"[int of {bits} bits]"  # Python refuses to write out longer ones


def is_plain(value: object) -> bool:
    """Whether ``value`` needs no conversion."""
    return isinstance(value, str | bool | int | float)


def text_of(what: str, value: Any, limit: int, attribute: str = "") -> str | None:
    """``value`` as text of at most ``limit`` characters, as it may be recorded as ``attribute``.

    ``None`` and the empty string give ``None``.
    """
    if value is None:
        return None
    if type(value) is str:
        return clean_text(value[:_MAX_READ], attribute)[:limit] or None
    if not isinstance(value, str):
        notices.tell(what, value, "recorded as text")
    return _text(value, attribute)[:limit] or None


def _text(value: Any, attribute: str) -> str:
    known = scalar(value, attribute)
    return known if type(known) is str else str(known)
