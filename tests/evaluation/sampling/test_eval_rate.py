"""Which traces the rate samples: the right share of all of them, whatever the head sampler, and everywhere the same."""

from __future__ import annotations

import hashlib
import logging
import random
from collections.abc import Callable
from typing import Any

import pytest
from evaluating import RATE, SAMPLED, Evaluated, Ids, interval
from opentelemetry.sdk.trace import sampling
from opentelemetry.sdk.trace._sampling_experimental import (
    composable_always_on,
    composable_parent_threshold,
    composable_traceid_ratio_based,
    composite_sampler,
)
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    DEFAULT_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from interpreter import python
from otel_llm.evaluation import SamplingAlgorithm
from otel_llm.evaluation.sampling.rate import bound, position

MANY = 200_000

Make = Callable[..., Evaluated]


@pytest.mark.parametrize("consistent", [False, True])
def test_five_percent_of_many_ids_are_sampled(consistent: bool) -> None:
    ids = random.Random(11)
    limit = bound(0.05)
    chosen = sum(position(ids.getrandbits(128), None, consistent) < limit for _ in range(MANY))
    low, high = interval(0.05, MANY)
    assert low <= chosen <= high


_CHOSEN = """
import hashlib, random
from otel_llm.evaluation.sampling.rate import bound, position
ids, digest = random.Random(11), hashlib.sha256()
for _ in range(200_000):
    trace_id = ids.getrandbits(128)
    for consistent in (False, True):
        digest.update(b"1" if position(trace_id, None, consistent) < bound(0.05) else b"0")
print(digest.hexdigest())
"""


def test_two_processes_choose_the_same() -> None:
    said = {python("-c", _CHOSEN).stdout for _ in range(2)}
    assert len(said) == 1
    assert len(said.pop().strip()) == hashlib.sha256().digest_size * 2


def _marked(made: Evaluated, traces: int) -> tuple[int, int]:
    """How many traces were kept by the head sampler, and how many marked."""
    kept = marked = 0
    for _ in range(traces):
        span: Any = made.tracer.start_span("request")
        if span.is_recording():
            kept += 1
            marked += span.attributes.get(SAMPLED, False)
            span.end()
    return kept, marked


HEADS = {
    "always_on": (ALWAYS_ON, 1.0),
    "parentbased_always_on": (DEFAULT_ON, 1.0),
    "traceidratio": (TraceIdRatioBased(0.1), 0.1),
    "parentbased_traceidratio": (ParentBased(TraceIdRatioBased(0.1)), 0.1),
    "consistent": (composite_sampler(composable_traceid_ratio_based(0.1)), 0.1),
    "consistent, by the parent": (
        composite_sampler(composable_parent_threshold(composable_traceid_ratio_based(0.1))),
        0.1,
    ),
    "consistent, always on": (composite_sampler(composable_always_on()), 1.0),
}


@pytest.mark.parametrize("head", HEADS)
def test_five_percent_of_all_traces_under_any_head_sampler(head: str, evaluated: Make) -> None:
    sampler, share = HEADS[head]
    traces = MANY if share < 1 else MANY // 10
    made = evaluated(0.05, head=sampler, exported=False, sink=lambda item: None)
    kept, marked = _marked(made, traces)
    low, high = interval(share, traces)
    assert low <= kept <= high
    low, high = interval(0.05, traces)
    assert low <= marked <= high
    assert made.accounts.offered == kept
    assert made.accounts.sampled == marked
    effective = made.accounts.effective_rate
    assert effective is not None
    # Of what was offered, whose number the head sampler chose.
    assert effective == pytest.approx(0.05, rel=0.1)
    assert made.metrics()["effective_rate", "", ""] == effective


