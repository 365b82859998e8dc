"""Where a local root begins, what it is marked with, and what its limits are spent on."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from evaluating import RATE, SAMPLED, Evaluated, until
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from otel_llm.evaluation import EvaluationSampler

Make = Callable[..., Evaluated]
REMOTE = SpanContext(0x5B8AA5A2D2C872E8321CF37308D69DF2, 0x051581BF3CB55C13, is_remote=True, trace_flags=TraceFlags(1))


def test_a_span_below_a_remote_parent_is_a_local_root(evaluated: Make) -> None:
    made = evaluated(1.0)
    token = context.attach(trace.set_span_in_context(NonRecordingSpan(REMOTE)))
    try:
        made.chat()
        made.chat()
    finally:
        context.detach(token)
    items = made.flushed()
    assert {item["trace_id"] for item in items} == {f"{REMOTE.trace_id:032x}"}
    assert [(item["name"], item["spans"]) for item in items] == [("request", 2)] * 2
    assert made.accounts.sampled_by == {"rate": 2}


def test_a_local_root_below_a_remote_parent_is_counted_if_it_is_not_sampled(evaluated: Make) -> None:
    made = evaluated(0.0)
    token = context.attach(trace.set_span_in_context(NonRecordingSpan(REMOTE)))
    try:
        made.chat()
    finally:
        context.detach(token)
    assert made.flushed() == []
    assert made.accounts.not_sampled_by == {"rate": 1}
    assert made.accounts.offered == 1


def test_below_a_remote_parent_rules_and_baggage_are_asked(evaluated: Make) -> None:
    made = evaluated(rules=[{"name": "asked", "baggage": {"evaluate": "yes"}, "rate": 1}])
    token = context.attach(baggage.set_baggage("evaluate", "yes", trace.set_span_in_context(NonRecordingSpan(REMOTE))))
    try:
        made.chat()
    finally:
        context.detach(token)
    assert made.item["sampled_by"] == ["asked"]
    assert all((span.attributes or {})[SAMPLED] is True for span in made.spans)


def test_a_local_parent_that_is_not_recorded_is_no_local_root_of_its_own(evaluated: Make) -> None:
    made = evaluated(1.0)
    local = SpanContext(REMOTE.trace_id, REMOTE.span_id, is_remote=False, trace_flags=TraceFlags(1))
    with made.tracer.start_as_current_span("request"):
        made.call()
    token = context.attach(trace.set_span_in_context(NonRecordingSpan(local)))
    try:
        made.call()
    finally:
        context.detach(token)
    assert [item["name"] for item in made.flushed()] == ["request"]


def test_the_item_waits_for_the_grace_and_not_longer(evaluated: Make) -> None:
    made = evaluated(1.0, grace=0.3)
    with made.tracer.start_as_current_span("request"):
        late = made.tracer.start_span("chat m", attributes={"gen_ai.operation.name": "chat"})
    ended = time.monotonic()
    late.end()
    until(lambda: made.items)
    assert 0.25 <= time.monotonic() - ended < 20
    assert made.items[0]["spans"] == 2


def test_by_default_late_spans_have_a_second(evaluated: Make) -> None:
    made = evaluated()  # for its provider
    sampler = EvaluationSampler(1.0, sink=made.items.append, meter_provider=made.meters)
    made.provider.add_span_processor(sampler)
    before = time.monotonic()
    made.chat()
    ((due, _),) = sampler._books.worker._queue
    assert before + 1 <= due <= time.monotonic() + 1


@pytest.mark.parametrize("order", ["root first", "child first"])
def test_a_span_that_ends_within_the_grace_is_in_the_item(order: str, evaluated: Make) -> None:
    made = evaluated(1.0, grace=3600.0)
    root = made.tracer.start_span("request")
    child = made.tracer.start_span("chat m", trace.set_span_in_context(root), attributes={"gen_ai.system": "x"})
    for span in (root, child) if order == "root first" else (child, root):
        span.end()
    assert made.items == []
    assert made.item["spans"] == 2


def test_the_limit_is_spent_on_items_only(evaluated: Make) -> None:
    """Health checks, traces that no rule holds for, and those inside a fork or left out take no token of it."""
    made = evaluated(rules=[{"name": "requests", "span": "request"}], max_per_minute=2)
    for _ in range(5):
        with made.tracer.start_as_current_span("request"):
            pass  # nothing of GenAI
        made.call()  # no rule holds
    made.flushed()
    assert made.accounts.dropped_by == {"nothing_to_evaluate": 5}
    for _ in range(3):
        made.chat()
    assert len(made.flushed()) == 2
    assert made.accounts.dropped_by == {"nothing_to_evaluate": 5, "rate_limit": 1}


def test_the_highest_rate_marks_the_spans_whatever_the_order(evaluated: Make) -> None:
    low = {"name": "low", "service": "twin", "rate": 0.5}
    high = {"name": "high", "baggage": {"evaluate": "yes"}, "rate": 1}
    token = context.attach(baggage.set_baggage("evaluate", "yes"))
    try:
        for rules in ([low, high], [high, low]):
            made = evaluated(0.25, rules=rules)
            for _ in range(50):
                made.chat()
            assert {item["rate"] for item in made.flushed()} == {1.0}
            assert {(span.attributes or {})[RATE] for span in made.spans} == {1.0}
    finally:
        context.detach(token)


@pytest.mark.parametrize("first", ["high", "low"])
def test_of_two_local_roots_in_a_trace_the_higher_rate_stays(first: str, evaluated: Make) -> None:
    made = evaluated(
        rules=[
            {"name": which, "baggage": {which: "yes"}, "rate": 1 - (which == "low") / 2} for which in ("high", "low")
        ]
    )
    low_position = SpanContext(REMOTE.trace_id & ~(2**64 - 1) | 7, 1, is_remote=True, trace_flags=TraceFlags(1))
    remote = trace.set_span_in_context(NonRecordingSpan(low_position))
    names = ("high", "low") if first == "high" else ("low", "high")
    spans = [made.tracer.start_span("request", baggage.set_baggage(name, "yes", remote)) for name in names]
    for span in spans:
        span.set_attribute("gen_ai.operation.name", "chat")
    last = made.tracer.start_span("chat m", trace.set_span_in_context(spans[1]))
    last.end()
    assert (made.spans[0].attributes or {})[RATE] == 1.0
    for span in spans:
        span.end()
    assert {item["rate"] for item in made.flushed()} == {1.0}


def test_a_child_of_another_providers_span_is_a_local_root(evaluated: Make) -> None:
    made = evaluated(1.0)
    with TracerProvider().get_tracer("other").start_as_current_span("foreign"):
        made.chat()
    assert made.item["name"] == "request"


def test_a_parent_of_another_provider_counts_wherever_it_comes_from(evaluated: Make) -> None:
    """The context of a span may be given, and another be current."""
    made = evaluated(1.0, grace=3600.0)
    foreign = trace.set_span_in_context(TracerProvider().get_tracer("other").start_span("foreign"))
    root = made.tracer.start_span("request", foreign)
    made.tracer.start_span("chat m", trace.set_span_in_context(root), attributes={"gen_ai.system": "x"}).end()
    root.end()
    assert (made.item["name"], made.item["spans"]) == ("request", 2)


def test_a_trace_keeps_the_highest_rate_of_its_local_roots(evaluated: Make) -> None:
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    from otel_llm.evaluation.sampling.decision import Beginning

    made = evaluated(1.0, grace=3600.0)
    remote = SpanContext(7, 8, is_remote=True, trace_flags=TraceFlags(1))
    parent = set_span_in_context(NonRecordingSpan(remote))
    first = made.tracer.start_span("first", parent)
    books = made.sampler._books
    assert books.begin(7, 9, 1.0, Beginning(0, {}, {"rate": 0.25}, False)) == 1.0
    assert first.attributes["otel_llm.eval.rate"] == 1.0  # type: ignore[attr-defined]
    first.end()
