"""Leases: one worker at a time, also if one was killed, and an end for items that fail each time."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from otel_llm.evaluation.worker.leases import Leases


def test_one_of_many_workers_has_an_item(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    workers = [Leases(path) for _ in range(8)]
    workers[0].release("made the tables")
    with ThreadPoolExecutor(8) as pool:
        for number in range(20):
            assert sum(pool.map(lambda worker, item=f"i{number}": worker.take(item), workers)) == 1


def test_an_item_that_is_released_can_be_taken_by_others_and_only_its_owner_releases_it(tmp_path: Path) -> None:
    first, second = Leases(tmp_path / "d.db"), Leases(tmp_path / "d.db")
    assert first.take("a")
    second.release("a")
    second.put_off("a", 0)
    assert not second.take("a")
    first.release("a")
    assert second.take("a")


def test_the_lease_of_a_killed_worker_ends_at_once(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from otel_llm.evaluation.worker.leases import Leases\n"
        "assert Leases(sys.argv[1]).take('a')\n"
        "os._exit(9)\n"
    )
    path = tmp_path / "d.db"
    assert subprocess.run([sys.executable, "-c", code, path], timeout=60, check=False).returncode == 9
    assert Leases(path).take("a")


def test_a_lease_ends_after_its_time(tmp_path: Path) -> None:
    first, second = Leases(tmp_path / "d.db", seconds=0), Leases(tmp_path / "d.db")
    assert first.take("a")
    assert second.take("a")


def test_an_item_that_fails_each_time_is_dead_until_it_is_revived(tmp_path: Path) -> None:
    leases = Leases(tmp_path / "d.db", attempts=2)
    for _ in range(2):
        assert leases.dead() == []
        assert leases.take("a")
        leases.put_off("a", 0)
    assert leases.dead() == ["a"]
    assert not leases.take("a")
    assert leases.revive() == 1
    assert leases.take("a")


def test_an_item_that_kills_its_workers_is_dead(tmp_path: Path) -> None:
    leases = Leases(tmp_path / "d.db", attempts=2, seconds=0)  # each lease ends without a word
    assert [leases.take("a") for _ in range(4)] == [True, True, False, False]
    assert leases.dead() == ["a"]


def test_an_item_that_is_put_off_waits(tmp_path: Path) -> None:
    leases = Leases(tmp_path / "d.db")
    assert leases.take("a")
    leases.put_off("a", 60)
    assert not leases.take("a")


def test_an_item_that_is_dead_for_some_evaluators_is_not_for_others(tmp_path: Path) -> None:
    leases, other = Leases(tmp_path / "d.db", attempts=1), Leases(tmp_path / "d.db")
    assert leases.take("a", "tone@1")
    assert not other.take("a", "tone@2")  # it is in work
    leases.put_off("a", 60)
    assert leases.dead() == ["a"]
    assert not other.take("a", "tone@1")
    assert other.take("a", "tone@2")
