"""Evidence for alarms, on simulated verdicts."""

from __future__ import annotations

from random import Random
from statistics import median

import pytest

from otel_llm.evaluation.analysis.evidence import ALARM, Evidence

HOUR = 30  # verdicts
DAY = 24 * HOUR


def verdicts(random, rate, n):
    return [random.random() < rate for _ in range(n)]


def alarms(evidence, scores, look=HOUR):
    """How often an alarm rings if somebody looks every `look` verdicts, and restarts it after one."""
    rung = 0
    for start in range(0, len(scores), look):
        if evidence.add(scores[start : start + look]) >= ALARM:
            rung += 1
            evidence.restart()
    return rung


def until_alarm(evidence, scores):
    for hour, start in enumerate(range(0, len(scores), HOUR), 1):
        if evidence.add(scores[start : start + HOUR]) >= ALARM:
            return hour
    return len(scores)


def test_at_most_one_false_alarm_a_year():
    random = Random(3)
    assert alarms(Evidence(0.05), verdicts(random, 0.03, 365 * DAY)) <= 1


def test_right_at_the_threshold_alarms_are_as_rare_as_promised():
    random = Random(4)
    scores = verdicts(random, 0.05, 40 * int(ALARM))
    assert alarms(Evidence(0.05), scores, look=1) <= 40


def test_three_times_the_threshold_is_found_within_three_hours_after_a_good_month():
    random = Random(5)
    month = Evidence(0.05)
    month.add(verdicts(random, 0.02, 30 * DAY))

    def hours():
        return until_alarm(Evidence(0.05, bets=list(month.bets)), verdicts(random, 0.15, DAY))

    assert median(hours() for _ in range(200)) <= 3


def test_a_collapse_rings_at_once():
    assert Evidence(0.05).add([True] * 7) >= ALARM


def test_low_scores_are_worse_where_high_is_good():
    random = Random(6)
    steady = [random.choice((3, 4, 5)) for _ in range(30 * DAY)]  # a mean of 4
    falling = [random.choice((1, 2, 3, 4)) for _ in range(DAY)]  # a mean of 2.5
    evidence = Evidence(3.5, above=False, low=1, high=5)
    assert alarms(evidence, steady) == 0
    assert until_alarm(evidence, falling) <= 3


def test_it_goes_on_in_another_process():
    random = Random(8)
    scores = verdicts(random, 0.1, 200)
    whole, first = Evidence(0.05), Evidence(0.05)
    whole.add(scores)
    first.add(scores[:90])
    second = Evidence(0.05, bets=list(first.bets))
    second.add(scores[90:])
    assert second.value == whole.value


def test_it_stays_finite_and_starts_anew():
    evidence = Evidence(0.05)
    assert evidence.strength == 0
    evidence.add([True] * 10_000)
    assert evidence.strength < 10
    evidence.restart()
    assert evidence.value == 0


def test_scores_outside_the_scale_count_as_its_ends():
    inside, outside = Evidence(3.5, above=False, low=1, high=5), Evidence(3.5, above=False, low=1, high=5)
    assert inside.add([1, 5]) == outside.add([-4, 50])


@pytest.mark.parametrize("threshold", [0, 1, 7])
def test_a_threshold_that_nothing_can_pass_is_refused(threshold):
    with pytest.raises(ValueError, match="between 0 and 1"):
        Evidence(threshold)
