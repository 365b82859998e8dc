"""Counts what a search of Python's `re` does: a measure of time that is the same on every machine.

It is a backtracking matcher over the parse tree of a pattern, as `re` has one, that counts a step for each character
that it looks at and each alternative that it tries.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from re import _constants as c  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

from otel_llm.content.patterns import Pattern

#: Python frames that a match may need: it calls itself for each part of a pattern.
_DEPTH = 100_000

Then = Callable[[int], bool]
_CATEGORIES: dict[Any, Callable[[str], bool]] = {
    c.CATEGORY_DIGIT: lambda one: one.isascii() and one.isdigit(),
    c.CATEGORY_SPACE: lambda one: one in " \t\n\r\f\v",
    c.CATEGORY_WORD: lambda one: one.isascii() and (one.isalnum() or one == "_"),
}


class Steps:
    """The steps of searches in `text`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.count = 0

    def of(self, pattern: Pattern) -> int:
        """The steps of replacing all matches of `pattern`."""
        before = sys.getrecursionlimit()
        sys.setrecursionlimit(_DEPTH)
        try:
            return self._of(pattern)
        finally:
            sys.setrecursionlimit(before)  # json needs it: it would overflow the C stack

    def _of(self, pattern: Pattern) -> int:
        tree = [*_parser.parse(pattern.regex, re.ASCII)]
        self.count = at = 0
        while True:
            found = pattern.compiled.search(self.text, at)
            last = len(self.text) if found is None else found.start()
            for start in range(at, last + 1):
                self._match(tree, 0, start, False, lambda end: True)
            if found is None:
                return self.count
            at = found.start() + (pattern.length(found) or 1)

    def _match(self, items: Sequence[Any], index: int, at: int, ignore: bool, then: Then) -> bool:
        while index < len(items):
            op, value = items[index]
            if op in (c.MAX_REPEAT, c.MIN_REPEAT):
                return self._repeat(
                    value, ignore, at, lambda end, following=index + 1: self._match(items, following, end, ignore, then)
                )
            if op is c.SUBPATTERN:
                _, added, _, inner = value
                inside = ignore or bool(added & re.IGNORECASE)
                return self._match(
                    inner,
                    0,
                    at,
                    inside,
                    lambda end, following=index + 1: self._match(items, following, end, ignore, then),
                )
            if op is c.BRANCH:
                follow = lambda end, following=index + 1: self._match(items, following, end, ignore, then)  # noqa: E731
                for branch in value[1]:
                    self.count += 1
                    if self._match(branch, 0, at, ignore, follow):
                        return True
                return False
            self.count += 1
            if op in (c.ASSERT, c.ASSERT_NOT):
                direction, inner = value
                start = at if direction > 0 else at - inner.getwidth()[0]
                holds = start >= 0 and self._match(inner, 0, start, ignore, lambda end: True)
                if holds != (op is c.ASSERT):
                    return False
            elif op is c.AT:
                assert value is c.AT_BOUNDARY
                if self._in_word(at - 1) == self._in_word(at):
                    return False
            elif at < len(self.text) and self._one(op, value, self.text[at], ignore):
                at += 1
            else:
                return False
            index += 1
        return then(at)

    def _repeat(self, value: Any, ignore: bool, at: int, then: Then) -> bool:
        least, most, item = value
        if len(item) == 1 and item[0][0] in (c.IN, c.LITERAL, c.NOT_LITERAL, c.ANY):
            op, argument = item[0]
            end = at
            while end < len(self.text) and end - at < most and self._one(op, argument, self.text[end], ignore):
                end += 1
            self.count += end - at + 1
            while end - at >= least:
                self.count += 1
                if then(end):
                    return True
                end -= 1
            return False

        def again(position: int, done: int) -> bool:
            self.count += 1
            if done < most and self._match(
                item, 0, position, ignore, lambda end: end > position and again(end, done + 1)
            ):
                return True
            return done >= least and then(position)

        return again(at, 0)

    def _one(self, op: Any, value: Any, character: str, ignore: bool) -> bool:
        if ignore and character.isascii() and character.isalpha():
            return self._is(op, value, character.lower()) or self._is(op, value, character.upper())
        return self._is(op, value, character)

    def _is(self, op: Any, value: Any, character: str) -> bool:
        if op is c.LITERAL:
            return ord(character) == value
        if op is c.NOT_LITERAL:
            return ord(character) != value
        if op is c.ANY:
            return character != "\n"
        assert op is c.IN
        negated = value[0][0] is c.NEGATE
        return any(self._in(kind, entry, character) for kind, entry in value if kind is not c.NEGATE) != negated

    def _in(self, kind: Any, entry: Any, character: str) -> bool:
        if kind is c.RANGE:
            return bool(entry[0] <= ord(character) <= entry[1])
        return _CATEGORIES[entry](character) if kind is c.CATEGORY else bool(ord(character) == entry)

    def _in_word(self, at: int) -> bool:
        return 0 <= at < len(self.text) and _CATEGORIES[c.CATEGORY_WORD](self.text[at])
