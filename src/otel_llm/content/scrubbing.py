"""Replaces what patterns find in a text.

Almost all text has nothing to replace, so a few cheap looks at the whole text decide which patterns are tried at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Protocol

from . import personal_patterns, secret_patterns
from .patterns import SHORTEST_WORD, Pattern, Sign

SECRETS = secret_patterns.PATTERNS
PERSONAL = personal_patterns.PATTERNS
#: No credential and no personal datum is shorter.
SHORTEST = 5
#: Each character as what it may be in a number: a digit, a capital letter, a point, another separator, none of these.
_CLASSES = bytes(
    ord("0" if one.isdigit() else "A" if one.isupper() else "." if one == "." else " " if one in " ()/+-?" else "x")
    for one in map(chr, range(256))
)
#: In these classes: six digits or more that belong together, four numbers with points, and Italy's code of a person.
_NUMBERS = re.compile(rb"0(?:(?:[ .]{0,3}0){5,30}|0?0?\.0{1,3}\.0{1,3}\.0|0A00A000)")
_DIGIT = re.compile(r"\d", re.ASCII)
_COLONS = re.compile(r":[0-9A-Fa-f]{0,4}:", re.ASCII)
#: Characters before and behind such a place in which a pattern is tried.
_BEFORE, _BEHIND = 20, 40


class Gate(Protocol):
    """Says which patterns may match."""

    def suspected(self, text: str) -> Iterable[Pattern]:
        """Those that may match in ``text``, in their order: a superset of those that do."""
        ...


class LiteralGate:
    """A :class:`Gate` of Python's own means: substrings, and patterns tried around digits and colons."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = tuple(patterns)
        self._in_words, self._anywhere, self._with_value = (
            tuple((gate, at) for at, pattern in enumerate(patterns) if pattern.sign is sign for gate in pattern.gates)
            for sign in (Sign.WORD, Sign.TEXT, Sign.VALUE)
        )
        self._digits = tuple(pattern for pattern in patterns if pattern.sign is Sign.DIGITS)
        self._colons = tuple(pattern for pattern in patterns if pattern.sign is Sign.COLONS)

    def suspected(self, text: str) -> Iterable[Pattern]:
        lower = text.lower()
        signs = {at for gate, at in self._anywhere if gate in lower}
        if self._in_words or self._with_value:
            words = _long_words(lower)
            if words:
                signs.update(at for gate, at in self._in_words if gate in words)
            if _DIGIT.search(words):
                signs.update(at for gate, at in self._with_value if gate in lower)
        found = [self._patterns[at] for at in sorted(signs)]
        if self._digits and (runs := [*_NUMBERS.finditer(text.encode("ascii", "replace").translate(_CLASSES))]):
            most = max(run[0].count(b"0") for run in runs)
            found += _fitting([pattern for pattern in self._digits if pattern.digits <= most], _around(runs, text))
        if self._colons and (pairs := [*_COLONS.finditer(text)]):
            found += _fitting(self._colons, _around(pairs, text))
        return found


def _long_words(text: str) -> str:
    """The words of ``text`` that may be a credential. They have neither quotes nor characters beyond ASCII."""
    if not text.isascii():
        text = text.encode("ascii", "replace").replace(b"?", b" ").decode()
    return " ".join([word for word in text.replace('"', " ").split() if len(word) >= SHORTEST_WORD])


def _around(places: Iterable[re.Match[Any]], text: str) -> str:
    """The surroundings of ``places`` in ``text``. Where one begins inside of the last, they stay together."""
    pieces: list[str] = []
    end = 0
    for place in places:
        start = max(place.start() - _BEFORE, end)
        if start > end and pieces:
            pieces.append("\n")
        end = place.end() + _BEHIND
        pieces.append(text[start:end])
    return "".join(pieces)


def _fitting(patterns: Iterable[Pattern], excerpt: str) -> list[Pattern]:
    return [
        pattern
        for pattern in patterns
        if (not pattern.gates or any(gate in excerpt for gate in pattern.gates)) and pattern.compiled.search(excerpt)
    ]


class Scrubber:
    """Replaces what ``patterns`` find, unless ``allow`` has it: texts, in which ``*`` stands for any characters.

    ``count`` is called with the kind of each replacement.
    """

    def __init__(
        self,
        patterns: Sequence[Pattern],
        allow: Iterable[str] = (),
        count: Callable[[str], Any] = lambda kind: None,
        gate: Callable[[tuple[Pattern, ...]], Gate] = LiteralGate,
    ) -> None:
        self._gate = gate(tuple(patterns))
        self._allow = tuple(text.lower() for text in allow)
        self._count = count

    def __call__(self, text: str) -> str:
        """``text`` with every match replaced."""
        return self._without_all(self._suspected(text), text)

    def of_parts_of(self, text: str) -> Callable[[str], str] | None:
        """What replaces matches in parts of ``text``; ``None`` if there are none."""
        suspected = self._suspected(text)
        return partial(self._without_all, suspected) if suspected else None

    def _suspected(self, text: str) -> tuple[Pattern, ...]:
        return tuple(self._gate.suspected(text)) if len(text) >= SHORTEST else ()

    def _without_all(self, patterns: Iterable[Pattern], text: str) -> str:
        for pattern in patterns:
            text = self._without(pattern, text)
        return text

    def places(self, text: str) -> list[tuple[int, int, Pattern]]:
        """Where ``text`` has a match: its start, its end and the pattern. Matches of two patterns may overlap."""
        return [
            (start, end, pattern) for pattern in self._suspected(text) for start, end in self._places(pattern, text)
        ]

    def _without(self, pattern: Pattern, text: str) -> str:
        pieces: list[str] = []
        done = 0
        for start, end in self._places(pattern, text):
            pieces += text[done:start], pattern.replacement
            done = end
            self._count(pattern.kind)
        return "".join((*pieces, text[done:])) if pieces else text

    def _places(self, pattern: Pattern, text: str) -> Iterator[tuple[int, int]]:
        at = 0
        while found := pattern.compiled.search(text, at):
            length = pattern.length(found)
            if not length:
                at = found.start() + 1
                continue
            start, at = found.start(), found.start() + length
            if "keep" in pattern.compiled.groupindex:
                start = found.end("keep")
            if not self._allowed(text[start:at]):
                yield start, at

    def _allowed(self, found: str) -> bool:
        return any(fnmatchcase(found.lower(), text) for text in self._allow)
