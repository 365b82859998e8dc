"""Every entry is handled once or given up once, in order and when it is due; putting one in never waits."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from otel_llm.background import threads
from otel_llm.background.worker import Worker

Make = Callable[..., "Handled"]


class Handled:
    """A worker, what it handled and what it gave up; it handles nothing while ``stuck``."""

    def __init__(self, **given: Any) -> None:
        self.entries: list[Any] = []
        self.given_up: list[Any] = []
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.finished = 0
        self.worker: Worker[Any] = Worker(
            "test", self._handle, **{"size": 1000, "give_up": self.given_up.append, "finish": self._finish, **given}
        )

    def _handle(self, entry: Any) -> None:
        if entry == "stuck":
            self.begun.set()
            assert self.go_on.wait(30)
        self.entries.append(entry)
        if callable(entry):
            entry()

    def _finish(self) -> None:
        self.finished += 1

    def stick(self) -> None:
        assert self.worker.put("stuck")
        assert self.begun.wait(30)


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Handled] = []

    def make(**given: Any) -> Handled:
        made.append(Handled(**given))
        return made[-1]

    yield make
    for one in made:
        one.go_on.set()
        one.worker.close(30)
        if one.worker._thread is not None:
            one.worker._thread.join(30)
            assert not one.worker._thread.is_alive()
        assert one.finished == 1
        assert one.worker.waiting == 0


def test_in_order_on_one_thread_of_its_own(make: Make) -> None:
    names: list[str] = []
    one = make()
    for _ in range(100):
        one.worker.put(lambda: names.append(threading.current_thread().name))
    assert one.worker.flush(30)
    assert names == ["otel-llm-test"] * 100
    assert threading.current_thread().name not in names


def test_an_entry_that_is_none_is_an_entry(make: Make) -> None:
    one = make()
    one.worker.put(None)
    assert one.worker.flush(30)
    assert one.entries == [None]


def test_not_before_it_is_due_and_not_before_those_before_it(make: Make) -> None:
    one = make()
    handled = threading.Event()
    due = time.monotonic() + 0.05
    one.worker.put(lambda: None, due)
    one.worker.put(handled.set)
    assert handled.wait(30)
    assert time.monotonic() >= due
    assert len(one.entries) == 2


def test_a_flush_hurries_what_is_there_and_not_what_comes_later(make: Make) -> None:
    one = make()
    one.worker.put("now", time.monotonic() + 3600)
    assert one.worker.flush(30)
    one.worker.put("later", time.monotonic() + 3600)
    assert one.entries == ["now"]
    assert one.worker.waiting == 1
    assert one.worker.close(30)
    assert one.entries == ["now", "later"]


def test_flush_tells_the_truth(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = make()
    assert one.worker.flush(0)  # there is nothing
    start = threads.start
    told: list[bool] = []

    def starting(*given: Any) -> threading.Thread:
        told.append(one.worker.flush(0))  # the thread is not there yet, and an entry is
        return start(*given)

    monkeypatch.setattr(threads, "start", starting)
    one.worker.put("first")
    assert told == [False]
    assert one.worker.flush(30)
    one.stick()
    one.worker.put("behind it")
    assert not one.worker.flush(0.01)
    one.go_on.set()
    assert one.worker.flush(30)
    assert one.entries == ["first", "stuck", "behind it"]


def test_a_flush_by_the_thread_itself_does_not_wait(make: Make) -> None:
    one = make()
    told: list[bool] = []
    one.worker.put(lambda: told.append(one.worker.flush(30)))
    assert one.worker.flush(30)
    assert told == [False]


def test_what_finds_no_room_is_counted(make: Make) -> None:
    one = make(size=2)
    one.stick()
    assert [one.worker.put(number) for number in range(4)] == [True, True, False, False]
    assert one.worker.dropped == 2
    one.go_on.set()
    assert one.worker.flush(30)
    assert one.entries == ["stuck", 0, 1]
    assert one.given_up == []


def test_a_close_in_time_handles_all(make: Make) -> None:
    one = make()
    for number in range(100):
        one.worker.put(number, time.monotonic() + 3600)
    assert one.worker.close(30)
    assert one.entries == list(range(100))
    assert one.finished == 1
    assert not one.worker.put("late")
    assert one.worker.dropped == 1
    assert one.worker.flush(30)
    assert one.worker.close(30)


def test_a_close_gives_up_what_is_not_begun_and_nothing_else(make: Make) -> None:
    one = make()
    one.stick()
    for number in range(3):
        one.worker.put(number)
    flushed: list[bool] = []
    flushing = threading.Thread(target=lambda: flushed.append(one.worker.flush(30)))
    flushing.start()
    while one.worker.waiting < 4:  # its mark is there
        time.sleep(0.001)
    assert not one.worker.close(0.01)
    flushing.join(30)
    assert flushed == [False]
    assert one.given_up == [0, 1, 2]
    assert one.worker.dropped == 3
    assert one.entries == []
    assert one.finished == 0
    one.go_on.set()
    assert one.worker.close(30)
    assert one.entries == ["stuck"]


def test_a_close_by_the_thread_itself_gives_up_the_rest(make: Make) -> None:
    one = make()
    told: list[bool] = []
    one.stick()
    one.worker.put(lambda: told.append(one.worker.close(30)))
    one.worker.put("rest")
    one.go_on.set()
    one.worker._thread.join(30)  # type: ignore[union-attr]
    assert told == [False]
    assert one.given_up == ["rest"]


def test_each_entry_has_one_fate_whenever_the_close_comes(make: Make) -> None:
    """Threads that put entries in while the worker closes."""
    for turn in range(12):
        one = make(size=10_000)
        numbers, refused, over = count(), [], threading.Event()

        def put(one: Handled = one, numbers: Any = numbers, refused: Any = refused, over: Any = over) -> None:
            while not over.is_set():
                number = next(numbers)
                if not one.worker.put(number):
                    refused.append(number)

        putting = [threading.Thread(target=put) for _ in range(3)]
        for thread in putting:
            thread.start()
        time.sleep(0.001 * turn)
        one.worker.close(0.0 if turn % 2 else 30)
        over.set()
        for thread in putting:
            thread.join(30)
        if one.worker._thread is not None:
            one.worker._thread.join(30)
        assert one.worker.waiting == 0
        assert sorted([*one.entries, *one.given_up, *refused]) == list(range(next(numbers)))


def test_an_error_or_an_exit_does_not_end_the_thread(make: Make, quiet: Any) -> None:
    one = make()

    def leave() -> None:
        raise SystemExit

    one.worker.put(lambda: 1 / 0)
    one.worker.put(leave)
    one.worker.put("after")
    assert one.worker.flush(30)
    assert one.entries[-1] == "after"
    assert [record.getMessage().split("; ")[0] for record in quiet.records] == [
        "otel-llm failed in test thread (ZeroDivisionError)",
        "otel-llm failed in test thread (SystemExit)",
    ]
    quiet.clear()


def test_a_pause_ends_when_it_is_closed(make: Make) -> None:
    one = make()
    begun = threading.Event()

    def pause() -> None:
        begun.set()
        one.worker.pause(3600)
        one.worker.pause(3600)

    one.worker.put(pause)
    assert begun.wait(30)
    assert one.worker.close(30)


def test_it_tidies_now_and_then(make: Make) -> None:
    tidied = threading.Event()
    one = make(tidy=tidied.set, tidy_interval=0.01)
    assert one.worker.start()
    assert not one.worker.start()
    assert tidied.wait(30)
    one.worker.put("entry")
    assert one.worker.flush(30)
    assert one.entries == ["entry"]


def test_where_no_thread_can_be_started(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*given: Any) -> threading.Thread:
        raise RuntimeError("can't start new thread")

    one, other = make(), make()
    with monkeypatch.context() as patch:
        patch.setattr(threads, "start", none)
        for made in (one, other):
            with pytest.raises(RuntimeError):
                made.worker.put("first")
            assert not made.worker.flush(30)
        assert one.worker.close(30)  # does it here
        assert one.entries == ["first"]
    other.worker.put("second")  # tries again
    assert other.worker.flush(30)
    assert other.entries == ["first", "second"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_starts_empty_with_a_thread_of_its_own(make: Make) -> None:
    one = make(size=1)
    one.stick()
    one.worker.put("parent")
    one.worker.put("dropped")
    child = os.fork()
    if not child:
        handled = threading.Event()
        empty = one.worker.waiting == one.worker.dropped == 0
        one.worker.put(handled.set)
        os._exit(0 if empty and handled.wait(30) and one.worker.flush(30) and one.worker.close(30) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    one.go_on.set()
    assert one.worker.flush(30)
    assert one.entries == ["stuck", "parent"]
