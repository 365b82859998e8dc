"""The sampler of a zero-code run: from the environment, and nothing worse than one warning for what can't be used."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ... import config
from ..dataset.reader import DEFAULT_DATASET
from .rate import Algorithm, bound
from .rules import Rules, positive, seconds
from .sampler import EvaluationSampler


def wanted(environ: Mapping[str, str] | None = None) -> EvaluationSampler | None:
    """The sampler that the environment asks for, by a rate or by rules; ``None`` if it does not."""
    env = os.environ if environ is None else environ
    rules = config._read(env, config.EVAL_RULES_FILE, Rules.load, None)
    if rules is None:
        rules = config._read(env, config.EVAL_RULES, Rules.parse, None)
    rate = config._read(env, config.EVAL_SAMPLE_RATE, _rate, None)
    if rules is None and rate is None:
        return None
    limit = config._read(env, config.EVAL_MAX_PER_MINUTE, _number(lambda n: positive("the limit", n)), None)
    return EvaluationSampler(
        rate,
        rules=rules or (),
        sink=config._read(env, config.EVAL_DATASET, Path, Path(DEFAULT_DATASET)),
        capture_content=config._read(env, config.EVAL_CAPTURE_CONTENT, config._boolean, False),
        max_per_minute=limit,
        grace=config._read(env, config.EVAL_GRACE, _number(lambda n: seconds("the grace", n)), 1.0),
        algorithm=config._read(env, config.EVAL_ALGORITHM, _algorithm, Algorithm.AUTO),
    )


def _number(check: Callable[[float], Any]) -> Callable[[str], float]:
    def parse(raw: str) -> float:
        try:
            value = float(raw)
        except ValueError:
            raise ValueError("expected a number") from None
        check(value)
        return value

    return parse


_rate = _number(bound)


def _algorithm(raw: str) -> Algorithm:
    try:
        return Algorithm(raw.lower())
    except ValueError:
        raise ValueError(f"expected one of {', '.join(one.value for one in Algorithm)}") from None
