"""Rules: what a trace is sampled for beside the rate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from evaluating import RATE, SAMPLED, Evaluated, interval, message
from opentelemetry import baggage
from opentelemetry.trace import Status, StatusCode

from otel_llm.evaluation import Rule
from otel_llm.evaluation.sampling.rate_limit import TokenBucket

Make = Callable[..., Evaluated]


def _plain(made: Evaluated) -> None:
    made.chat(gen_ai__usage__input_tokens=10, gen_ai__response__finish_reasons=("stop",))


def _failed(made: Evaluated) -> None:
    with made.tracer.start_as_current_span("request"):
        span = made.tracer.start_span("chat m", attributes={"gen_ai.operation.name": "chat"})
        span.set_status(Status(StatusCode.ERROR))
        span.end()


def _lasting(name: str, seconds: float, **attributes: Any) -> Callable[[Evaluated], None]:
    def happen(made: Evaluated) -> None:
        given = {"gen_ai.operation.name": "chat"} | attributes
        start = 1_700_000_000_000_000_000
        made.tracer.start_span(name, attributes=given, start_time=start).end(start + int(seconds * 1e9))

    return happen


def _calls(*tokens: int) -> Callable[[Evaluated], None]:
    def happen(made: Evaluated) -> None:
        with made.tracer.start_as_current_span("request"):
            for count in tokens:
                made.call(gen_ai__usage__input_tokens=count, gen_ai__usage__output_tokens=1)

    return happen


def _attributes(**given: Any) -> Callable[[Evaluated], None]:
    return lambda made: made.chat(**given)


HOLDING = [
    ({"error": True}, _failed, _plain),
    ({"latency_over": 10}, _lasting("request", 10.5), _lasting("request", 10)),
    ({"tokens_over": 100}, _calls(60, 60), _calls(49, 49)),
    ({"tokens_over": 100, "operation": "chat"}, _calls(100), _calls(60, 60)),
    (
        {"finish_reason": ["length", "content_filter"]},
        _attributes(gen_ai__response__finish_reasons=("stop", "length")),
        _plain,
    ),
    # In a provider's words too: the span has the conventions'.
    ({"finish_reason": "tool_calls"}, _attributes(gen_ai__response__finish_reasons=("tool_call",)), _plain),
    ({"operation": "chat"}, _plain, lambda made: made.chat(gen_ai__operation__name="embeddings")),
    ({"operation": "step"}, _attributes(otel_llm__operation__name="step"), _plain),
    ({"span": ["request", "x"]}, _plain, _lasting("other", 1)),
    ({"prompt": "writer"}, _attributes(gen_ai__prompt__name="writer"), _plain),
    (
        {"prompt": "writer", "prompt_version": ["7", "8"]},
        _attributes(gen_ai__prompt__name="writer", gen_ai__prompt__version="7"),
        _attributes(gen_ai__prompt__name="writer", gen_ai__prompt__version="6"),
    ),
    (
        {"experiment": "tone", "variant": "b"},
        _attributes(otel_llm__experiment__id="tone", otel_llm__experiment__variant="b"),
        _attributes(otel_llm__experiment__id="tone", otel_llm__experiment__variant="a"),
    ),
    ({"attribute": {"app.flag": True, "app.n": 1}}, _attributes(app__flag=True, app__n=1), _attributes(app__flag=True)),
    ({"attribute": {"app.tags": ["a", "b"]}}, _attributes(app__tags=["a", "b"]), _attributes(app__tags=["a"])),
    ({"service": ["twin", "shop"], "operation": "chat"}, _plain, _lasting("x", 1, **{"gen_ai.operation.name": "x"})),
    (
        {"latency_over": 5, "operation": "chat"},  # of one span, not of two
        _lasting("request", 6),
        _lasting("request", 6, **{"gen_ai.operation.name": "invoke_agent"}),
    ),
]


@pytest.mark.parametrize(("rule", "holds", "does_not"), HOLDING, ids=[str(rule) for rule, _, _ in HOLDING])
def test_a_rule_holds(rule: Any, holds: Callable[..., None], does_not: Callable[..., None], evaluated: Make) -> None:
    made = evaluated(rules=[{"name": "mine", **rule}])
    does_not(made)
    assert made.flushed() == []
    assert made.accounts.not_sampled_by == {"no_rule": 1}
    holds(made)
    assert made.item["sampled_by"] == ["mine"]
    assert "rate" not in made.item
    assert made.accounts.sampled_by == {"mine": 1}
    # It was not known when they began, and spans that have ended stay as they are.
    assert not any(SAMPLED in (span.attributes or {}) for span in made.spans)


def test_attributes_of_other_types_than_expected(evaluated: Make) -> None:
    made = evaluated(rules=[{"finish_reason": "stop"}, {"prompt": "x"}, {"tokens_over": 1}, {"attribute": {"a": 1}}])
    for value in (3, True, "stop", [3, 4], {"a": ["b"]}):
        made.chat(
            gen_ai__response__finish_reasons=value,
            gen_ai__prompt__name=value,
            gen_ai__usage__input_tokens=value,
            a=value,
        )
    assert [item["sampled_by"] for item in made.flushed()] == [["rule 3"]]
    assert made.accounts.not_sampled_by == {"no_rule": 4}


def test_a_rule_of_another_service(evaluated: Make) -> None:
    made = evaluated(rules=[{"service": "shop", "operation": "chat"}])
    _plain(made)
    assert made.flushed() == []
    assert len(made.sampler._books.traces) == 0


def test_all_that_held_are_named_and_the_first_is_counted(evaluated: Make) -> None:
    made = evaluated(1.0, rules=[{"name": "failed", "error": True}, {"name": "chats", "operation": "chat"}])
    _failed(made)
    assert made.item["sampled_by"] == ["rate", "failed", "chats"]
    assert made.accounts.sampled_by == {"rate": 1}


def test_the_rate_of_a_rule(evaluated: Make) -> None:
    made = evaluated(rules=[{"name": "some", "operation": "chat", "rate": 0.3}], exported=False)
    for _ in range(2000):
        made.chat()
    made.flushed()
    low, high = interval(0.3, 2000)
    assert low <= len(made.items) <= high
    assert made.accounts.not_sampled_by == {"no_rule": 2000 - len(made.items)}


def test_the_traces_of_a_lower_rate_are_among_those_of_a_higher_one(evaluated: Make) -> None:
    made = evaluated(
        0.2,
        rules=[{"name": "half", "operation": "chat", "rate": 0.5}, {"name": "tenth", "span": "request", "rate": 0.1}],
    )
    for _ in range(500):
        made.chat()
    held = {tuple(item["sampled_by"]) for item in made.flushed()}
    assert held == {("half",), ("rate", "half"), ("rate", "half", "tenth")}


@pytest.mark.parametrize("key", ["baggage", "service"])
def test_what_is_known_at_the_start_marks_the_spans(key: str, evaluated: Make) -> None:
    rule = {"name": "early", key: {"evaluate": True} if key == "baggage" else "twin", "rate": 0.5}
    made = evaluated(0.1, rules=[rule, {"name": "of another", "baggage": {"evaluate": "no"}}])
    from opentelemetry import context

    token = context.attach(baggage.set_baggage("evaluate", "true"))
    try:
        for _ in range(300):
            made.chat()
    finally:
        context.detach(token)
    items = made.flushed()
    low, high = interval(0.5, 300)
    assert low <= len(items) <= high
    assert {item["rate"] for item in items} == {0.5}
    marked = [span for span in made.spans if (span.attributes or {}).get(SAMPLED)]
    assert len(marked) == 2 * len(items)
    assert {(span.attributes or {})[RATE] for span in marked} == {0.5}


def test_baggage_and_what_happened_together(evaluated: Make) -> None:
    made = evaluated(rules=[{"name": "both", "baggage": {"tenant": "acme"}, "error": True}])
    from opentelemetry import context

    _failed(made)
    token = context.attach(baggage.set_baggage("tenant", "acme"))
    try:
        _plain(made)
        _failed(made)
    finally:
        context.detach(token)
    assert made.item["sampled_by"] == ["both"]
    assert made.item["error_type"] == "_OTHER"


def test_spans_that_end_after_their_root_count(evaluated: Make) -> None:
    made = evaluated(rules=[{"name": "failed", "error": True}], grace=3600.0)
    with made.tracer.start_as_current_span("request"):
        late = made.tracer.start_span("chat m", attributes={"gen_ai.operation.name": "chat"})
    late.set_attribute("gen_ai.output.messages", message("assistant", "late"))
    late.set_status(Status(StatusCode.ERROR))
    late.end()
    assert made.item["sampled_by"] == ["failed"]
    assert made.item["answer"] == "late"


@pytest.mark.parametrize("outcome", ["cancelled", "closed", "abandoned"])
def test_an_answer_that_nobody_waited_for_is_no_error(evaluated: Make, outcome: str) -> None:
    made = evaluated(rules=[{"name": "failures", "error": True}])
    made.chat(otel_llm__stream__outcome=outcome)
    _failed(made)
    assert [item["sampled_by"] for item in made.flushed()] == [["failures"]]


def test_rules_of_one_s_own_making(evaluated: Make) -> None:
    made = evaluated(rules=[Rule.of({"name": "mine", "operation": "chat"})])
    _plain(made)
    assert made.item["sampled_by"] == ["mine"]


def test_a_bucket_refills_by_the_minute() -> None:
    bucket = TokenBucket(6)
    start = bucket._filled
    assert [bucket.take(start) for _ in range(8)] == [True] * 6 + [False] * 2
    assert not bucket.take(start + 9)
    assert bucket.take(start + 10.1)
    assert [bucket.take(start + 3600) for _ in range(7)] == [True] * 6 + [False]
    slow = TokenBucket(0.5)
    start = slow._filled
    assert [slow.take(start), slow.take(start + 60), slow.take(start + 121)] == [True, False, True]
