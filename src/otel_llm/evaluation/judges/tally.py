"""Sums up the verdicts of an evaluator, and compares them with bounds such as ``hallucination>0.05``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..analysis.rates import Rate, rate
from ..results.verdict import Verdict
from .evaluator import Evaluator

_BOUND = re.compile(r"\s*(?:(mean)\s*\(\s*)?([a-z][a-z0-9_.-]*)\s*(\))?\s*(>=|<=|>|<)\s*(\d+(?:\.\d+)?)\s*")
_COMPARED = {
    ">": lambda value, number: value > number,
    ">=": lambda value, number: value >= number,
    "<": lambda value, number: value < number,
    "<=": lambda value, number: value <= number,
}


@dataclass(slots=True)
class Tally:
    """What became of one evaluator on the selected items."""

    evaluator: Evaluator
    scores: list[float] = field(default_factory=list)
    labels: Counter[str] = field(default_factory=Counter)
    #: Verdicts that meet the threshold, or don't.
    passed: Counter[bool] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    not_applicable: Counter[str] = field(default_factory=Counter)
    #: Of the verdicts, those that were there before.
    before: int = 0

    def add(self, verdict: Verdict) -> None:
        """Count a verdict."""
        if verdict.error_type is not None:
            self.errors[verdict.error_type] += 1
            return
        if verdict.score is not None:
            self.scores.append(verdict.score)
        if verdict.label is not None:
            self.labels[verdict.label] += 1
        if verdict.passed is not None:
            self.passed[verdict.passed] += 1

    @property
    def failed(self) -> Rate | None:
        """The share of verdicts that do not meet the threshold, with its interval; ``None`` if there are none."""
        judged = self.passed.total()
        return rate(self.passed[False], judged) if judged else None

    @property
    def mean(self) -> float | None:
        """The mean score; ``None`` if there is none."""
        return sum(self.scores) / len(self.scores) if self.scores else None


@dataclass(frozen=True, slots=True)
class Bound:
    """What must not be: the share of failed verdicts of an evaluator, or its mean score, beyond a number."""

    text: str
    name: str
    of_mean: bool
    comparison: str
    number: float

    @classmethod
    def parse(cls, text: str) -> Bound:
        """The bound that ``text`` states: ``hallucination>0.05`` or ``mean(faithfulness)<3.5``.

        :raises ValueError: if it states none.
        """
        found = _BOUND.fullmatch(text)
        if found is None or bool(found[1]) != bool(found[3]):
            raise ValueError(f"{text!r} is no bound such as hallucination>0.05 or mean(faithfulness)<3.5")
        if not found[1] and float(found[5]) > 1:
            raise ValueError(f"{text!r}: a share is at most 1; the mean score is mean({found[2]}){found[4]}{found[5]}")
        return cls(text.strip(), found[2], bool(found[1]), found[4], float(found[5]))

    def reached(self, tallies: Mapping[str, Tally]) -> str | None:
        """What to tell if the bound is reached, or there is nothing to compare with it; otherwise ``None``."""
        tally = tallies[self.name]
        if self.of_mean:
            value, shown = tally.mean, f"{tally.mean:.3g}" if tally.mean is not None else ""
        else:
            value, shown = (None, "") if tally.failed is None else (tally.failed.value, str(tally.failed))
        if value is None:
            return f"{self.text}: there is no verdict of {self.name} to compare"
        return f"{self.text}: it is {shown}" if _COMPARED[self.comparison](value, self.number) else None


def tallies(evaluators: Iterable[Evaluator]) -> dict[str, Tally]:
    """An empty tally for each evaluator, by its name."""
    return {evaluator.name: Tally(evaluator) for evaluator in evaluators}
