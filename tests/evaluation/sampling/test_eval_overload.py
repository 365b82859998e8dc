"""More than the sampler can keep: what is given up is counted, memory is bounded, and the application never waits."""

from __future__ import annotations

import gc
import threading
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from evaluating import Evaluated, StuckSink, balanced, empty, until
from opentelemetry import trace

from otel_llm.evaluation import Limits

Make = Callable[..., Evaluated]


def test_a_stuck_sink_never_blocks_the_application(evaluated: Make, quiet: pytest.LogCaptureFixture) -> None:
    sink = StuckSink()
    made = evaluated(1.0, sink=sink, limits=Limits(queue=10), exported=False, shutdown_timeout=0.2)
    made.chat()
    assert sink.entered.wait(20)
    assert any("evaluation" in thread.name for thread in threading.enumerate())  # whose it is, in a dump of them
    for _ in range(100):
        made.chat()  # would wait for ever if it waited for the sink
    accounts = made.accounts
    assert accounts.sampled == 101
    assert accounts.pending == 11
    assert accounts.dropped_by == {"queue_full": 90}
    assert not made.sampler.force_flush(50)
    made.provider.shutdown()
    assert made.accounts.dropped_by == {"queue_full": 90, "shutdown": 10}
    assert made.accounts.pending == 1  # the sink has it
    balanced(made)
    (said,) = [record.getMessage() for record in quiet.records]
    lost = "90 (queue_full), 10 (shutdown), 1 (still being stored)"
    assert said == f"of the traces sampled for evaluation, these were not stored: {lost}"
    sink.open.set()
    until(lambda: not made.sampler._books.worker._thread.is_alive())  # type: ignore[union-attr]
    assert made.accounts.stored == len(sink.items) == 1
    assert made.accounts.pending == 0
    assert made.accounts.dropped == 100
    balanced(made)
    empty(made)
    quiet.clear()


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(queue=100), "queue_full"),
        (Limits(traces=100), "traces"),
        (Limits(bytes=300_000), "memory"),
    ],
)
def test_memory_is_bounded_at_ten_times_the_load(
    limits: Limits, reason: str, evaluated: Make, quiet: pytest.LogCaptureFixture
) -> None:
    """More than the sampler has room for, ten times, while the sink does not come back."""
    sink = StuckSink()
    made = evaluated(1.0, sink=sink, limits=limits, exported=False, shutdown_timeout=0.1)
    words = "word " * 400

    def load(traces: int) -> None:
        for _ in range(traces):
            made.chat(gen_ai__output__messages=words + str(time.monotonic_ns()))

    load(1)
    assert sink.entered.wait(20)
    load(200)
    gc.collect()
    tracemalloc.start()
    try:
        load(1000)
        gc.collect()
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 200_000, "ten times the load took ten times the memory"
    assert made.sampler._books.traces.bytes <= limits.bytes
    accounts = made.accounts
    assert accounts.offered == accounts.sampled == 1201
    assert accounts.dropped_by.keys() == {reason}
    assert accounts.dropped + accounts.pending == 1201
    balanced(made)
    sink.open.set()
    made.flushed()
    assert made.accounts.stored == len(sink.items) == 1201 - accounts.dropped
    empty(made)
    made.provider.shutdown()
    quiet.clear()


def test_a_trace_without_room_in_memory_is_dropped_and_the_next_has_room(
    evaluated: Make, quiet: pytest.LogCaptureFixture
) -> None:
    made = evaluated(1.0, limits=Limits(bytes=50_000), exported=False)
    made.chat(gen_ai__output__messages="word " * 20_000)
    made.chat(gen_ai__output__messages="word " * 1000)
    assert made.item["spans"] == 2
    assert made.accounts.dropped_by == {"memory": 1}
    balanced(made)
    empty(made)
    made.provider.shutdown()
    assert "1 (memory)" in quiet.text
    quiet.clear()


@pytest.mark.parametrize(
    "value",
    ["x" * 2_000_000, "é" * 1_100_000, b"x" * 2_000_000, ["x" * 1000] * 2000, {"a": {"b": ["x" * 2_000_000]}}],
    ids=["text", "other text", "bytes", "list", "nested"],
)
def test_whatever_is_on_a_span_counts_for_its_memory(value: Any, evaluated: Make) -> None:
    made = evaluated(1.0, limits=Limits(trace_bytes=1_000_000), exported=False)
    with made.tracer.start_as_current_span("request"):
        made.call(long=value)
        made.call()
    assert (made.item["spans"], made.item["spans_left_out"]) == (2, 1)


def test_of_an_error_only_is_kept_that_it_was_one(evaluated: Make) -> None:
    made = evaluated(1.0, grace=3600.0, exported=False)
    tracemalloc.start()
    try:
        with made.tracer.start_as_current_span("chat m", attributes={"gen_ai.operation.name": "chat"}) as span:
            span.set_status(trace.Status(trace.StatusCode.ERROR, str(time.monotonic()) * 500_000))
        del span
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1_000_000
    assert made.item["error_type"] == "_OTHER"


def test_local_roots_that_never_end_are_forgotten(evaluated: Make) -> None:
    made = evaluated(1.0, limits=Limits(age=0.05))
    roots = [made.tracer.start_span("stream") for _ in range(20)]
    for root in roots:
        with trace.use_span(root):
            made.call()
    assert len(made.sampler._books.traces) == 20
    until(lambda: len(made.sampler._books.traces) == 0)
    assert made.sampler._books.traces.bytes == 0
    assert made.accounts.offered == 0
    for root in roots:
        root.end()
    made.flushed()
    assert made.accounts.dropped_by == {"age": 20}
    balanced(made)
    empty(made)
    made.sampler._books.ledger._dropped.clear()  # the warning at shutdown has its own test


def test_what_is_too_old_is_looked_for_ten_times_in_an_age(evaluated: Make) -> None:
    made = evaluated(1.0, limits=Limits(age=0.5))
    root = made.tracer.start_span("stream")
    until(lambda: len(made.sampler._books.traces) == 0, seconds=4)
    root.end()
    until(lambda: made.accounts.dropped_by == {"age": 1})
    made.sampler._books.ledger._dropped.clear()  # the warning at shutdown has its own test


def test_the_rate_limit(evaluated: Make, quiet: pytest.LogCaptureFixture) -> None:
    made = evaluated(1.0, max_per_minute=6)
    for _ in range(20):
        made.chat()
    made.flushed()
    assert made.accounts.stored == len(made.items) == 6
    assert made.accounts.dropped_by == {"rate_limit": 14}
    made.provider.shutdown()
    quiet.clear()


def test_a_finalizer_that_ends_a_span_anywhere_does_not_deadlock(evaluated: Make) -> None:
    """The garbage collector may run while the sampler holds its lock."""
    made = evaluated(1.0, exported=False)  # an exporter has a lock of its own

    class EndsLate:
        def __init__(self) -> None:
            self.me = self
            self.span = made.tracer.start_span("dropped")

        def __del__(self) -> None:
            self.span.end()

    done = threading.Event()

    def work() -> None:
        for _ in range(300):
            EndsLate()
            made.chat()
        done.set()

    threshold = gc.get_threshold()
    gc.set_threshold(5, 1, 1)
    try:
        threading.Thread(target=work, daemon=True).start()
        assert done.wait(60)
    finally:
        gc.set_threshold(*threshold)

    def all_ended() -> bool:
        gc.collect()  # which does nothing while another thread collects
        return made.accounts.offered == 600

    until(all_ended)
    made.flushed()
    assert made.accounts.stored == 300
    balanced(made)
    empty(made)
