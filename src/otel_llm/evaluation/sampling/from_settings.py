"""Makes the evaluation sampler that :class:`~otel_llm.Settings` describe."""

from __future__ import annotations

from collections.abc import Callable

from ...config import EVAL_RULES, EVAL_RULES_FILE, Settings, warn
from .rules import Rules
from .sampler import EvaluationSampler


def sampler_from(settings: Settings) -> EvaluationSampler | None:
    """The sampler that ``settings`` ask for, by a rate or by rules, or ``None``.

    Rules that can't be used get one warning; the rate still holds.
    """
    rules = _rules(EVAL_RULES_FILE, settings.evaluation_rules_file, Rules.load)
    if rules is None:
        rules = _rules(EVAL_RULES, settings.evaluation_rules, Rules.parse)
    if rules is None and settings.evaluation_sample_rate is None:
        return None
    return EvaluationSampler(
        settings.evaluation_sample_rate,
        rules=rules or (),
        sink=settings.evaluation_dataset,
        capture_content=settings.evaluation_capture_content,
        max_per_minute=settings.evaluation_max_per_minute,
        grace=settings.evaluation_grace,
        algorithm=settings.evaluation_algorithm,
    )


def _rules(variable: str, given: str | None, read: Callable[[str], Rules]) -> Rules | None:
    if not given:
        return None
    try:
        return read(given)
    except ValueError as error:
        warn(variable, given, error, None)
        return None
