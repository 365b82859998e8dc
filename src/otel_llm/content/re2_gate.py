"""A :class:`.Gate` made of one automaton of the library RE2, which reads a text once for all patterns together."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

from .. import guard
from ..background import threads
from .patterns import Pattern, Sign
from .scrubbing import LiteralGate

#: Shorter texts are read faster than the library is called.
_SHORT = 256
#: RE2 counts by states: more repetitions are not counted.
_MOST_COUNTED = 12
_ASSERTIONS = ("(?=", "(?!", "(?<=", "(?<!")
#: Escapes, classes and repetitions of a regular expression.
_TOKENS = re.compile(r"\\u([0-9a-f]{4})|\\s|\\b|\\.|\{(\d+)(,?)(\d*)\}", re.DOTALL)


@cache
def available() -> bool:
    """Whether the library is installed."""
    return find_spec("re2") is not None


@cache
def gate_of(patterns: tuple[Pattern, ...]) -> Re2Gate:
    """The gate of ``patterns``, made once for all policies that have them."""
    return Re2Gate(patterns)


class Re2Gate:
    """Says which patterns may match, by expressions that leave out what RE2 lacks, and so match more.

    The automaton is made on a thread, as that takes some time. Until it is there, a :class:`.LiteralGate` decides.
    """

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = tuple(patterns)
        self._literal = LiteralGate(patterns)
        self._set: Any = None
        #: Set when the automaton is made, or can't be.
        self.made = threading.Event()
        # Not a daemon: C++ code that waits for the interpreter when it ends would abort the process.
        threads.start("patterns", self._make, daemon=False)

    @guard.never_raise
    def _make(self) -> None:
        try:
            import re2  # type: ignore[import-untyped,unused-ignore]

            made = re2.Set.SearchSet()
            for pattern in self._patterns:
                made.Add(simplified(pattern.regex))
            made.Add("")  # matches every text: if it is not among the results, the automaton has failed
            made.Compile()
            self._set = made
        finally:
            self.made.set()

    def suspected(self, text: str) -> Iterable[Pattern]:
        if self._set is None or len(text) < _SHORT:
            return self._literal.suspected(text)
        found = self._set.Match(text)
        if len(self._patterns) not in found:
            return self._literal.suspected(text)
        suspected = [self._patterns[index] for index in sorted(found) if index < len(self._patterns)]
        if any(pattern.sign is Sign.VALUE for pattern in suspected):
            lower = text.lower()
            # Their gates are no parts of their expressions.
            return [one for one in suspected if one.sign is not Sign.VALUE or any(gate in lower for gate in one.gates)]
        return suspected


def simplified(regex: str) -> str:
    """``regex`` without assertions and large counts: it matches wherever ``regex`` does, and more."""
    return _TOKENS.sub(_token, _without_assertions(regex))


def _token(found: re.Match[str]) -> str:
    token = found[0]
    if token == r"\b":
        return ""
    if found[1]:
        return rf"\x{{{found[1]}}}"
    if found[2] is None:
        return token
    if not found[3] or int(found[4] or _MOST_COUNTED + 1) <= _MOST_COUNTED:
        return token
    return f"{{{min(int(found[2]), _MOST_COUNTED)},}}"


def _without_assertions(regex: str) -> str:
    kept: list[str] = []
    depth = at = 0
    #: The depth of the outermost assertion that is open.
    inside: int | None = None
    in_class = False
    while at < len(regex):
        token = regex[at : at + 2] if regex[at] == "\\" else regex[at]
        if in_class:
            in_class = token != "]"
        elif token == "[":
            in_class = True
        elif token == "(":
            depth += 1
            if inside is None and regex.startswith(_ASSERTIONS, at):
                inside = depth
        at += len(token)
        if inside is None:
            kept.append(token)
        if token == ")" and not in_class:
            if inside == depth:
                inside = None
            depth -= 1
    return "".join(kept)
