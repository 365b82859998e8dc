"""Every trace is accounted for: under threads, overload, failing and stuck sinks, after a fork and at shutdown."""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import logging
import threading
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from evaluating import Evaluated, StuckSink, until
from opentelemetry import baggage, trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import set_span_in_context

from interpreter import python
from otel_llm.evaluation import EvaluationSampler, Limits
from otel_llm.evaluation.dataset import delivery

Make = Callable[..., Evaluated]


def balanced(made: Evaluated) -> None:
    """What must hold at any time, in the accounts and in the metrics."""
    accounts = made.accounts
    assert accounts.offered == accounts.sampled + accounts.not_sampled
    assert accounts.sampled == accounts.stored + accounts.dropped + accounts.pending
    assert accounts.pending >= 0
    assert made.sampler._books.traces.bytes >= 0


def empty(made: Evaluated) -> None:
    """Nothing is kept when nothing is under way."""
    assert len(made.sampler._books.traces) == 0
    assert made.sampler._books.traces.bytes == 0
    assert made.sampler._books.worker.waiting == 0


def test_the_metrics_say_what_the_accounts_say(evaluated: Make) -> None:
    made = evaluated(0.5, rules=[{"name": "failed", "attribute": {"failed": True}}])
    for number in range(100):
        made.chat(failed=number % 10 == 0)
        with made.tracer.start_as_current_span("health"):
            pass
    made.flushed()
    balanced(made)
    accounts = made.accounts
    assert accounts.offered == 200
    assert accounts.sampled_by["failed"] > 0
    assert accounts.dropped_by == {"nothing_to_evaluate": accounts.sampled - len(made.items)}
    metrics = made.metrics()
    assert metrics.pop(("effective_rate", "", "")) == accounts.effective_rate
    assert metrics == {
        ("traces", "sampled", "rate"): accounts.sampled_by["rate"],
        ("traces", "sampled", "failed"): accounts.sampled_by["failed"],
        ("traces", "not_sampled", "no_rule"): accounts.not_sampled,
        ("items", "stored", ""): len(made.items),
        ("items", "dropped", "nothing_to_evaluate"): accounts.dropped,
        ("pending", "", ""): 0,
    }
    empty(made)


def test_the_metrics_are_those_of_all_samplers(evaluated: Make) -> None:
    """Each provider of traces has its own, and one may come after another has gone."""
    first = evaluated(1.0)
    made = Evaluated(1.0, meter_provider=first.meters)
    made.chat()
    made.provider.shutdown()
    assert first.metrics()["items", "stored", ""] == 1
    del made
    gc.collect()
    for rate in (0.0, 1.0):
        made = evaluated(rate, meter_provider=first.meters)
        made.chat()
        made.flushed()
    metrics = first.metrics()
    assert metrics["traces", "sampled", "rate"] == metrics["traces", "not_sampled", "rate"] == 1
    assert metrics["items", "stored", ""] == 1
    assert metrics["effective_rate", "", ""] == 0.5


def test_two_samplers_of_one_provider_keep_their_own_accounts(evaluated: Make) -> None:
    made = evaluated(0.3)
    more = EvaluationSampler(1.0, sink=lambda item: None, grace=0.0)
    made.provider.add_span_processor(more)
    made.provider._active_span_processor._span_processors = (more, made.sampler)
    for _ in range(50):
        made.chat()
    made.flushed()
    assert more.force_flush()
    assert more.accounts().stored == 50
    assert 0 < made.accounts.sampled == made.accounts.stored == len(made.items) < 50