@pytest.mark.parametrize(
    ("head", "wrong"),
    [("traceidratio", SamplingAlgorithm.CONSISTENT), ("consistent", SamplingAlgorithm.TRACE_ID_RATIO)],
)
def test_two_independent_choices_leave_half_a_percent(head: str, wrong: SamplingAlgorithm, evaluated: Make) -> None:
    made = evaluated(0.05, head=HEADS[head][0], exported=False, algorithm=wrong, sink=lambda item: None)
    _, marked = _marked(made, MANY)
    low, high = interval(0.005, MANY)
    assert low <= marked <= high
    effective = made.accounts.effective_rate
    assert effective is not None
    assert effective == pytest.approx(0.005, rel=0.3)  # the metric shows it


@pytest.mark.parametrize("head", ["traceidratio", "consistent"])
def test_more_than_the_head_sampler_keeps_is_said_once(
    head: str, evaluated: Make, quiet: pytest.LogCaptureFixture
) -> None:
    made = evaluated(0.5, head=HEADS[head][0], exported=False, sink=lambda item: None)
    kept, marked = _marked(made, 2000)
    assert marked == kept
    effective = made.accounts.effective_rate
    assert effective == pytest.approx(0.1)
    (warning,) = [record for record in quiet.records if record.levelno == logging.WARNING]
    assert "0.5 of all traces" in warning.getMessage()
    assert "keeps only 0.1" in warning.getMessage()
    quiet.clear()


@pytest.mark.parametrize(
    "head",
    [
        DEFAULT_ON,
        ParentBased(TraceIdRatioBased(0.5)),
        composite_sampler(composable_parent_threshold(composable_traceid_ratio_based(0.5))),
    ],
    ids=["always_on", "traceidratio", "consistent"],
)
def test_every_service_of_a_trace_chooses_the_same(head: Sampler, evaluated: Make) -> None:
    """What the first service sends along, the second one has; its own head sampler keeps what the first one kept."""
    first = evaluated(0.3, head=head, ids=Ids(1), sink=lambda item: None)
    second = evaluated(0.3, head=DEFAULT_ON, ids=Ids(2), sink=lambda item: None)
    propagator = TraceContextTextMapPropagator()
    both = 0
    for _ in range(400):
        headers: dict[str, str] = {}
        with first.tracer.start_as_current_span("client") as client:
            propagator.inject(headers)
            if not client.is_recording():
                continue
        with second.tracer.start_as_current_span("server", propagator.extract(headers)) as server:
            assert server.attributes.get(SAMPLED) == client.attributes.get(SAMPLED)  # type: ignore[attr-defined]
            assert server.get_span_context().trace_id == client.get_span_context().trace_id
            both += server.attributes.get(SAMPLED, False)  # type: ignore[attr-defined]
    assert 0 < both < 400


def test_the_random_value_of_the_trace_state_counts_where_there_is_one() -> None:
    state = TraceState([("ot", "th:8;rv:ffffffffffffff")])
    assert position(0, state, consistent=True) == 0
    assert position(0, TraceState([("ot", "rv:00000000000000;th:0")]), consistent=True) > bound(0.999)
    # One that is none is passed over.
    for broken in ("rv:ff", "rv:gggggggggggggg", "rv:", "x"):
        assert position(1, TraceState([("ot", broken)]), consistent=True) == position(1, None, consistent=True)


def test_consistent_agrees_with_the_sdk_at_every_rate() -> None:
    ids = random.Random(3)
    for rate in (0.001, 0.05, 0.25, 0.5, 0.9, 1.0):
        theirs = composite_sampler(composable_traceid_ratio_based(rate))
        for _ in range(2000):
            trace_id = ids.getrandbits(128)
            kept = theirs.should_sample(None, trace_id, "x").decision.is_sampled()
            assert kept == (position(trace_id, None, consistent=True) < bound(rate))


def test_trace_id_ratio_agrees_with_the_sdk_at_every_rate() -> None:
    ids = random.Random(3)
    for rate in (0.0, 0.001, 0.05, 0.5, 1.0):
        theirs = TraceIdRatioBased(rate)
        for _ in range(2000):
            trace_id = ids.getrandbits(128)
            kept = theirs.should_sample(None, trace_id, "x").decision.is_sampled()
            assert kept == (position(trace_id, None, consistent=False) < bound(rate))


