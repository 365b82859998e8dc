"""How far a judge agrees with people: sensitivity, specificity, balanced accuracy and kappa, with intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from ...analysis.rates import Rate, rate

_DRAWS = 2000


@dataclass(slots=True)
class Agreement:
    """Counts of items that people and the judge call good or bad. To find the bad ones is what a judge is for."""

    #: Bad by both, bad by people only, good by both, bad by the judge only.
    found: int = 0
    missed: int = 0
    cleared: int = 0
    wrongly_flagged: int = 0

    def add(self, *, good: bool, passed: bool) -> None:
        """Count an item that people call ``good`` or not, and that the judge ``passed`` or not."""
        if good:
            self.cleared += passed
            self.wrongly_flagged += not passed
        else:
            self.missed += passed
            self.found += not passed

    @property
    def n(self) -> int:
        return self.found + self.missed + self.cleared + self.wrongly_flagged

    @property
    def sensitivity(self) -> Rate | None:
        """The share of bad items that the judge finds; ``None`` if there are none."""
        bad = self.found + self.missed
        return rate(self.found, bad) if bad else None

    @property
    def specificity(self) -> Rate | None:
        """The share of good items that the judge clears; ``None`` if there are none."""
        good = self.cleared + self.wrongly_flagged
        return rate(self.cleared, good) if good else None

    @property
    def balanced_accuracy(self) -> Rate | None:
        """The mean of both, which does not depend on how many items are bad; ``None`` if either is not known."""
        if self.sensitivity is None or self.specificity is None:
            return None
        return self._estimated(_balanced)

    @property
    def kappa(self) -> Rate | None:
        """Cohen's kappa: agreement beyond that by chance, from -1 to 1. It depends on how many items are bad."""
        return self._estimated(_kappa) if self.n else None

    def _estimated(self, of: Callable[[tuple[float, ...]], float]) -> Rate:
        """A figure of the four counts with its interval: of draws from their Dirichlet distribution (Jeffreys')."""
        counts = (self.found, self.missed, self.cleared, self.wrongly_flagged)
        value = of(tuple(map(float, counts)))
        random = Random(0)
        drawn = sorted(of(tuple(random.gammavariate(count + 0.5, 1.0) for count in counts)) for _ in range(_DRAWS))
        tail = int(_DRAWS * 0.025)
        return Rate(value, min(value, drawn[tail]), max(value, drawn[-1 - tail]), self.n)


def _balanced(counts: tuple[float, ...]) -> float:
    found, missed, cleared, flagged = counts
    return (found / (found + missed) + cleared / (cleared + flagged)) / 2


def _kappa(counts: tuple[float, ...]) -> float:
    found, missed, cleared, flagged = counts
    n = sum(counts)
    agreed = (found + cleared) / n
    bad = (found + missed) * (found + flagged)
    good = (cleared + flagged) * (cleared + missed)
    by_chance = (bad + good) / (n * n)
    return 1.0 if by_chance == 1 else (agreed - by_chance) / (1 - by_chance)
