"""Checks of values, from the environment, from code and from files, and parsers of the environment's text.

A check raises ``ValueError`` for a value that can't be used, a parser for a text that it can't read. The message ends a
sentence that begins with the name of the setting or variable.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

_T = TypeVar("_T")

# --- checks -----------------------------------------------------------------------------------


def checked(name: str, value: _T, check: Callable[[Any], object]) -> _T:
    """Return ``value`` if ``check`` accepts it.

    :raises ValueError: if it does not, with ``name`` in front of the check's message.
    """
    try:
        check(value)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None
    return value


def share(value: Any) -> None:
    """:raises ValueError: if ``value`` is not a number from 0 to 1."""
    if not _is_number(value) or not 0 <= value <= 1:
        raise ValueError(f"must be a number from 0 to 1, not {value!r}")


def above_zero(value: Any) -> None:
    """:raises ValueError: if ``value`` is not a number above 0."""
    if not _is_number(value) or not value > 0:
        raise ValueError(f"must be a number above 0, not {value!r}")


def seconds(value: Any) -> None:
    """:raises ValueError: if ``value`` is not a finite number of seconds from 0."""
    if not _is_number(value) or not 0 <= value < math.inf:
        raise ValueError(f"must be a number of seconds from 0, not {value!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# --- parsers ----------------------------------------------------------------------------------


def boolean(raw: str) -> bool:
    value = raw.lower()
    if value in {"true", "1", "yes", "on"}:
        return True
    if value in {"false", "0", "no", "off"}:
        return False
    raise ValueError("expected true or false")


def one_of(kind: type[Enum]) -> Callable[[str], Enum]:
    def parse(raw: str) -> Enum:
        try:
            return kind(raw.lower())
        except ValueError:
            raise ValueError(f"expected one of {', '.join(one.value for one in kind)}") from None

    return parse


def names(raw: str) -> frozenset[str]:
    return frozenset(name for part in raw.split(",") if (name := part.strip().lower()))


def entries(raw: str) -> tuple[str, ...]:
    """The entries of a list, separated by commas, in their order."""
    return tuple(dict.fromkeys(entry for part in raw.split(",") if (entry := part.strip())))


def number(raw: str) -> float:
    try:
        return float(raw)
    except ValueError:
        raise ValueError("expected a number") from None
