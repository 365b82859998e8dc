"""Which spans have their content captured although it is off in general, because their traces are evaluated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Says whether it wants the content of a span that has just started.
Wants = Callable[[Any], bool]


class Wanted:
    """The functions that may want the content of a span. Adding and removing is safe during calls."""

    __slots__ = ("all",)

    def __init__(self) -> None:
        self.all: tuple[Wants, ...] = ()

    def add(self, wants: Wants) -> None:
        self.all = (*self.all, wants)

    def remove(self, wants: Wants) -> None:
        """Remove ``wants``, if it is there."""
        self.all = tuple(one for one in self.all if one != wants)

    def has(self, span: Any) -> bool:
        """Whether the content of ``span`` is wanted."""
        return any(wants(span) for wants in self.all)


#: What the evaluation samplers of this process want.
WANTED = Wanted()
