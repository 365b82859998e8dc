"""Rates and their intervals, against published values and by simulation."""

from __future__ import annotations

import numpy
import pytest

from otel_llm.evaluation.analysis.rates import Labelled, corrected_rate, rate

# Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I, method 3.
PUBLISHED = {
    (81, 263): (0.2553, 0.3662),
    (15, 148): (0.0624, 0.1605),
    (0, 20): (0.0, 0.1611),
    (1, 29): (0.0061, 0.1718),
}


@pytest.mark.parametrize(("counts", "interval"), PUBLISHED.items())
def test_intervals_are_the_published_ones(counts, interval):
    told = rate(*counts)
    assert (round(told.low, 4), round(told.high, 4)) == interval
    assert told.value == counts[0] / counts[1]


def test_the_interval_of_all_mirrors_that_of_none():
    none, everything = rate(0, 20), rate(20, 20)
    assert everything.high == 1
    assert everything.low == pytest.approx(1 - none.high)


@pytest.mark.parametrize("counts", [(0, 0), (3, 2), (-1, 2)])
def test_a_rate_of_nothing_is_no_rate(counts):
    with pytest.raises(ValueError, match="n >= 1"):
        rate(*counts)


def a_day(random, truth, n=1_000, sensitivity=0.85, specificity=0.95):
    """The verdicts of one day, and the labels of 50 flagged and 150 passed items."""
    bad = random.binomial(n, truth)
    found, alleged = random.binomial(bad, sensitivity), random.binomial(n - bad, 1 - specificity)

    def labelled(of_bad, of_good, most):
        chosen = min(most, of_bad + of_good)
        return Labelled(chosen, random.hypergeometric(of_bad, of_good, chosen) if chosen else 0)

    flagged = found + alleged
    return flagged, n, labelled(found, alleged, 50), labelled(bad - found, n - bad - alleged, 150)


def test_the_corrected_interval_covers_the_truth_and_the_judges_own_does_not():
    random, runs, covered, own = numpy.random.default_rng(7), 1_000, 0, 0
    for run in range(runs):
        truth = (0.02, 0.05, 0.1)[run % 3]
        flagged, n, *labels = a_day(random, truth)
        told = corrected_rate(flagged, n, *labels, draws=300)
        covered += told.low <= truth <= told.high
        reported = rate(flagged, n)
        own += reported.low <= truth <= reported.high
    assert covered / runs >= 0.94
    assert own / runs < 0.1


def test_without_labels_for_a_verdict_the_rate_is_not_known():
    assert corrected_rate(10, 100, Labelled(0, 0), Labelled(50, 1)) is None
    assert corrected_rate(10, 100, Labelled(5, 4), Labelled(0, 0)) is None
    assert corrected_rate(0, 100, Labelled(0, 0), Labelled(50, 1)) is not None


def test_the_same_labels_give_the_same_rate():
    told = [corrected_rate(90, 1_000, Labelled(50, 24), Labelled(150, 1)) for _ in range(2)]
    assert told[0] == told[1]
    assert told[0].value == pytest.approx(0.09 * 24 / 50 + 0.91 / 150)


def test_more_bad_items_than_labels_are_refused():
    with pytest.raises(ValueError, match="bad=3, labelled=2"):
        Labelled(2, 3)
