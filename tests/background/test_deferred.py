"""What waits until the caller has gone on is done soon, once, and before metrics are read; no caller waits for it."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import otel_llm
from interpreter import python
from otel_llm.background import deferred, threads

CHAT: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}


class Held:
    """Work that lasts until the test lets it go."""

    def __init__(self) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.begun.set()
        assert self.let_go.wait(30)


@pytest.fixture
def held() -> Iterator[Held]:
    """The thread is kept busy."""
    held = Held()
    deferred.do(held)
    assert held.begun.wait(30)
    yield held
    held.let_go.set()
    deferred.catch_up()


def test_a_call_does_not_wait_for_its_records(recorder: Any, client: Any, held: Held) -> None:
    client.chat.completions.create(**CHAT)
    assert recorder.span.name == "chat gpt-4o-mini"
    assert not held.let_go.is_set()
    threading.Timer(0.1, held.let_go.set).start()
    (point,) = recorder.points("gen_ai.client.operation.duration")  # waits for what the thread is at
    assert point.count == 1


def test_it_is_done_without_being_asked_for() -> None:
    done = threading.Event()
    for _ in range(2):  # asleep, and woken again
        deferred.do(done.set)
        assert done.wait(30)
        done.clear()


def test_records_tell_of_their_time_and_span(recorder: Any, client: Any) -> None:
    client.chat.completions.create(**CHAT)
    (point,) = recorder.points("gen_ai.client.operation.duration")
    (exemplar,) = point.exemplars
    assert (exemplar.trace_id, exemplar.span_id) == (recorder.span.context.trace_id, recorder.span.context.span_id)


def test_with_too_much_waiting_the_caller_does_it(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferred, "MAX_WAITING", 2)
    done: list[tuple[int, int]] = []
    for number in range(4):
        deferred.do(lambda number: done.append((number, threading.get_ident())), number)
    here = threading.get_ident()
    assert done == [(2, here), (3, here)]
    held.let_go.set()
    deferred.catch_up()
    assert [number for number, _ in done] == [2, 3, 0, 1]


def test_with_no_progress_it_is_dropped_and_counted(
    new: deferred.Deferred, monkeypatch: pytest.MonkeyPatch, quiet: Any
) -> None:
    """A caller that recorded its own metrics would be stuck in the SDK as the thread is."""
    held, done = Held(), []
    new.do(held)
    assert held.begun.wait(30)
    monkeypatch.setattr(deferred, "MAX_WAITING", 2)
    monkeypatch.setattr(deferred, "STALLED", 0.0)
    for number in range(4):
        new.do(done.append, number)
    assert done == []
    assert new.dropped == 2
    (record,) = quiet.records
    assert "the SDK does not answer" in record.getMessage()
    quiet.clear()
    assert not new.catch_up(0.01)  # nobody waits for it for ever
    held.let_go.set()
    assert new.catch_up()
    assert done == [0, 1]


def test_where_no_thread_can_be_started_the_caller_does_it(
    new: deferred.Deferred, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*given: Any) -> threading.Thread:
        raise RuntimeError("can't start new thread at interpreter shutdown")

    monkeypatch.setattr(threads, "start", none)
    done: list[int] = []
    for number in range(2):
        new.do(done.append, number)
    assert done == [0, 1]


def test_what_fails_does_not_keep_the_rest(quiet: Any) -> None:
    done = threading.Event()
    deferred.do(int, "words of a prompt")
    deferred.do(done.set)
    deferred.catch_up()
    assert done.is_set()
    (record,) = quiet.records
    assert "otel-llm failed in deferred work" in record.getMessage()
    assert "words" not in record.getMessage()
    quiet.clear()


def test_work_may_ask_for_more_and_for_the_rest() -> None:
    """As a finalizer does that happens to run in the thread."""
    done: list[str] = []

    def work() -> None:
        deferred.do(done.append, "more")
        deferred.catch_up()
        done.append("work")

    deferred.do(work)
    deferred.do(done.append, "rest")
    deferred.catch_up()
    assert sorted(done) == ["more", "rest", "work"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_has_a_thread_of_its_own_and_none_of_the_parents_work(held: Held) -> None:
    read, write = os.pipe()
    deferred.do(os.write, write, b"parent ")
    child = os.fork()
    if not child:
        done = threading.Event()
        deferred.do(os.write, write, b"child ")
        deferred.do(done.set)
        os._exit(0 if done.wait(30) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    held.let_go.set()
    deferred.catch_up()
    os.close(write)
    with os.fdopen(read) as written:
        assert written.read() == "child parent "


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_finds_no_lock_taken_by_work_that_was_in_hand() -> None:
    lock, begun = threading.Lock(), threading.Event()  # as the SDK's, and its being held when a fork comes

    def work() -> None:
        with lock:
            begun.set()
            time.sleep(0.1)

    deferred.do(work)
    assert begun.wait(30)
    child = os.fork()
    if not child:
        os._exit(0 if lock.acquire(blocking=False) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    deferred.do(begun.clear)  # the parent goes on
    deferred.catch_up()
    assert not begun.is_set()


@pytest.fixture
def new() -> Iterator[deferred.Deferred]:
    """One that has no thread yet."""
    new = deferred.Deferred()
    yield new
    atexit.unregister(new.catch_up)
    assert new._worker.close(30)


def test_callers_that_come_first_at_once_start_one_thread(
    new: deferred.Deferred, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, started = threads.start, []

    def starting(*given: Any) -> threading.Thread:
        started.append(given)
        if len(started) < 9:
            new._rouse()  # by another, who has seen it asleep too
        return start(*given)

    monkeypatch.setattr(threads, "start", starting)
    new.do(int)
    assert len(started) == 1


def test_the_thread_keeps_no_context(new: deferred.Deferred) -> None:
    """Threading instrumentations run a thread in the context of its start: that of whichever call came first."""
    from opentelemetry import context

    seen: list[object] = []
    start = threading.Thread.start

    def instrumented(thread: threading.Thread) -> None:
        seen.append(context.get_value("request"))
        start(thread)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", instrumented)
        token = context.attach(context.set_value("request", "of a user"))
        new.do(int)
        context.detach(token)
    assert seen == [None]


PROGRAM = """
import threading
import openai, otel_llm
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader

