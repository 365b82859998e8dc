"""Which spans have their content captured although it is off in general, because their traces are evaluated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Functions that say whether they want the content of a span that has just started.
wanting: list[Callable[[Any], bool]] = []


def wants_content(span: Any) -> bool:
    """Whether the content of ``span`` is wanted."""
    return any(wants(span) for wants in wanting)
