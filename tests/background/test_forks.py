"""A fork waits for locks, for a bounded time in all. In the child they are free, and threads start afresh."""

from __future__ import annotations

import gc
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader

from interpreter import python
from otel_llm.background import forks
from otel_llm.background.forks import ForkLock, ForkPolicy
from otel_llm.core.telemetry import Telemetry

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def elsewhere(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()


def is_free(lock: ForkLock) -> bool:
    taken: list[bool] = []
    elsewhere(lambda: taken.append(lock.lock.acquire(blocking=False)))
    return taken == [True]


class Busy:
    """A thread that holds a lock until it is over."""

    def __init__(self, *locks: object) -> None:
        self.over, self._taken = threading.Event(), threading.Event()
        self._locks = locks
        self._thread = threading.Thread(target=self._hold)
        self._thread.start()
        assert self._taken.wait(30)

    def _hold(self) -> None:
        for lock in self._locks:
            lock.acquire()  # type: ignore[attr-defined]
        self._taken.set()
        self.over.wait(30)
        for lock in self._locks:
            lock.release()  # type: ignore[attr-defined]

    def end(self) -> None:
        self.over.set()
        self._thread.join(30)


@pytest.fixture
def policy() -> Iterator[ForkPolicy]:
    policy = ForkPolicy(patience=0.01)
    yield policy
    assert not policy._held
    assert not policy._served


def child(policy: ForkPolicy, check: Callable[[], bool]) -> int:
    """The exit code of a child that is forked under ``policy``: 0 if ``check`` holds there."""
    policy.before()
    pid = os.fork()
    if not pid:
        policy.after_in_child()
        os._exit(0 if check() else 1)
    policy.after_in_parent()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_fork_that_gave_up_leaves_the_lock_to_another_that_has_it(policy: ForkPolicy) -> None:
    lock = ForkLock(policy)
    policy.before()
    elsewhere(lambda: (policy.before(), policy.after_in_parent()))
    assert not is_free(lock)
    policy.after_in_parent()
    assert is_free(lock)


def test_a_fork_that_gave_up_does_not_let_go(policy: ForkPolicy) -> None:
    lock = ForkLock(policy)
    with lock.lock:
        elsewhere(lambda: (policy.before(), policy.after_in_parent()))
        assert not is_free(lock)
    assert is_free(lock)


def test_the_patience_is_for_all_locks_together() -> None:
    policy = ForkPolicy(patience=0.5)
    locks = [ForkLock(policy) for _ in range(20)]
    free = ForkLock(policy)
    busy = Busy(*(lock.lock for lock in locks))
    began = time.monotonic()
    policy.before()
    assert time.monotonic() - began < 5  # each for itself would be ten seconds
    assert not is_free(free)  # what is free is held even when the patience is over
    policy.after_in_parent()
    assert is_free(free)
    busy.end()


@needs_fork
def test_they_are_free_in_a_child_and_in_the_parent(policy: ForkPolicy) -> None:
    waited_for, in_hand = ForkLock(policy), ForkLock(policy)
    busy = Busy(in_hand.lock)
    with waited_for.lock:  # by the thread that forks itself
        assert child(policy, lambda: is_free(waited_for) and is_free(in_hand)) == 0
    assert is_free(waited_for)
    busy.end()
    assert is_free(in_hand)


@needs_fork
def test_another_librarys_lock_is_held_and_let_go_in_both(policy: ForkPolicy) -> None:
    class Owner:
        lock = threading.Lock()

    class Nothing:
        lock = None

    owners = [Owner(), Owner(), Nothing()]  # a lock that owners share is taken once
    for owner in owners:
        policy.add_foreign_lock(owner, lambda owner: owner.lock)
        policy.add_foreign_lock(owner, lambda owner: owner.lock)
    policy.before()
    assert Owner.lock.locked()
    policy.after_in_parent()
    assert not Owner.lock.locked()
    assert child(policy, lambda: not Owner.lock.locked()) == 0
    busy = Busy(Owner.lock)
    policy.before()
    policy.after_in_parent()
    assert Owner.lock.locked()  # it is the other thread's
    busy.end()
    assert not Owner.lock.locked()


@needs_fork
def test_members_start_afresh_in_a_child_even_if_one_fails(policy: ForkPolicy) -> None:
    class Member:
        def __init__(self, fails: bool) -> None:
            self.fails, self.afresh = fails, False

        def start_afresh(self) -> None:
            assert not self.fails
            self.afresh = True

    members = [Member(False), Member(True), Member(False)]
    for member in members:
        policy.add(member)
    assert child(policy, lambda: [member.afresh for member in members] == [True, False, True]) == 0
    assert not any(member.afresh for member in members)


def test_work_stands_back_for_a_fork_that_waits() -> None:
    """One that takes its lock again and again would else be faster than the fork, each time."""
    policy = ForkPolicy(patience=30)
    lock = ForkLock(policy)
    over = threading.Event()
    rounds: list[None] = []

    def work() -> None:
        while not over.is_set():
            with lock.lock:
                rounds.append(None)
            policy.stand_back()

    thread = threading.Thread(target=work)
    thread.start()
    while not rounds:
        time.sleep(0.001)
    began = time.monotonic()
    for _ in range(100):
        policy.before()
        policy.after_in_parent()
    assert time.monotonic() - began < 25
    over.set()
    thread.join(30)


def test_the_thread_that_forks_does_not_stand_back_for_itself() -> None:
    policy = ForkPolicy(patience=30)
    policy.before()
    began = time.monotonic()
    policy.stand_back()
    assert time.monotonic() - began < 25
    policy.after_in_parent()


def test_none_is_kept() -> None:
    gc.collect()
    known = len(list(forks.SHARED._locks))
    for _ in range(3):
        ForkLock()
    gc.collect()
    assert len(list(forks.SHARED._locks)) == known


class Reader(MetricReader):
    def _receive_metrics(self, metrics_data: Any, timeout_millis: float = 0, **kwargs: Any) -> None:
        """They are not looked at."""

    def shutdown(self, timeout_millis: float = 0, **kwargs: Any) -> None:
        """Nothing to shut down."""


@needs_fork
def test_a_child_that_was_forked_during_a_collection_can_collect() -> None:
    reader, begun = Reader(), threading.Event()
    meters = MeterProvider([reader])
    telemetry = Telemetry("otel_llm.test", meter_provider=meters)
    assert telemetry.measured

    def slow(options: object) -> list[Observation]:
        begun.set()
        time.sleep(0.05)  # in the SDK's lock
        return []

    meters.get_meter("application").create_observable_gauge("slow", [slow])
    collecting = threading.Thread(target=reader.collect)
    collecting.start()
    assert begun.wait(30)
    pid = os.fork()
    if not pid:
        again = threading.Thread(target=reader.collect, daemon=True)
        again.start()
        again.join(30)
        os._exit(again.is_alive())
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    collecting.join(30)


@needs_fork
@pytest.mark.parametrize("collecting", ["garbage", "metrics"])
def test_children_of_a_busy_program_call_and_end(collecting: str, tmp_path: Path) -> None:
    """Nothing of ours hangs. A child that the SDK's own locks keep is not ours to save."""
    program = Path(__file__).with_name("forking.py")
    told = json.loads(python("-W", "ignore", program, collecting, "20", tmp_path).stdout)
    ours = [stacks for stacks in told["hung"] if is_ours(stacks)]
    assert not ours, "\n".join(ours)
    assert told["slowest_fork"] < 5  # it has 0.2 seconds, and two processors for many threads


def is_ours(stacks: str) -> bool:
    """Whether the main thread of a child that hangs, the last of the stacks, is in our code, or waits there."""
    main = stacks.rpartition("\n\n")[2]
    frames = re.findall(r'File "([^"]+)"', main)
    return "otel_llm" in next((path for path in frames if "site-packages" in path or "otel_llm" in path), "")


def test_whose_a_stack_is() -> None:
    sdk = 'Thread 1:\n  File "/site-packages/opentelemetry/sdk/x.py", line 1\n  File "/src/otel_llm/a.py", line 1\n'
    ours = 'Thread 1:\n  File "/lib/threading.py", line 1 in wait\n  File "/src/otel_llm/a.py", line 1\n'
    assert [is_ours(stacks) for stacks in (sdk, ours, f"{ours}\n{sdk}", f"{sdk}\n{ours}")] == [False, True, False, True]
