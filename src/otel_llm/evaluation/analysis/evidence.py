"""Evidence that a rate or a mean score has passed its threshold, for alarms that are looked at all the time.

A rate that is compared with its threshold every hour passes it by chance sooner or later, whatever its interval. The
evidence here may be looked at after every verdict: it is an e-detector (Shin, Ramdas, Rinaldo, "E-detectors", 2022), a
sum of bets against "the threshold holds" that starts anew with each verdict. While the threshold holds, ``ALARM`` or
more is reached at most once in ``ALARM`` verdicts on average, however often it is looked at; well below the threshold
next to never. Since each verdict starts a bet, weeks of good verdicts don't delay an alarm, and where every answer is
suddenly bad, seven verdicts are enough.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import log

ALARM = 3_000.0
"""The evidence at which an alarm is due: on average one false alarm in so many verdicts right at the threshold."""

# How much worse than the threshold the odds may be: mild, clear and bad. For a rate of 5 %: 8, 12 and 20 %.
_WORSE_ODDS = (1.65, 2.6, 4.75)
# Beyond this the evidence says no more; a float stays finite whatever comes.
_MOST = 1e12


@dataclass(slots=True)
class Evidence:
    """Evidence that scores between ``low`` and ``high`` are worse than ``threshold`` on average.

    For a rate, a score is 0 or 1 (``True`` where the item failed), and ``above`` is worse. ``above=False`` is for
    scores where low is bad, such as a faithfulness of 1 to 5. ``bets`` is the state: store it and hand it in again to
    go on where another process has stopped.
    """

    threshold: float
    above: bool = True
    low: float = 0.0
    high: float = 1.0
    bets: list[float] = field(default_factory=lambda: [0.0] * len(_WORSE_ODDS))

    def __post_init__(self) -> None:
        if not self.low < self.threshold < self.high:
            raise ValueError(f"threshold must be between {self.low:g} and {self.high:g}, got {self.threshold:g}")
        if len(self.bets) != len(_WORSE_ODDS):
            self.bets = [0.0] * len(_WORSE_ODDS)

    @property
    def _expected(self) -> float:
        share = (self.threshold - self.low) / (self.high - self.low)
        return share if self.above else 1 - share

    def add(self, scores: Iterable[float]) -> float:
        """Take the scores in the order of their verdicts; return the evidence after the last one.

        A score outside ``low`` and ``high`` counts as the nearer of the two.
        """
        expected, width = self._expected, self.high - self.low
        stakes = [_stake(expected, odds) for odds in _WORSE_ODDS]
        for score in scores:
            share = (min(max(score, self.low), self.high) - self.low) / width
            surprise = (share if self.above else 1 - share) - expected
            for index, stake in enumerate(stakes):
                self.bets[index] = min((1 + self.bets[index]) * (1 + stake * surprise), _MOST)
        return self.value

    @property
    def value(self) -> float:
        """The evidence now; an alarm is due from ``ALARM`` on."""
        return sum(self.bets) / len(self.bets)

    @property
    def strength(self) -> float:
        """The evidence as a number between 0 (none) and 1 (an alarm is due) or more, on a scale of logarithms."""
        return max(0.0, log(max(self.value, 1.0)) / log(ALARM))

    def restart(self) -> None:
        """Forget the evidence: after an alarm was told, or the system has changed."""
        self.bets = [0.0] * len(_WORSE_ODDS)


def _stake(expected: float, odds: float) -> float:
    """What to bet so that a score of 0 or 1 pays the likelihood ratio of the worse rate to the expected one."""
    worse = odds * expected / (1 - expected + odds * expected)
    return (worse - expected) / (expected * (1 - expected))