def test_many_threads(evaluated: Make) -> None:
    made = evaluated(0.5, rules=[{"name": "long", "tokens_over": 5, "rate": 0.7}], exported=False)
    threads, traces = 8, 250
    wrong: list[str] = []
    over = threading.Event()

    def work(number: int) -> None:
        for turn in range(traces):
            made.chat(gen_ai__usage__input_tokens=turn % 10)

    def watch() -> None:
        while not over.is_set():
            accounts = made.accounts
            if accounts.sampled != accounts.stored + accounts.dropped + accounts.pending or accounts.pending < 0:
                wrong.append(str(accounts))

    watcher = threading.Thread(target=watch)
    watcher.start()
    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    made.flushed()
    over.set()
    watcher.join()
    assert wrong == []
    assert made.accounts.offered == threads * traces
    assert made.accounts.stored == len(made.items) == len({item["id"] for item in made.items})
    assert made.accounts.dropped_by == {}
    balanced(made)
    empty(made)


def test_a_stuck_sink_never_blocks_the_application(evaluated: Make, quiet: pytest.LogCaptureFixture) -> None:
    sink = StuckSink()
    made = evaluated(1.0, sink=sink, limits=Limits(queue=10), exported=False, shutdown_timeout=0.2)
    made.chat()
    assert sink.entered.wait(20)
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
    assert "90 (queue_full), 10 (shutdown), 1 (still being stored)" in said
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


def test_a_sink_that_fails_for_a_while_loses_nothing(
    evaluated: Make, quiet: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "PAUSES", (0.0, 0.0))
    tried: list[str] = []
    stored: list[str] = []

    def sink(item: dict[str, Any]) -> None:
        tried.append(item["id"])
        if len(tried) % 3:
            raise ConnectionError(f"secret words of the item, {len(tried)}")
        stored.append(item["id"])

    made = evaluated(1.0, sink=sink)
    for _ in range(5):
        made.chat()
    made.flushed()
    assert made.accounts.stored == len(stored) == len(set(stored)) == 5
    assert len(tried) == 15
    said = [record.getMessage() for record in quiet.records]
    assert len(said) == 1
    assert "can't be stored" in said[0]
    assert "ConnectionError" in said[0]
    assert "secret" not in said[0]
    quiet.clear()


@pytest.mark.parametrize("error", [SystemExit, asyncio.CancelledError])
def test_a_sink_that_wants_to_end_the_thread(
    error: type[BaseException], evaluated: Make, quiet: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "PAUSES", ())
    stored: list[str] = []

    def sink(item: dict[str, Any]) -> None:
        if "wrong" in item["calls"][0]["model"]:
            raise error
        stored.append(item["id"])

    made = evaluated(1.0, sink=sink)
    for model in ("wrong", "m"):
        made.chat(gen_ai__request__model=model)
        made.flushed()
    assert made.accounts.stored == len(stored) == 1
    assert made.accounts.dropped_by == {"sink_error": 1}
    empty(made)
    made.provider.shutdown()
    assert error.__name__ in quiet.text
    quiet.clear()


async def _async_sink(item: dict[str, Any]) -> None:
    """Nobody would await it."""


class _AsyncSink:
    __call__ = staticmethod(_async_sink)


@pytest.mark.parametrize("sink", [_async_sink, functools.partial(_async_sink), _AsyncSink()])
def test_a_sink_that_nobody_would_await(sink: Any) -> None:
    with pytest.raises(TypeError, match="must not be async"):
        EvaluationSampler(1.0, sink=sink)


def test_a_sink_that_fails_is_counted_and_said_once_without_the_words(
    evaluated: Make, quiet: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "PAUSES", (0.0, 0.0))

    def sink(item: dict[str, Any]) -> None:
        raise ValueError(f"can't take {item}")

    made = evaluated(1.0, sink=sink)
    for _ in range(5):
        made.chat(gen_ai__input__messages="the words of the prompt")
    made.flushed()
    assert made.accounts.dropped_by == {"sink_error": 5}
    balanced(made)
    made.provider.shutdown()
    said = [record.getMessage() for record in quiet.records if record.levelno >= logging.WARNING]
    assert len(said) == 2
    assert "ValueError" in said[0]
    assert "5 (sink_error)" in said[1]
    assert "of the prompt" not in quiet.text
    quiet.clear()


