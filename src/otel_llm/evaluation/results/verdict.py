"""A verdict: what an evaluator, or a person, says of one span."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from time import time
from typing import Literal, get_args

from ...core.request import AttributeValue

#: What decided: a model, a person or a function.
Source = Literal["judge", "human", "code"]
_SOURCES = get_args(Source)
_DIGITS = {"trace_id": 32, "span_id": 16}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of one span. Plain data, which any process can make that knows the ids.

    :param name: what was evaluated, such as ``faithfulness``; few different names.
    :param trace_id: the judged trace, as 32 hexadecimal digits; ``None`` if it is not known.
    :param span_id: the judged span, as 16 hexadecimal digits; ``None`` if only the trace is known.
    :param score: a finite number on ``scale``.
    :param label: the verdict as a word, such as ``pass``; few different words.
    :param explanation: why, as text. It is content.
    :param response_id: the provider's id of the judged response.
    :param error_type: why the evaluation failed. Such a verdict has neither score nor label: a failure is not zero.
    :param source: what decided: ``judge`` (a model), ``human`` or ``code``.
    :param evaluator: what evaluated, if it has an id other than ``name``.
    :param revision: the revision of the evaluator: verdicts of two revisions can't be compared.
    :param scale: the range of ``score``, such as ``0-1`` or ``1-5``.
    :param passed: whether the verdict meets the evaluator's threshold; ``None`` if it has none.
    :param submitter: who gave the feedback, as the id of a user.
    :param at: when, in seconds since the epoch.
    :param seconds: how long the evaluation took.
    :param attributes: more attributes of the event and the span, with their full names
        (``otel_llm.evaluation.judge.model``). They are not on metrics.
    :raises ValueError: for ids or a source that are none, a score that is not finite, or an error with a score.
    """

    name: str
    trace_id: str | None
    span_id: str | None = None
    score: float | None = None
    label: str | None = None
    explanation: str | None = None
    response_id: str | None = None
    error_type: str | None = None
    source: Source = "judge"
    evaluator: str | None = None
    revision: str | None = None
    scale: str = "0-1"
    passed: bool | None = None
    submitter: str | None = None
    at: float = field(default_factory=time)
    seconds: float = 0.0
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a verdict needs a name")
        for name, digits in _DIGITS.items():
            value = getattr(self, name)
            if value is not None and not (re.fullmatch(f"[0-9a-f]{{{digits}}}", value) and value.strip("0")):
                raise ValueError(f"{name} must be {digits} hexadecimal digits, not all zero")
        if self.span_id is not None and self.trace_id is None:
            raise ValueError("a span_id needs its trace_id")
        if self.source not in _SOURCES:
            raise ValueError(f"source must be one of {', '.join(_SOURCES)}, not {self.source!r}")
        if self.score is not None and (
            isinstance(self.score, bool) or not isinstance(self.score, int | float) or not isfinite(self.score)
        ):
            raise ValueError(f"score must be a finite number, not {self.score!r}")
        if self.error_type is not None and not (self.score is None and self.label is None):
            raise ValueError("an evaluation that failed has neither a score nor a label")
        if self.error_type is None and self.score is None and self.label is None:
            raise ValueError("a verdict needs a score, a label or an error_type")

    @property
    def evaluator_id(self) -> str:
        """What evaluated: ``evaluator``, or else ``name``."""
        return self.evaluator or self.name
