"""The budget of judges: never exceeded, whatever happens between the reservation and the settlement."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from otel_llm.evaluation.worker.budget import Budget, Limit

NOON = datetime(2026, 11, 28, 12, 30, tzinfo=UTC)  # a Saturday


def test_it_is_never_exceeded_in_ten_thousand_calls(tmp_path: Path) -> None:
    budget, random = Budget(tmp_path / "d.db", Limit(5.0, "USD", "day")), Random(5)
    paid, refused, open_ones = Decimal(0), 0, []
    for _ in range(10_000):
        worst = random.uniform(0.0001, 0.02)
        reserved = budget.reserve(worst, NOON)
        if reserved is None:
            refused += 1
        else:
            open_ones.append((reserved, worst))
        while len(open_ones) > 8:
            reservation, worst = open_ones.pop(random.randrange(len(open_ones)))
            actual = worst * random.random()
            paid += Decimal(actual)
            budget.settle(reservation, actual)
        assert paid + sum(Decimal(worst) for _, worst in open_ones) <= 5
    assert refused > 5_000
    assert paid > Decimal("4.9")


def test_two_workers_can_not_both_take_the_rest(tmp_path: Path) -> None:
    def take(_: int) -> str | None:
        budget = Budget(tmp_path / "d.db", Limit(1.0, "USD", "day"))
        try:
            return budget.reserve(0.4, NOON)
        finally:
            budget.close()

    take(0)
    with ThreadPoolExecutor(8) as pool:
        taken = [one for one in pool.map(take, range(8)) if one is not None]
    assert len(taken) == 1


def test_what_a_killed_worker_had_reserved_stays_spent(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    code = (
        "import os, sys\n"
        "from otel_llm.evaluation.worker.budget import Budget, Limit\n"
        "assert Budget(sys.argv[1], Limit(1.0, 'USD', 'day')).reserve(0.75)\n"
        "os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, path], timeout=60, check=False).returncode == 9
    budget = Budget(path, Limit(1.0, "USD", "day"))
    assert budget.reserve(0.5) is None
    assert budget.reserve(0.25) is not None
    assert budget.spent() == 1.0


def test_an_unknown_cost_keeps_its_reservation_and_no_call_gives_it_back(tmp_path: Path) -> None:
    budget = Budget(tmp_path / "d.db", Limit(1.0, "USD", "day"))
    for amount, left in ((None, 0.9), (0, 0.9), (0.02, 0.92)):
        reservation = budget.reserve(0.9, NOON) or budget.reserve(0.02, NOON)
        assert reservation is not None
        budget.settle(reservation, amount)
        assert budget.spent(NOON) == pytest.approx(left)


def test_each_period_and_each_currency_has_its_own_account(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    for period, same, later in (
        ("hour", NOON.replace(minute=59), NOON.replace(hour=13)),
        ("day", NOON.replace(hour=23), NOON.replace(day=29)),
        ("week", NOON.replace(day=29), NOON.replace(day=30)),
        ("month", NOON.replace(day=1), NOON.replace(month=12)),
    ):
        budget = Budget(path, Limit(1.0, "USD", period))
        assert budget.reserve(0.9, NOON) is not None
        assert budget.reserve(0.9, same) is None
        assert budget.reserve(0.9, later) is not None
        assert Budget(path, Limit(1.0, "EUR", period)).reserve(0.9, NOON) is not None


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("5/day", Limit(5.0, "USD", "day")),
        (" 0.5 eur / hour", Limit(0.5, "EUR", "hour")),
        ("0/week", Limit(0.0, "USD", "week")),
    ],
)
def test_limits_are_read(text: str, limit: Limit) -> None:
    assert Limit.parse(text) == limit


@pytest.mark.parametrize("text", ["5", "5/year", "-5/day", "five/day", "5 dollars/day", "inf/day", ""])
def test_what_is_no_limit_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is no budget such as 5/day"):
        Limit.parse(text)