def test_the_rate_limit(evaluated: Make, quiet: pytest.LogCaptureFixture) -> None:
    made = evaluated(1.0, max_per_minute=6)
    for _ in range(20):
        made.chat()
    made.flushed()
    assert made.accounts.stored == len(made.items) == 6
    assert made.accounts.dropped_by == {"rate_limit": 14}
    made.provider.shutdown()
    quiet.clear()


def test_what_ended_before_the_shutdown_is_stored(evaluated: Make) -> None:
    made = evaluated(1.0, grace=3600.0, exported=False)
    for _ in range(50):
        made.chat()
    assert made.accounts.pending == 50
    made.provider.shutdown()
    assert made.accounts.stored == len(made.items) == 50
    made.provider.shutdown()
    made.chat()
    assert made.accounts.offered == 50


def test_a_flush_does_not_wait_for_what_comes_later(evaluated: Make) -> None:
    made = evaluated(1.0, grace=3600.0)
    made.chat()
    assert len(made.flushed()) == 1
    made.chat()
    assert made.accounts.pending == 1
    assert len(made.flushed()) == 2


_FORKED = """
import json, os, sys
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from otel_llm.evaluation import EvaluationSampler
sampler = EvaluationSampler(1.0, sink=sys.argv[1], grace=0.0)
provider = TracerProvider()
provider.add_span_processor(sampler)
tracer = provider.get_tracer("app")
def chat(n):
    for _ in range(n):
        with tracer.start_as_current_span("request", Context()):
            tracer.start_span("chat m", attributes={"gen_ai.operation.name": "chat"}).end()
def report():
    a = sampler.accounts()
    left_to_parent = len(getattr(sampler._sink, "_foreign", ()))
    print(json.dumps([a.offered, a.sampled, a.stored, a.pending, a.dropped_by, left_to_parent]), flush=True)
chat(5)
sampler.force_flush()
sampler._grace = 3600.0
chat(3)                       # pending: the parent's
with tracer.start_as_current_span("around"):
    child = os.fork()
    if child == 0:
        chat(4)
if child == 0:                # has ended its copy of the parent's span
    provider.force_flush()
    report()
    provider.shutdown()
    os._exit(0)
os.waitpid(child, 0)
provider.force_flush()
report()
"""


@pytest.mark.parametrize("suffix", ["db", "jsonl"])
def test_after_a_fork_each_process_counts_and_stores_its_own(suffix: str, tmp_path: Any) -> None:

    from otel_llm.evaluation.dataset.reader import Selection, read

    path = tmp_path / f"items.{suffix}"
    finished = python("-W", "ignore::DeprecationWarning", "-c", _FORKED, path)
    child, parent = (json.loads(line) for line in finished.stdout.splitlines())
    assert child == [5, 5, 4, 0, {"fork": 1}, int(suffix == "db")]  # a connection to SQLite must not be shared
    assert parent == [9, 9, 8, 0, {"nothing_to_evaluate": 1}, 0]
    assert len(list(read(path, Selection()).items)) == 12


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