class _Own(Sampler):
    """Keeps everything, and says so to nobody."""

    def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
        return SamplingResult(Decision.RECORD_AND_SAMPLE)

    def get_description(self) -> str:
        return "own"


def test_a_head_sampler_nobody_knows(evaluated: Make) -> None:
    made = evaluated(0.5, head=_Own(), exported=False, sink=lambda item: None)
    _, marked = _marked(made, 2000)
    low, high = interval(0.5, 2000)
    assert low <= marked <= high


def test_spans_that_are_only_recorded_count_if_wanted(evaluated: Make) -> None:
    records_all = getattr(sampling, "AlwaysRecordSampler", None)
    if records_all is None:
        pytest.skip("this SDK has no sampler that records what it does not keep")
    made = evaluated(0.5, head=records_all(TraceIdRatioBased(0.1)), exported=False, evaluate_unsampled=True)
    for _ in range(1000):
        made.chat()
    made.flushed()
    low, high = interval(0.5, 1000)
    assert low <= made.accounts.sampled <= high
    assert made.accounts.effective_rate == made.accounts.sampled / 1000
    without = evaluated(0.1, head=records_all(TraceIdRatioBased(0.1)), exported=False)
    for _ in range(1000):
        without.chat()
    without.flushed()
    assert without.accounts.offered == without.accounts.sampled < 150


def test_every_span_of_a_sampled_trace_is_marked_from_its_start(evaluated: Make) -> None:
    made = evaluated(0.5)
    for _ in range(50):
        made.chat()
    marks: dict[int, set[Any]] = {}
    for span in made.spans:
        given = span.attributes or {}
        marks.setdefault(span.context.trace_id, set()).add((given.get(SAMPLED), given.get(RATE)))
    assert {frozenset(one) for one in marks.values()} == {frozenset({(True, 0.5)}), frozenset({(None, None)})}
    assert sum((True, 0.5) in one for one in marks.values()) == len(made.flushed())


def test_children_of_a_consistent_sampler_are_marked_like_their_root(evaluated: Make) -> None:
    """The SDK gives them no trace state, so they can't be told apart by it."""
    head = composite_sampler(composable_parent_threshold(composable_traceid_ratio_based(0.5)))
    made = evaluated(0.25, head=head)
    for _ in range(200):
        made.chat()
    marks: dict[int, set[Any]] = {}
    for span in made.spans:
        marks.setdefault(span.context.trace_id, set()).add((span.attributes or {}).get(SAMPLED))
    assert {frozenset(one) for one in marks.values()} == {frozenset({True}), frozenset({None})}


def test_nothing_is_marked_at_a_rate_of_nothing_and_everything_at_one(evaluated: Make) -> None:
    nothing, everything = evaluated(0.0), evaluated(1.0)
    extreme = SpanContext(2**128 - 1, 1, is_remote=True, trace_flags=TraceFlags(1))
    for made in (nothing, everything):
        made.chat()
        made.tracer.start_span("remote", set_span_in_context(NonRecordingSpan(extreme))).end()
    assert not any((span.attributes or {}).get(SAMPLED) for span in nothing.spans)
    assert all((span.attributes or {}).get(SAMPLED) for span in everything.spans)


def test_the_rate_is_of_one_type_on_all_spans(evaluated: Make) -> None:
    made = evaluated(1)
    made.chat()
    assert {type((span.attributes or {})[RATE]) for span in made.spans} == {float}
    assert type(made.item["rate"]) is float


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), "0.5", True, None.__class__])
def test_a_rate_that_is_none(rate: Any) -> None:
    from otel_llm.evaluation import EvaluationSampler

    with pytest.raises(ValueError, match="rate must be a number from 0 to 1"):
        EvaluationSampler(rate)
