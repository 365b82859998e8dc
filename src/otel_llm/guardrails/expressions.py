"""Searches for regular expressions of the application, none of which takes forever."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from ..content import re2_gate

#: The places of all finds in a text.
Spans = Callable[[str], Iterable[tuple[int, int]]]
_ENDLESS = 64


def compiled(pattern: str | re.Pattern[str]) -> Spans:
    """What finds ``pattern``.

    :raises ValueError: if it is no expression, or one that may take forever.
    """
    try:
        known = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
    if not _explodes(known):
        return lambda text: [found.span() for found in known.finditer(text)]
    if (linear := _linear(known)) is not None:
        return linear
    raise ValueError(
        f"{known.pattern!r} repeats what repeats already, so a search may take forever; rewrite it, or install"
        ' google-re2 (pip install "otel-llm[fast]")'
    )


def _linear(known: re.Pattern[str]) -> Spans | None:
    """The search by RE2, if it is installed and has all that the expression uses. It takes ``\\w`` as of ASCII."""
    if not re2_gate.available() or known.flags & ~(re.UNICODE | re.ASCII | re.IGNORECASE | re.MULTILINE | re.DOTALL):
        return None
    import re2  # type: ignore[import-untyped,unused-ignore]

    flags = (("i", re.IGNORECASE), ("m", re.MULTILINE), ("s", re.DOTALL))
    letters = "".join(letter for letter, flag in flags if known.flags & flag)
    options = re2.Options()
    options.log_errors = False
    try:
        made = re2.compile(f"(?{letters}:{known.pattern})" if letters else known.pattern, options)
    except re2.error:
        return None
    return lambda text: [found.span() for found in made.finditer(text)]


def _explodes(known: re.Pattern[str]) -> bool:
    """Whether a repetition without a limit is inside of another one."""
    from re import _parser  # type: ignore[attr-defined]

    try:
        return _nested(_parser.parse(known.pattern, known.flags), within=False)
    except Exception:  # the parser is Python's own affair
        return True


def _nested(parts: Any, *, within: bool) -> bool:
    for code, value in parts:
        if str(code) in ("MAX_REPEAT", "MIN_REPEAT"):
            _, most, inner = value
            endless = int(most) > _ENDLESS
            if (within and endless) or _nested(inner, within=within or endless):
                return True
        elif any(_nested(inner, within=within) for inner in _inner(value)):
            return True
    return False


def _inner(value: Any) -> list[Any]:
    """The expressions in what the parser says of one part."""
    if hasattr(value, "data"):
        return [value]
    if isinstance(value, list | tuple):
        return [inner for one in value for inner in _inner(one)]
    return []