def test_errors_of_ours_do_not_reach_the_application(
    evaluated: Make, quiet: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = evaluated(1.0)
    monkeypatch.setattr(made.sampler, "_begin", lambda *args: 1 / 0)
    monkeypatch.setattr(made.sampler, "_end_unkept", lambda *args: 1 / 0)
    made.chat()
    assert "ZeroDivisionError" in quiet.text
    monkeypatch.undo()
    quiet.clear()


@pytest.mark.parametrize("place", ["model_calls", "seen", "build"])
def test_an_item_that_can_not_be_made_is_counted(
    place: str, evaluated: Make, quiet: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from otel_llm.evaluation.dataset import item
    from otel_llm.evaluation.sampling import decision

    monkeypatch.setattr(decision if place == "seen" else item, place, lambda *args: 1 / 0)
    made = evaluated(1.0, rules=[{"name": "failed", "error": True}])
    made.chat()
    made.flushed()
    assert made.accounts.dropped_by == {"build_error": 1}
    balanced(made)
    empty(made)
    made.provider.shutdown()
    quiet.clear()


def test_two_local_roots_in_one_trace_are_two_items(evaluated: Make) -> None:
    """A service that is called twice in one trace, or calls itself."""
    made = evaluated(1.0, grace=0.0)
    with made.tracer.start_as_current_span("client") as outer:
        made.call(gen_ai__response__id="outer")
        remote = trace.SpanContext(outer.get_span_context().trace_id, 99, True, trace.TraceFlags(1))
        with made.tracer.start_as_current_span("server", set_span_in_context(trace.NonRecordingSpan(remote))):
            made.call(gen_ai__response__id="inner")
    items = {item["name"]: item for item in made.flushed()}
    assert {name: [call["response_id"] for call in item["calls"]] for name, item in items.items()} == {
        "client": ["outer"],
        "server": ["inner"],
    }
    assert made.accounts.offered == made.accounts.stored == 2
    empty(made)


def test_local_roots_of_one_trace_of_which_a_rule_samples_one(evaluated: Make) -> None:
    """Whether the sampled one begins before or after the other."""
    made = evaluated(rules=[{"name": "asked", "baggage": {"evaluate": "yes"}}], grace=3600.0)
    with_baggage = baggage.set_baggage("evaluate", "yes")

    def remote(trace_id: int, context: Context | None = None) -> Context:
        parent = trace.SpanContext(trace_id, 99, True, trace.TraceFlags(1))
        return set_span_in_context(trace.NonRecordingSpan(parent), context)

    for trace_id, first, second in ((5, with_baggage, None), (6, None, with_baggage)):
        one = made.tracer.start_span("first", remote(trace_id, first))
        other = made.tracer.start_span("second", remote(trace_id, second))
        for root in (other, one):
            made.tracer.start_span(
                "chat m", set_span_in_context(root), attributes={"gen_ai.operation.name": "chat"}
            ).end()
        other.end()
        one.end()
    made.flushed()
    accounts = made.accounts
    assert accounts.offered == 4
    assert accounts.stored == len(made.items) == 3
    assert accounts.not_sampled_by == {"rate": 1}
    balanced(made)
    empty(made)


def test_spans_below_those_of_another_provider_are_local_roots(evaluated: Make) -> None:
    """The spans of a web framework go elsewhere: each of ours below them is the first that is seen here."""
    made = evaluated(0.5, grace=3600.0)
    others = TracerProvider().get_tracer("web")
    for _ in range(50):
        with others.start_as_current_span("GET /"):
            made.chat()
            made.chat()
    made.flushed()
    accounts = made.accounts
    assert accounts.offered == 100
    assert accounts.stored == accounts.sampled == len(made.items)
    assert accounts.effective_rate == accounts.stored / 100
    assert accounts.not_sampled_by == {"rate": 100 - accounts.stored}
    assert {(item["name"], item["spans"]) for item in made.items} == {("request", 2)}
    balanced(made)
    empty(made)


class _DropsHealth(Sampler):
    def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
        decision = Decision.DROP if args[2] == "GET /" else Decision.RECORD_AND_SAMPLE
        return SamplingResult(decision, kwargs.get("attributes") or args[4])

    def get_description(self) -> str:
        return "drops health"


def test_spans_below_one_that_the_head_sampler_dropped_are_local_roots(evaluated: Make) -> None:
    made = evaluated(0.5, head=_DropsHealth())
    for _ in range(20):
        with made.tracer.start_as_current_span("GET /"):
            made.chat()
    assert made.accounts.offered == 20
    assert 0 < len(made.flushed()) == made.accounts.stored < 20
    assert made.accounts.not_sampled == 20 - len(made.items)
    empty(made)


def test_a_process_that_just_ends_stores_its_items(tmp_path: Any) -> None:

    program = _FORKED.split("chat(5)")[0] + "chat(5)\nsampler._grace = 3600.0\nchat(2)\n"
    path = tmp_path / "items.jsonl"
    python("-c", program, path)
    assert len(path.read_text().splitlines()) == 7
