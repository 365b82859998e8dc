"""The forms of prompt injection, as data. To add one, add an :class:`.InjectionPattern` with its examples.

They are looked for in a plain form of the text (:mod:`otel_llm.guardrails.plain_text`): lower case, Latin letters
without accents, single spaces. So they are written in that form.
"""

from __future__ import annotations

from . import (
    authority,
    disclosure,
    indirect,
    other_languages,
    overrides,
    personas,
    romance,
    scripts,
)
from .pattern import InjectionPattern

PATTERNS: tuple[InjectionPattern, ...] = (
    *overrides.PATTERNS,
    *authority.PATTERNS,
    *disclosure.PATTERNS,
    *personas.PATTERNS,
    *indirect.PATTERNS,
    *romance.PATTERNS,
    *other_languages.PATTERNS,
    *scripts.PATTERNS,
)
