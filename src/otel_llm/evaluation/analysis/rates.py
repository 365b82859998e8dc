"""Rates with intervals: as a judge reports them, and corrected for the judge's errors by human labels."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from random import Random
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class Rate:
    """A share between 0 and 1 with its interval, of ``n`` verdicts."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.1%} ({self.low:.1%} to {self.high:.1%}, n={self.n})"


def rate(hits: int, n: int, confidence: float = 0.95) -> Rate:
    """The share ``hits / n`` with Wilson's score interval, which holds for few verdicts and for rates near 0 too.

    Raises ``ValueError`` if ``n`` is 0 (the rate is unknown then, not 0) or ``hits`` is not between 0 and ``n``.
    """
    if n < 1 or not 0 <= hits <= n:
        raise ValueError(f"a rate needs 0 <= hits <= n and n >= 1, got hits={hits}, n={n}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, scale = hits / n, 1 + z * z / n
    middle = (share + z * z / (2 * n)) / scale
    half = z / scale * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At the ends the interval touches 0 and 1; rounding must not move it past the share itself.
    return Rate(share, min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)), n)


@dataclass(frozen=True, slots=True)
class Labelled:
    """The items of one verdict that people have labelled: how many there are, and how many of these are bad."""

    labelled: int
    bad: int

    def __post_init__(self) -> None:
        if not 0 <= self.bad <= self.labelled:
            raise ValueError(f"bad must be between 0 and labelled, got bad={self.bad}, labelled={self.labelled}")


def corrected_rate(
    flagged: int, n: int, among_flagged: Labelled, among_passed: Labelled, confidence: float = 0.95, draws: int = 4_000
) -> Rate | None:
    """The share of bad items among ``n``, of which the judge flagged ``flagged``, corrected for the judge's errors.

    People label some of the flagged items and some of the passed ones; each share is drawn from its Beta distribution
    (Jeffreys' prior), and the two are weighted by how often the judge says each verdict. A judge that finds 85 % of
    the bad items and clears 95 % of the good ones reports 9 % where 5 % are bad; this does not. Returns ``None`` if a
    verdict that the judge gave has no labels: the rate is not known then. Equal input gives an equal result.
    """
    passed = n - flagged
    if n < 1 or passed < 0:
        raise ValueError(f"a rate needs 0 <= flagged <= n and n >= 1, got flagged={flagged}, n={n}")
    if (flagged and not among_flagged.labelled) or (passed and not among_passed.labelled):
        return None
    random = Random(0)

    def drawn(bad: int, of: int) -> float:
        return random.betavariate(bad + 0.5, of - bad + 0.5)

    def share_of_bad(strata: Labelled) -> float:
        return drawn(strata.bad, strata.labelled) if strata.labelled else 0.0

    rates = []
    for _ in range(draws):
        share = drawn(flagged, n)
        rates.append(share * share_of_bad(among_flagged) + (1 - share) * share_of_bad(among_passed))
    rates.sort()
    tail = int(draws * (1 - confidence) / 2)

    def observed(strata: Labelled) -> float:
        return strata.bad / strata.labelled if strata.labelled else 0.0

    value = (flagged * observed(among_flagged) + passed * observed(among_passed)) / n
    return Rate(value, min(value, rates[tail]), max(value, rates[-1 - tail]), n)
