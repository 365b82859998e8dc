"""The check for prompt injection: texts that try to take over the model, or to make it tell what it was told."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

from .check import Check, Fail, QuickCheck, checked_limits
from .injections import PATTERNS
from .injections.pattern import InjectionPattern
from .plain_text import disguised, plain
from .result import Action, Result

NAME = "prompt_injection"
#: What is quoted by someone who writes about injections counts for so much.
_MENTIONED = 0.4
_QUOTED = re.compile(r'"[^"]{1,160}"|(?<!\w)\'[^\']{1,160}\'(?!\w)')
_DISCUSSED = re.compile(
    r"\b(?:prompt[ -]injections?|injection attacks?|jailbreak(?:s|ing)?|red[ -]team(?:ing)?|attack(?:s|ers?)?|phishing"
    r"|owasp|translat\w{1,5}|what does|mean(?:s|ing)?|examples?|detect\w{0,4}|classif\w{1,6}|block\w{0,3}|filter\w{0,3}"
    r"|prevent\w{0,3}|protect\w{0,3}|defend\w{0,3}|defen[cs]es?|regex|blog|article|paper|talk|tutorial|unit test"
    r"|payload|says?|said|error|phrases?|sentence|titled|headline|quote|lyrics|tweet|why (?:do|does|is|are|did))\b"
)


def prompt_injection(
    classifier: Callable[[str], Any] | None = None,
    *,
    threshold: float = 0.5,
    patterns: Iterable[InjectionPattern] = PATTERNS,
    timeout: float | None = None,
    fail: Fail | None = None,
    provider: str | None = None,
) -> Check:
    """A check for prompt injection. It is done before all others.

    ``patterns`` are added up by their weights, and the text is blocked from ``threshold`` on, which is from 0 to 1. A
    text is also read as it would be without accents, look-alike letters, invisible characters, spaces between letters,
    digits for letters, and base64. A text in quotes of somebody who writes about injections counts for less.

    ``classifier`` is asked about texts that the patterns pass: it returns whether the text is an injection, or a score
    from 0 to 1, or a :class:`.Result`; it may be a coroutine function. ``timeout``, ``fail`` and ``provider`` are those
    of :class:`.Check`, and matter if there is a classifier.

    Patterns find the attacks that are common, not those of somebody who knows the patterns.

    :raises ValueError: for a ``threshold`` that is not above 0 and at most 1.
    """
    checked_limits(timeout, fail)
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be above 0 and at most 1, not {threshold!r}")
    known = tuple(patterns)

    def by_patterns(text: str) -> Result | None:
        score, rule = scored(text, known)
        return _blocked(score, rule) if score >= threshold else None

    if classifier is None:
        return _First(by_patterns)
    return _Classified(_classified(by_patterns, classifier, threshold), timeout=timeout, fail=fail, provider=provider)


class _First(QuickCheck):
    first = True

    def __init__(self, function: Callable[[str], Result | None]) -> None:
        super().__init__(NAME, function)


class _Classified(Check):
    first = True

    def __init__(self, function: Callable[[str], Any], **limits: Any) -> None:
        super().__init__(NAME, function, **limits)


def scored(text: str, patterns: Iterable[InjectionPattern] = PATTERNS) -> tuple[float, str | None]:
    """How much ``text`` looks like an injection, from 0 to 1, and the name of the heaviest pattern that it has."""
    known = plain(text)
    best: tuple[float, str | None] = (0.0, None)
    for reading in (known, *disguised(text, known)):
        found = [
            (pattern.weight, pattern.name, place)
            for pattern in patterns
            if (place := pattern.search(reading)) is not None
        ]
        if found:
            factors = _mentioned(reading, [place for _, _, place in found])
            total = min(sum(weight * factor for (weight, _, _), factor in zip(found, factors, strict=True)), 1.0)
            best = max(best, (total, max(found, key=lambda one: one[0])[1]), key=lambda one: one[0])
    return best


def _mentioned(text: str, places: list[re.Match[str]]) -> list[float]:
    """How much each of ``places`` counts: less inside of quotes, if the words outside of them are about that."""
    quotes = [place.span() for place in _QUOTED.finditer(text)]
    inside = [any(start <= place.start() and place.end() <= end for start, end in quotes) for place in places]
    if not any(inside) or not _DISCUSSED.search(_QUOTED.sub(" ", text)):
        return [1.0] * len(places)
    return [_MENTIONED / len(places) if quoted else 1.0 for quoted in inside]


def _blocked(score: float, rule: str | None) -> Result:
    return Result(Action.BLOCK, NAME, category=NAME, score=score, rule=rule)


def _classified(
    by_patterns: Callable[[str], Result | None], classifier: Callable[[str], Any], threshold: float
) -> Callable[[str], Any]:
    """What asks ``classifier`` about a text that ``by_patterns`` passes."""

    def judged(answer: Any) -> Result | None:
        if isinstance(answer, Result) or answer is None:
            return answer
        if isinstance(answer, bool | int | float):
            score = float(answer)
            return _blocked(score, "classifier") if score >= threshold else Result(score=score)
        raise TypeError(
            f"a classifier must return a score, whether it is one, or a Result; not {type(answer).__name__}"
        )

    if inspect.iscoroutinefunction(classifier) or inspect.iscoroutinefunction(getattr(classifier, "__call__", None)):  # noqa: B004

        async def ask_later(text: str) -> Result | None:
            return by_patterns(text) or judged(await classifier(text))

        return ask_later
    return lambda text: by_patterns(text) or judged(classifier(text))
