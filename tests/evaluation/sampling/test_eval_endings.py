"""What a flush, a shutdown, a fork and the end of the program do with the items that wait."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from evaluating import Evaluated, StuckSink

from interpreter import python

Make = Callable[..., Evaluated]


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


def test_a_shutdown_closes_the_sink(evaluated: Make) -> None:
    class Closing(StuckSink):
        closed = False

        def close(self) -> None:
            self.closed = True

    sink = Closing()
    sink.open.set()
    made = evaluated(1.0, sink=sink)
    made.chat()
    made.flushed()
    assert not sink.closed
    made.provider.shutdown()
    assert sink.closed


def test_a_local_root_that_ends_after_the_shutdown_is_counted(evaluated: Make) -> None:
    made = evaluated(1.0)
    made.chat()
    root = made.tracer.start_span("stream")
    made.sampler.shutdown()
    root.end()
    assert made.accounts.dropped_by == {"shutdown": 1}
    assert (made.accounts.stored, made.accounts.pending) == (1, 0)


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
    left_to_parent = len(getattr(getattr(sampler._sink, "_database", None), "_foreign", ()))
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


def test_a_child_process_counts_nothing_of_its_parents(evaluated: Make, quiet: pytest.LogCaptureFixture) -> None:
    made = evaluated(1.0, grace=3600.0)
    root = made.tracer.start_span("around")
    made.chat()
    of_parent = made.sampler._books
    made.sampler.start_afresh()  # as a fork does
    assert (made.accounts.offered, made.accounts.pending) == (0, 0)
    root.end()  # its copy, in the child
    assert made.accounts.dropped_by == {"fork": 1}
    made.chat()
    assert len(made.flushed()) == 1
    assert (made.accounts.offered, made.accounts.stored) == (2, 1)
    assert of_parent.accounts().pending == 1
    assert of_parent.close(20)
    made.provider.shutdown()
    assert "1 (fork)" in quiet.text
    quiet.clear()


def test_at_exit_items_are_stored_before_the_providers_shut_down(evaluated: Make) -> None:
    """So that the last metrics, which the meter provider exports as it shuts down, count them."""
    made = evaluated(1.0, grace=3600.0)
    made.chat()
    made.sampler._at_exit()
    assert made.metrics()["items", "stored", ""] == 1


def test_at_exit_a_stuck_sink_takes_its_time_once(
    evaluated: Make, quiet: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit handler and the shutdown share the time of the shutdown."""
    sink, allowed = StuckSink(), []
    made = evaluated(1.0, sink=sink, shutdown_timeout=0.05)
    books = made.sampler._books
    close = books.close
    monkeypatch.setattr(books, "close", lambda seconds: allowed.append(seconds) or close(seconds))
    made.chat()
    assert sink.entered.wait(20)
    made.sampler._at_exit()
    made.provider.shutdown()
    assert 0 <= allowed[0] < 0.05
    assert made.accounts.pending == 1
    sink.open.set()
    quiet.clear()


def test_a_shutdown_after_the_exit_handler_has_what_is_left_of_the_time(
    evaluated: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, allowed = evaluated(1.0, shutdown_timeout=3600.0), []
    books = made.sampler._books
    close = books.close
    monkeypatch.setattr(books, "close", lambda seconds: allowed.append(seconds) or close(seconds))
    made.chat()
    made.sampler._at_exit()
    made.provider.shutdown()
    assert 3000 < allowed[0] < 3600


def test_a_process_that_just_ends_stores_its_items(tmp_path: Any) -> None:

    program = _FORKED.split("chat(5)")[0] + "chat(5)\nsampler._grace = 3600.0\nchat(2)\n"
    path = tmp_path / "items.jsonl"
    python("-c", program, path)
    assert len(path.read_text().splitlines()) == 7
