"""Makes the evaluation sampler that :class:`~otel_llm.Settings` describe."""

from __future__ import annotations

from collections.abc import Callable

from ...config import EVAL_RULES, EVAL_RULES_FILE, Settings
from ...config.warnings import warn_once
from .rules import Refuse, Rules
from .sampler import EvaluationSampler


def sampler_from(settings: Settings) -> EvaluationSampler | None:
    """The sampler that ``settings`` ask for, by a rate or by rules, or ``None``.

    A rule that can't be used is left out with a warning that names it; the rest holds.
    """
    rate = settings.evaluation_sample_rate
    otherwise = "No trace is sampled" if rate is None else f"No rule holds, only the rate of {rate:g}"
    instead = f"{EVAL_RULES} holds instead" if settings.evaluation_rules else otherwise
    rules = _rules(EVAL_RULES_FILE, settings.evaluation_rules_file, Rules.load, instead)
    if rules is None:
        rules = _rules(EVAL_RULES, settings.evaluation_rules, Rules.parse, otherwise)
    if settings.evaluation_sample_rate is None and (rules is None or (rules.rate is None and not rules.rules)):
        return None
    return EvaluationSampler(
        settings.evaluation_sample_rate,
        rules=rules or (),
        sink=settings.evaluation_dataset,
        capture_content=settings.evaluation_capture_content,
        max_per_minute=settings.evaluation_max_per_minute,
        grace=settings.evaluation_grace,
        feedback_hold=settings.evaluation_feedback_hold,
        algorithm=settings.evaluation_algorithm,
    )


def _rules(variable: str, given: str | None, read: Callable[[str, Refuse], Rules], instead: str) -> Rules | None:
    """What ``read`` makes of ``given``. If that is nothing, a warning says what holds ``instead``."""
    if not given:
        return None

    def leave_out(error: ValueError) -> None:
        warn_once(variable, given, f"is used only in part; left out: {error}")

    try:
        return read(given, leave_out)
    except ValueError as error:
        warn_once(
            variable, given, f"can't be used: {error}. {instead} until this is corrected and the process restarted"
        )
        return None
