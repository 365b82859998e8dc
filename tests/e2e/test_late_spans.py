"""Tail sampling and what comes late: errors, slow calls and verdicts are kept though their trace was decided before."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from e2e import load, otlp
from e2e.programs import CONFIGURATION, KEPT_STORE, Collector, until

pytestmark = pytest.mark.timeout(300)

Run = Callable[[Any], Any]

TRACES = 20
SECOND = 1_000_000_000
DECIDED = "otelcol_processor_tail_sampling_global_count_traces_sampled"


class Sampling:
    """A Collector that keeps none but what matters; a trace without a root is decided after `decision_wait`."""

    def __init__(self, run: Run, directory: Path, decision_wait: str = "1s") -> None:
        store = directory / "store.yaml"
        store.write_text(KEPT_STORE)
        pieces = [CONFIGURATION / "otelcol" / f"{name}.yaml" for name in ("common", "ingest", "spans", "sampling")]
        settings = {
            "COLLECTOR_KEEP_PERCENT": "0",
            "COLLECTOR_DECISION_WAIT": decision_wait,
            "COLLECTOR_DECISION_WAIT_AFTER_ROOT": "1s",
        }
        self.collector: Collector = run(Collector([*pieces, store], directory, settings))

    def send(self, spans: Sequence[Span]) -> None:
        assert load.post(self.collector.otlp_http, load.request("late", spans))

    def decided(self) -> float:
        return self.collector.internal().get(DECIDED, 0)

    def decide(self, spans: Sequence[Span]) -> None:
        """Send `spans`, each of another trace, and wait until those are decided."""
        before = self.decided()
        self.send(spans)
        until(lambda: self.decided() >= before + len(spans), 60, "the traces are decided")

    def kept(self) -> Counter[bytes]:
        """Span id -> how often it came out."""
        found = otlp.spans_of_file(self.collector.data / "kept.jsonl")
        return Counter(bytes.fromhex(span["id"]) for span in found)

    def keeps_exactly(self, spans: Sequence[Span]) -> None:
        """Each of them once, and nothing else, also when all that was sent is decided."""
        expected = {span.span_id: span.name for span in spans}

        def lacking() -> Counter[str]:
            return Counter(expected[span_id] for span_id in expected.keys() - self.kept().keys())

        until(lambda: not lacking(), 30, f"{len(spans)} spans are kept")
        self.collector.stop()  # decides what is undecided, and hands on what waits
        assert self.kept() == dict.fromkeys(expected, 1)


def span(trace_id: bytes, name: str, parent: bytes = b"\x01" * 8, seconds: float = 0.2) -> Span:
    end = time.time_ns()
    return Span(
        trace_id=trace_id,
        span_id=os.urandom(8),
        parent_span_id=parent,
        name=name,
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=end - int(seconds * SECOND),
        end_time_unix_nano=end,
    )


def failed(trace_id: bytes) -> Span:
    late = span(trace_id, "chat model", seconds=3)
    late.status.code = Status.STATUS_CODE_ERROR
    return late


def slow(trace_id: bytes) -> Span:
    return span(trace_id, "chat model", seconds=11)


def named_verdict(trace_id: bytes) -> Span:
    late = span(trace_id, "evaluate hallucination")
    late.attributes.append(load.attribute("gen_ai.evaluation.name", "hallucination"))
    return late


def verdict_with_provenance(trace_id: bytes) -> Span:
    late = span(trace_id, "evaluate hallucination")
    late.attributes.append(load.attribute("otel_llm.evaluation.revision", "7"))
    return late


def verdict_as_event(trace_id: bytes) -> Span:
    late = span(trace_id, "feedback")
    late.events.add(name="gen_ai.evaluation.result", time_unix_nano=late.end_time_unix_nano)
    return late


MATTER = [failed, slow, named_verdict, verdict_with_provenance, verdict_as_event]


@pytest.fixture
def trace_ids() -> list[bytes]:
    return [os.urandom(16) for _ in range(TRACES)]


@pytest.mark.parametrize("restarted", [False, True], ids=["", "after a restart"])
def test_what_matters_is_kept_after_its_trace_was_dropped(tmp_path: Path, run: Run, restarted: bool) -> None:
    """Twenty traces of each kind: no late span is kept because of another."""
    late = [make(os.urandom(16)) for make in MATTER for _ in range(TRACES)]
    sampling = Sampling(run, tmp_path)
    sampling.decide([span(each.trace_id, "embeddings model") for each in late])
    if restarted:
        sampling.collector.kill()
        sampling.collector.start()
    sampling.send(late)
    sampling.keeps_exactly(late)


def test_what_surrounds_a_late_error_is_kept_with_it(tmp_path: Path, run: Run, trace_ids: list[bytes]) -> None:
    sampling = Sampling(run, tmp_path)
    sampling.decide([span(trace_id, "embeddings model") for trace_id in trace_ids])
    # The last trace that was dropped is remembered, so another must be dropped after these.
    sampling.decide([span(os.urandom(16), "embeddings model")])
    late = [failed(trace_id) for trace_id in trace_ids]
    fallbacks = [span(trace_id, "chat fallback") for trace_id in trace_ids]
    roots = [span(trace_id, "answer", parent=b"") for trace_id in trace_ids]
    sampling.send(late)
    sampling.send([*fallbacks, *roots])
    sampling.keeps_exactly([*late, *fallbacks, *roots])


def test_late_spans_of_a_trace_that_was_kept_are_kept(tmp_path: Path, run: Run, trace_ids: list[bytes]) -> None:
    sampling = Sampling(run, tmp_path)
    early = [make(trace_id) for make, trace_id in zip(MATTER * TRACES, trace_ids, strict=False)]
    sampling.decide(early)
    late = [span(trace_id, "answer", parent=b"") for trace_id in trace_ids]
    sampling.send(late)
    sampling.keeps_exactly([*early, *late])


def test_a_trace_under_way_waits_for_its_root(tmp_path: Path, run: Run, trace_ids: list[bytes]) -> None:
    sampling = Sampling(run, tmp_path, decision_wait="300s")
    early = [span(trace_id, "embeddings model") for trace_id in trace_ids]
    sampling.send(early)
    # A whole trace that came later is decided before them.
    sampling.decide([span(os.urandom(16), "answer", parent=b"")])
    assert sampling.decided() == 1
    late = [failed(trace_id) for trace_id in trace_ids]
    roots = [span(trace_id, "answer", parent=b"") for trace_id in trace_ids]
    sampling.send([*late, *roots])
    sampling.keeps_exactly([*early, *late, *roots])


def test_what_does_not_matter_is_dropped_early_and_late(tmp_path: Path, run: Run, trace_ids: list[bytes]) -> None:
    """Also where a clock is 15 seconds behind: no span is slow."""
    sampling = Sampling(run, tmp_path)
    early = [span(trace_id, "embeddings model") for trace_id in trace_ids]
    behind = [span(trace_id, "chat model") for trace_id in trace_ids]
    for each in behind:
        each.start_time_unix_nano -= 15 * SECOND
        each.end_time_unix_nano -= 15 * SECOND
    sampling.send(behind)
    sampling.decide(early)
    sampling.send([span(trace_id, "answer", parent=b"") for trace_id in trace_ids])
    matters = failed(os.urandom(16))
    sampling.send([matters])
    sampling.keeps_exactly([matters])
