"""Microsoft Presidio as a :class:`.Redactor`: it finds names of people and places, which no pattern finds.

``OTEL_LLM_REDACT=presidio`` uses :func:`redact`, with Presidio's default engine for English.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from .redaction import Where


class Presidio:
    """Replaces what a Presidio ``AnalyzerEngine`` finds by its kind, such as ``[PERSON]``.

    ``analyzer`` is the engine (default: a new one), ``language`` the language of all texts, ``entities`` the kinds to
    find (default: all that the engine knows), and ``least_score`` the confidence, from 0 to 1, that a find needs.
    """

    def __init__(
        self,
        analyzer: Any = None,
        language: str = "en",
        entities: list[str] | None = None,
        least_score: float = 0.5,
    ) -> None:
        if analyzer is None:
            from presidio_analyzer import AnalyzerEngine  # type: ignore[import-not-found,unused-ignore]

            analyzer = AnalyzerEngine()
        self._analyzer, self._language = analyzer, language
        self._entities, self._least_score = entities, least_score

    def __call__(self, text: str, where: Where) -> str:
        """``text`` with everything replaced that the engine found."""
        found = self._analyzer.analyze(
            text=text, language=self._language, entities=self._entities, score_threshold=self._least_score
        )
        end = len(text)
        for one in sorted(found, key=lambda one: (one.end, one.score), reverse=True):
            if one.end <= end:  # finds may overlap
                text = f"{text[: one.start]}[{one.entity_type}]{text[one.end :]}"
                end = one.start
        return text


@cache
def _default() -> Presidio:
    return Presidio()


def redact(text: str, where: Where) -> str:
    """``text`` with everything replaced that Presidio's default engine finds."""
    return _default()(text, where)
