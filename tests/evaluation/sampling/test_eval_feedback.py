"""Rules take traces for feedback, as long as the sampler holds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from evaluating import Evaluated, StuckSink

from otel_llm.evaluation import Limits, Rules
from otel_llm.evaluation.sampling.feedback import SHARED, Said

Make = Callable[..., Evaluated]
DOWN, UP = Said("thumbs", 0.0, "down"), Said("thumbs", 1.0, "up")
RULE = {"name": "unhappy", "feedback": "negative"}


def _ask(made: Evaluated, **attributes: Any) -> str:
    with made.tracer.start_as_current_span("request", attributes=attributes) as span:
        made.tracer.start_span("chat m", attributes={"gen_ai.operation.name": "chat", **attributes}).end()
    return f"{span.get_span_context().trace_id:032x}"


def _items(made: Evaluated) -> list[Any]:
    return [(item["trace_id"], item["sampled_by"]) for item in made.flushed()]


@pytest.mark.parametrize("settled", [False, True], ids=["in its grace", "long after"])
def test_negative_feedback_takes_the_trace(evaluated: Make, settled: bool) -> None:
    made = evaluated(rules=[RULE], grace=0.0 if settled else 3600.0)
    happy, unhappy, silent = _ask(made), _ask(made), _ask(made)
    if settled:
        assert _items(made) == []
        assert made.accounts.offered == 0  # not decided yet
    assert SHARED.hear(happy, UP)
    assert SHARED.hear(unhappy, DOWN)
    assert _items(made) == [(unhappy, ["unhappy"])]
    made.sampler.shutdown()
    accounts = made.accounts
    assert (accounts.offered, accounts.sampled_by, accounts.not_sampled_by) == (3, {"unhappy": 1}, {"no_rule": 2})
    assert not SHARED.hear(silent, DOWN)


def test_feedback_during_the_request(evaluated: Make) -> None:
    made = evaluated(rules=[RULE])
    with made.tracer.start_as_current_span("request", attributes={"gen_ai.operation.name": "chat"}) as span:
        assert SHARED.hear(f"{span.get_span_context().trace_id:032x}", DOWN)
    assert len(_items(made)) == 1


def test_feedback_while_the_rules_are_asked(evaluated: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    made = evaluated(rules=[RULE], grace=3600.0)
    trace_id = _ask(made)
    outcomes = made.sampler._books._outcomes
    asked = outcomes.of

    def then_heard(*given: Any) -> str | None:
        outcome = asked(*given)
        monkeypatch.undo()
        SHARED.hear(trace_id, DOWN)
        return outcome

    monkeypatch.setattr(outcomes, "of", then_heard)
    made.flushed()
    assert _items(made) == [(trace_id, ["unhappy"])]


def test_what_is_no_longer_held(evaluated: Make) -> None:
    made = evaluated(rules=[RULE], feedback_hold=0.0)
    trace_id = _ask(made)
    assert _items(made) == []
    assert not SHARED.hear(trace_id, DOWN)
    assert made.accounts.not_sampled_by == {"no_rule": 1}
    assert not SHARED.hear("ab" * 16, DOWN)


def test_nothing_is_held_that_no_rule_may_take(evaluated: Make) -> None:
    made = evaluated(rules=[{**RULE, "operation": "invoke_agent"}, {"name": "errors", "error": True}])
    trace_id = _ask(made)
    made.flushed()
    assert not SHARED.hear(trace_id, DOWN)
    assert made.accounts.not_sampled_by == {"no_rule": 1}


def test_the_oldest_give_way(evaluated: Make) -> None:
    made = evaluated(rules=[RULE], limits=Limits(traces=6))
    traces = []
    for _ in range(5):
        traces.append(_ask(made))
        made.flushed()
    assert [SHARED.hear(trace_id, DOWN) for trace_id in traces] == [False, False, True, True, True]
    assert [trace_id for trace_id, _ in _items(made)] == traces[2:]
    assert made.accounts.not_sampled == 2


def test_they_take_no_more_than_half_of_the_memory(evaluated: Make) -> None:
    made = evaluated(rules=[RULE], limits=Limits(bytes=100_000))
    for _ in range(100):
        _ask(made, words="w" * 1000)
        made.flushed()
    assert made.sampler._books.traces.bytes <= 50_000
    assert made.accounts.dropped_by == {}


def test_feedback_while_the_queue_is_full(evaluated: Make) -> None:
    sink = StuckSink()
    made = evaluated(rules=[RULE, {"name": "now", "span": "now"}], sink=sink, limits=Limits(queue=1))
    held = _ask(made)
    made.flushed()
    for waiting in (False, True):
        made.tracer.start_span("now", attributes={"gen_ai.operation.name": "chat"}).end()
        assert waiting or sink.entered.wait(20)
    assert SHARED.hear(held, DOWN)
    assert made.accounts.not_sampled_by == {"queue_full": 1}
    sink.open.set()


def test_a_trace_that_lost_its_spans_is_not_held(evaluated: Make) -> None:
    made = evaluated(rules=[RULE], grace=3600.0, limits=Limits(bytes=50_000))
    with made.tracer.start_as_current_span("request", attributes={"gen_ai.operation.name": "chat"}):
        late = made.tracer.start_span("late", attributes={"words": "w" * 60_000})
    late.end()
    made.flushed()
    assert made.accounts.not_sampled_by == {"memory": 1}


def test_the_latest_feedback_on_a_trace_is_kept(evaluated: Make) -> None:
    made = evaluated(rules=[RULE], grace=3600.0)
    for others, taken in ((31, True), (32, False)):
        trace_id = _ask(made)
        assert SHARED.hear(trace_id, DOWN)
        for _ in range(others):
            SHARED.hear(trace_id, UP)
        assert len(made.sampler._books.traces.get(int(trace_id, 16)).said) == 32  # type: ignore[union-attr]
        assert (trace_id in dict(_items(made))) is taken


def test_what_has_been_held_long_enough_is_passed_over(evaluated: Make) -> None:
    made = evaluated(rules=[RULE], feedback_hold=1000.0)
    trace_id = _ask(made)
    made.flushed()
    books = made.sampler._books
    books._hold = -1.0  # the time has passed
    books._tidy()
    assert not SHARED.hear(trace_id, DOWN)
    assert made.accounts.not_sampled_by == {"no_rule": 1}
    assert made.sampler._books.traces.bytes == 0


def test_a_trace_is_found_by_what_its_spans_carry(evaluated: Make) -> None:
    made = evaluated(rules=[RULE])
    said = {"gen_ai.response.id": "r7", "otel_llm.metadata.ticket": "T-7", "app.ticket": "T-8"}
    trace_id = _ask(made, **said)
    newer = _ask(made, **{"gen_ai.conversation.id": "c7"})
    newest = _ask(made, **{"gen_ai.conversation.id": "c7"})
    made.flushed()
    for name, value in said.items():
        place = SHARED.find(name, value)
        assert place is not None
        assert place.trace_id == trace_id
    assert SHARED.find("gen_ai.conversation.id", "c7").trace_id == newest != newer  # type: ignore[union-attr]
    assert SHARED.find("gen_ai.operation.name", "chat") is None
    SHARED.hear(newest, DOWN)
    made.flushed()
    assert SHARED.find("gen_ai.conversation.id", "c7") is None


@pytest.mark.parametrize(
    ("condition", "said", "taken"),
    [
        ("any", UP, True),
        ("negative", UP, False),
        ("negative", Said("stars", 2.0, None, "1-5"), True),
        ("negative", Said("stars", 3.0, None, "1-5"), False),
        ("negative", Said("odd", 0.4, None, "words"), True),
        ("negative", Said("clear", None, "No"), True),
        ("negative", Said("clear", None, "maybe"), False),
        ({"name": "thumbs"}, UP, True),
        ({"name": ["stars", "clear"]}, UP, False),
        ({"label": "up"}, UP, True),
        ({"name": "thumbs", "label": "down"}, UP, False),
        ({"score_below": 0.5}, DOWN, True),
        ({"score_below": 0.5}, UP, False),
        ({"score_below": 0.5}, Said("clear", None, "no"), False),
    ],
)
def test_conditions_on_feedback(evaluated: Make, condition: Any, said: Said, taken: bool) -> None:
    made = evaluated(rules=[{"name": "r", "feedback": condition}])
    SHARED.hear(_ask(made), said)
    assert bool(_items(made)) is taken


@pytest.mark.parametrize("condition", ["bad", True, {}, {"nam": "x"}, {"score_below": "x"}, {"label": 1.5j}])
def test_conditions_that_are_none(condition: Any) -> None:
    with pytest.raises(ValueError, match="rule 'r': feedback "):
        Rules.of([{"name": "r", "feedback": condition}])
