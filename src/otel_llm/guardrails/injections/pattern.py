"""What a pattern for prompt injection is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class InjectionPattern:
    """One form of prompt injection.

    ``name`` is the rule in telemetry. ``regex`` is searched for if one of ``gates`` and one of ``also``, which are
    substrings, are in the text: a cheap test that most texts fail. Every quantifier in it is bounded. ``weight`` is how
    much it counts: the weights of all patterns that match are added up, and a text is blocked at a threshold of 0.5
    unless another is set.

    ``examples`` are blocked by this pattern alone, ``counterexamples`` don't match: the tests check both.
    """

    name: str
    regex: str
    gates: tuple[str, ...]
    examples: tuple[str, ...]
    counterexamples: tuple[str, ...]
    weight: float = 1.0
    also: tuple[str, ...] = ()

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        return re.compile(self.regex)

    def search(self, text: str) -> re.Match[str] | None:
        """Where ``text``, which is plain, has this form."""
        if not any(gate in text for gate in self.gates) or (self.also and not any(one in text for one in self.also)):
            return None
        return self.compiled.search(text)


#: Words between a verb and its object.
WORDS = r"(?:[\w'-]{1,20} ){0,4}?"


def override(
    language: str,
    regex: str,
    gates: tuple[str, ...],
    example: str,
    counterexample: str,
    *also: str,
) -> InjectionPattern:
    """Instructions to ignore instructions, in ``language``; ``example`` is one and ``counterexample`` is none."""
    return InjectionPattern(f"override.{language}", regex, gates, (example,), (counterexample,), also=also)


def reveal(
    language: str,
    regex: str,
    gates: tuple[str, ...],
    example: str,
    counterexample: str,
    *also: str,
) -> InjectionPattern:
    """Requests for the instructions of the application, in ``language``."""
    return InjectionPattern(
        f"reveal_prompt.{language}",
        regex,
        gates,
        (example,),
        (counterexample,),
        also=also,
    )
