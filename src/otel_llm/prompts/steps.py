"""Telling the application's own step at work of the prompt that is made in it."""

from __future__ import annotations

import sys

from .. import guard
from .use import Assignment, PromptUse

_SCOPE = f"{__package__.rpartition('.')[0]}.manual.scope"


@guard.never_raise
def note(what: PromptUse | Assignment) -> None:
    """Record ``what`` on the manual span that is the nearest here, if there is any."""
    scope = sys.modules.get(_SCOPE)  # imported by the first manual span
    if scope is not None and (nearest := scope.nearest()) is not None:
        nearest.update(prompt=what)
