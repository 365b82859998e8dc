"""Local roots of which nothing is kept are counted, too, with the reason why."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from evaluating import Evaluated, balanced, empty
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from otel_llm.evaluation import Limits, not_evaluated

Make = Callable[..., Evaluated]


def test_a_sampled_trace_without_room_is_sampled_and_dropped(evaluated: Make, quiet: pytest.LogCaptureFixture) -> None:
    made = evaluated(1.0, limits=Limits(traces=1))
    with made.tracer.start_as_current_span("first"):
        made.call()
        made.tracer.start_span("second", trace.set_span_in_context(trace.INVALID_SPAN)).end()
    made.flushed()
    assert made.accounts.sampled_by == {"rate": 2}
    assert made.accounts.dropped_by == {"traces": 1}
    balanced(made)
    empty(made)
    made.provider.shutdown()
    quiet.clear()


def test_a_trace_without_room_is_not_said_to_match_no_rule(evaluated: Make) -> None:
    """Nobody knows whether a rule would have matched, unless each is for another service."""
    for service, reason in (("twin", "traces"), ("other", "no_rule")):
        rules = [{"name": "failed", "error": True, "service": service}]
        made = evaluated(rules=rules, limits=Limits(traces=1), grace=3600.0)
        first = made.tracer.start_span("first")
        made.tracer.start_span("second").end()
        first.end()
        made.flushed()
        expected = {"traces": 1, "no_rule": 1} if reason == "traces" else {"no_rule": 2}
        assert made.accounts.not_sampled_by == expected
        balanced(made)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_trace_stands_for_those_that_the_head_sampler_dropped(
    evaluated: Make, rate: float, quiet: pytest.LogCaptureFixture
) -> None:
    made = evaluated(rate, head=TraceIdRatioBased(0.5))
    for _ in range(20):
        made.chat()
    accounts = made.accounts
    assert 0 < accounts.offered < 20
    assert accounts.all_traces == accounts.offered * 2
    quiet.clear()  # that the head sampler keeps too few


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_trace_of_another_process_stands_for_itself(evaluated: Make, rate: float) -> None:
    """What that process dropped is not known here."""
    made = evaluated(rate, head=ALWAYS_ON)
    remote = SpanContext(7, 8, is_remote=True, trace_flags=TraceFlags(1))
    made.tracer.start_span("request", set_span_in_context(NonRecordingSpan(remote))).end()
    assert (made.accounts.offered, made.accounts.all_traces) == (1, 1)


def test_what_ends_after_the_shutdown_is_not_counted(evaluated: Make) -> None:
    made = evaluated(0.0)
    with not_evaluated():
        excluded = made.tracer.start_span("judge")
    others = [made.tracer.start_span("request") for _ in range(2)]
    made.sampler.shutdown()
    for span in (excluded, *others):
        span.end()
    assert made.accounts.offered == 0
