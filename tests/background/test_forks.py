"""A lock that is held for a fork is let go by the thread that has it, and free in the child."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable

import pytest

from otel_llm.background import forks
from otel_llm.background.forks import ForkLock


def elsewhere(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()


def is_free(lock: ForkLock) -> bool:
    taken: list[bool] = []
    elsewhere(lambda: taken.append(lock.lock.acquire(blocking=False)))
    return taken == [True]


def test_a_fork_that_gave_up_leaves_the_lock_to_another_that_has_it() -> None:
    lock = ForkLock(patience=0.01)
    lock.hold()
    elsewhere(lambda: (lock.hold(), lock.let_go()))
    assert not is_free(lock)
    lock.let_go()
    assert is_free(lock)


def test_a_fork_that_gave_up_does_not_let_go() -> None:
    lock = ForkLock(patience=0.01)
    with lock.lock:
        elsewhere(lambda: (lock.hold(), lock.let_go()))
        assert not is_free(lock)
    assert is_free(lock)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it_is_free_in_a_child_and_in_the_parent() -> None:
    waited_for, in_hand = ForkLock(), ForkLock(patience=0.01)
    taken, over = threading.Event(), threading.Event()

    def work() -> None:
        with in_hand.lock:
            taken.set()
            over.wait(30)

    thread = threading.Thread(target=work)
    thread.start()
    assert taken.wait(30)
    with waited_for.lock:  # of the thread that forks itself
        child = os.fork()
    if not child:
        os._exit(0 if is_free(waited_for) and is_free(in_hand) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert is_free(waited_for)
    over.set()
    thread.join(30)
    assert is_free(in_hand)


def test_none_is_kept() -> None:
    gc.collect()
    known = len(forks._locks)
    for _ in range(3):
        ForkLock()
    gc.collect()
    assert len(forks._locks) == known
