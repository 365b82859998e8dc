"""Content of single traces, captured though it is off for the rest, because somebody evaluates them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Who wants content of some traces; each is asked with a span that has just begun.
wanting: list[Callable[[Any], bool]] = []


def wants_content(span: Any) -> bool:
    """Whether anybody wants content of ``span``."""
    return any(wants(span) for wants in wanting)