otel_llm.instrument("openai")
client = openai.OpenAI()
def call():
    client.embeddings.create(model="e", input="x")
call()
assert threading.active_count() == 1, "a thread, and nobody to read metrics"
metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(ConsoleMetricExporter())]))
call()
"""


def test_a_program_that_ends_at_once_loses_nothing(server: Any) -> None:
    told = python("-c", PROGRAM, OPENAI_BASE_URL=server.base_url, OPENAI_API_KEY="x")
    assert "gen_ai.client.operation.duration" in told.stdout
    assert "gen_ai.client.token.usage" in told.stdout
    assert told.stderr == ""


def test_each_reader_is_given_all(recorder: Any, client: Any) -> None:
    readers = [InMemoryMetricReader(), InMemoryMetricReader()]
    otel_llm.uninstrument()
    otel_llm.instrument("openai", meter_provider=MeterProvider(readers))
    client.chat.completions.create(**CHAT)
    for reader in readers:
        names = {
            metric.name
            for resource in reader.get_metrics_data().resource_metrics  # type: ignore[union-attr]
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }
        assert {"gen_ai.client.operation.duration", "gen_ai.client.token.usage"} <= names


def test_a_clock_that_the_application_replaces_is_not_ours(
    recorder: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests of an application count the calls of ``time.sleep``, or give a few values of ``time.monotonic``."""
    real = {name: getattr(time, name) for name in ("sleep", "monotonic", "time", "time_ns", "perf_counter")}
    asked_by_us: list[str] = []

    def standing_in(name: str) -> Any:
        def stand_in(*args: Any) -> Any:
            module = str(sys._getframe(1).f_globals.get("__name__"))
            if module.startswith("otel_llm"):
                asked_by_us.append(f"{name} by {module}")
            return real[name](*args)

        return stand_in

    for name in real:
        monkeypatch.setattr(time, name, standing_in(name))
    for _ in range(3):
        client.chat.completions.create(**CHAT)
    for _ in range(200):
        deferred.do(int)
    assert deferred.catch_up()
    assert otel_llm.flush(30)
    assert asked_by_us == []
