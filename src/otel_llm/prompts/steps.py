"""Telling the step at work, if there is one, of the prompt that is made in it."""

from __future__ import annotations

from .. import guard
from .use import Assignment, PromptUse


@guard.never_raise
def note(what: PromptUse | Assignment) -> None:
    """Record ``what`` on the step of the application's that is current."""
