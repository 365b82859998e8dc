"""What a pattern for redaction is, and the signs in a text by which most patterns are passed over."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

#: The escapes of a character: in JSON and programs, and in URLs. Text may be JSON, and a text in it may be JSON again.
_ESCAPES = (r"\\[abfnrtv0]", "%[0-9A-Fa-f]{2}", r"\\x[0-9A-Fa-f]{2}", r"\\u[0-9A-Fa-f]{4}", r"\\U[0-9A-Fa-f]{8}")
#: The ends of a terminal's escapes of colours.
_COLOURS = (r"\[m", r"[\[;]\dm", r"[\[;]\d\dm", r";\d\d\dm")


def behind_escape(matched: str) -> str:
    """That ``matched``, which has just matched, follows an escape, whose last character may be one of a word."""
    escapes, colours = ("|".join(f"(?<={one}{matched})" for one in group) for group in (_ESCAPES, _COLOURS))
    return f"{escapes}|(?<=m{matched})(?:{colours})"


#: Behind the first character of a match: before it is no character of a word, but maybe an escape, or underscores that
#: emphasize it. A pattern begins with a class of characters, and not with this, because then a search passes over all
#: others at once.
STARTS = r"(?:(?<![A-Za-z0-9].)(?<![A-Za-z0-9]_.)|" + behind_escape(".") + ")"
#: Behind a match: no character of a word, and no further digits.
END = r"(?![A-Za-z0-9]|_[A-Za-z0-9]|[.]\d)"
#: Before a number are no decimals of another, and no group of a UUID. A comma may separate the fields of a table.
_NO_PART = r"(?<!\d[.].)(?<![0-9a-f]{3}-.)"
NUMBER_STARTS = STARTS + _NO_PART
#: What may stand before a number in groups: also Markdown's marks of emphasis, and a word before its bracket.
GROUPS_START = r"(?:(?<![A-Za-z0-9].)|(?<=[A-Za-z]\()|" + behind_escape(".") + ")" + _NO_PART
#: Behind such a number. Both a point and a hyphen may go on to more digits of it; a comma doesn't.
GROUPS_END = r"(?![A-Za-z0-9]|_[A-Za-z0-9]|[.-]\d)"
#: Spaces and hyphens as people and programs write them inside of numbers.
SPACE = r" \u00a0\u2009\u202f"
HYPHEN = r"\-\u2010-\u2013"


class Sign(Enum):
    """Where the gates of a pattern are looked for, or what stands for them."""

    #: In words of at least :data:`SHORTEST_WORD` characters.
    WORD = "word"
    #: Anywhere, because a match goes over several words, or has short ones.
    TEXT = "text"
    #: Anywhere, if one of those words has a digit.
    VALUE = "value"
    #: Around runs of digits, of which one has at least as many as the pattern.
    DIGITS = "digits"
    #: Around pairs of colons.
    COLONS = "colons"


#: No credential that is one word is shorter.
SHORTEST_WORD = 10


@dataclass(frozen=True)
class Pattern:
    """One form of what is redacted.

    ``kind`` is counted, and names the replacement. ``gates`` are lower-case substrings, one of which is in every match:
    a cheap test that most text fails; without any, ``sign`` alone decides. ``digits`` is the fewest that follow on each
    other in a match, with no more than signs and spaces between them. A group ``keep`` in ``regex`` stays in front of
    the replacement. ``accepts`` gets a match and returns how many of its characters are to be replaced, 0 if none, such
    as after a checksum. Every quantifier that something follows is bounded, so that a search takes linear time.

    ``examples`` match completely, and ``counterexamples`` nowhere: the tests check both.
    """

    name: str
    kind: str
    regex: str
    examples: tuple[str, ...]
    counterexamples: tuple[str, ...]
    gates: tuple[str, ...] = ()
    sign: Sign = Sign.WORD
    digits: int = 0
    accepts: Callable[[str], int] | None = None

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        return re.compile(self.regex, re.ASCII)

    @property
    def replacement(self) -> str:
        return f"[{self.kind.upper()}]"

    def length(self, found: re.Match[str]) -> int:
        """How many characters of ``found`` are to be replaced, counted from its start."""
        return len(found[0]) if self.accepts is None else self.accepts(found[0])
