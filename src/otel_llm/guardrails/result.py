"""What a check says of a text, and the exception that stands for a block."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from ..core.decisions import Decision

#: The form of a label. A reason of another form may quote the text that was checked.
_LABEL = re.compile(r"[\w.:/-]{1,64}")


def label(reason: str | None) -> str | None:
    """``reason`` if it has the form of a label."""
    return reason if isinstance(reason, str) and _LABEL.fullmatch(reason) else None


class Action(Enum):
    """What a guardrail does with a text: passes it, passes on a redacted text, or blocks it."""

    PASS = "PASS"
    REDACT = "REDACT"
    BLOCK = "BLOCK"


class Found(NamedTuple):
    """A place in a text that is to be replaced, and the kind of risk that it is."""

    start: int
    end: int
    replacement: str
    category: str


@dataclass(frozen=True, slots=True)
class Result:
    """What a check says of a text, or what all checks together say of it.

    ``action`` is what to do, and ``reason`` why, as a label such as ``prompt_injection``; ``None`` for a text that
    passes. ``text`` is what may be passed on: the text itself, the redacted text, or nothing if it is blocked.
    ``category`` is the kind of risk (``pii.email``), ``score`` how certain or severe it is on the check's own scale,
    and ``rule`` which pattern or rule decided.
    ``found`` are the places that were redacted, as far as the check knows; a stream is passed on up to there.

    The rest is set by :class:`.Guardrails`: ``check`` is the name of the check that decided, ``source`` what was
    checked (``input``, ``output``, ``tool_output``, ...), ``error`` the class of the error if the check failed, and
    ``results`` has the results of the single checks.
    """

    action: Action = Action.PASS
    reason: str | None = None
    text: str = field(default="", repr=False)
    category: str | None = None
    score: float | None = None
    rule: str | None = None
    check: str | None = None
    source: str | None = None
    error: str | None = None
    results: tuple[Result, ...] = ()
    found: tuple[Found, ...] = field(default=(), repr=False)

    @property
    def blocked(self) -> bool:
        """Whether the text must not be used."""
        return self.action is Action.BLOCK

    @property
    def label(self) -> str | None:
        """The reason if it is a label, which quotes nothing."""
        return label(self.reason)

    def shown(self, text: str) -> str:
        """``text``, which was checked, without what the check found in it."""
        return replaced(text, merged(self.found))

    def require(self) -> str:
        """The text to go on with.

        :raises Blocked: if there is none.
        """
        if self.blocked:
            raise Blocked(self)
        return self.text


class Blocked(Decision):
    """A guardrail has blocked an input or an output; ``result`` says which one and why.

    Its message quotes neither.
    """

    outcome = "blocked"

    def __init__(self, result: Result) -> None:
        super().__init__(result)
        self.result = result

    def __str__(self) -> str:
        why = f" ({self.result.label})" if self.result.label else ""
        return f"the {self.result.source or 'text'} was blocked by the guardrail {self.result.check}{why}"

    def __reduce__(self) -> Any:
        return type(self), (self.result,)


def merged(found: Iterable[Found]) -> list[Found]:
    """``found`` in order, with places that overlap as one: the first of them in ``found`` names it."""
    merged: list[Found] = []
    for place in sorted(found, key=lambda one: one.start):  # stable
        if merged and place.start < merged[-1].end:
            last = merged[-1]
            merged[-1] = last._replace(end=max(last.end, place.end))
        else:
            merged.append(place)
    return merged


def replaced(text: str, places: Iterable[Found], start: int = 0, end: int | None = None) -> str:
    """``text`` between ``start`` and ``end``, with its ``places``, which are in order, replaced."""
    end = len(text) if end is None else end
    pieces: list[str] = []
    at = start
    for place in places:
        if place.end <= start or place.start >= end:
            continue
        pieces += text[at : max(place.start, at)], place.replacement
        at = place.end
    return "".join((*pieces, text[at:end]))
