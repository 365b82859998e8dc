"""What runs inside ``not_evaluated()`` is not sampled for evaluation."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator

import pytest
from evaluating import SAMPLED, Evaluated, message
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Status, StatusCode

from otel_llm.evaluation import not_evaluated

Make = Callable[..., Evaluated]


def test_a_trace_inside_is_not_sampled(evaluated: Make) -> None:
    made = evaluated(1.0, rules=[{"name": "chats", "operation": "chat"}, {"name": "all", "service": "twin"}])
    with not_evaluated():
        made.chat()
        assert baggage.get_all() == {}
    assert made.flushed() == []
    assert [(span.attributes or {})[SAMPLED] for span in made.spans] == [False, False]
    assert made.accounts.not_sampled_by == {"not_evaluated": 1}
    assert made.accounts.all_traces == 0, "judges are none of the traffic that the rate is a share of"
    made.chat()
    assert made.item["sampled_by"] == ["rate", "all", "chats"]
    assert made.metrics()["traces", "not_sampled", "not_evaluated"] == 1


def test_the_context_that_a_span_is_given_decides(evaluated: Make) -> None:
    """A worker starts its spans with the context that came with the work, while its own is current."""
    made = evaluated(1.0)
    with not_evaluated():
        excluded = context.get_current()
    foreign = TracerProvider().get_tracer("web").start_span("GET /")
    for parent in (excluded, trace.set_span_in_context(foreign, excluded)):
        made.tracer.start_span("request", parent).end()
    with made.tracer.start_as_current_span("request") as root:
        judge = made.tracer.start_span("judge", trace.set_span_in_context(root, excluded))
        made.call()
        judge.end()
    assert made.item["spans"] == 2
    assert [(span.attributes or {})[SAMPLED] for span in made.spans] == [False, False, True, False, True]
    assert made.accounts.not_sampled_by == {"not_evaluated": 2}


def test_spans_inside_a_sampled_trace_are_left_out_of_its_item(evaluated: Make) -> None:
    made = evaluated(1.0, capture_content=True)
    with made.tracer.start_as_current_span("request"):
        made.call(gen_ai__output__messages=message("assistant", "the answer"), gen_ai__usage__input_tokens=1)
        with not_evaluated(), made.tracer.start_as_current_span("judge") as judge:
            assert not made.sampler.captures(judge)
            made.call(gen_ai__output__messages=message("assistant", "5 of 5"), gen_ai__usage__input_tokens=100)
    item = made.item
    assert (item["answer"], item["usage"], item["spans"]) == ("the answer", {"input_tokens": 1}, 2)
    assert made.accounts.sampled_by == {"rate": 1}
    assert made.accounts.not_sampled_by == {}


def test_errors_inside_are_no_errors_of_the_trace(evaluated: Make) -> None:
    made = evaluated(rules=[{"name": "errors", "error": True}])
    with made.tracer.start_as_current_span("request"):
        with not_evaluated():
            span = made.tracer.start_span("chat judge", attributes={"gen_ai.operation.name": "chat"})
            span.record_exception(ValueError())
            span.set_status(Status(StatusCode.ERROR))
            span.end()
        made.call()
    assert made.flushed() == []
    assert made.accounts.not_sampled_by == {"no_rule": 1}


async def test_tasks_and_threads_with_the_context_are_inside(evaluated: Make) -> None:
    made = evaluated(1.0)

    async def judge() -> None:
        await asyncio.sleep(0)
        made.chat()

    with not_evaluated():
        await asyncio.gather(judge(), judge())
        thread = threading.Thread(target=contextvars.copy_context().run, args=(made.chat,))
        thread.start()
        thread.join()
    assert made.flushed() == []
    assert made.accounts.not_sampled_by == {"not_evaluated": 3}


def test_an_error_inside_passes_and_ends_it(evaluated: Make) -> None:
    made = evaluated(1.0)
    with pytest.raises(KeyError, match="of the judge"), not_evaluated():
        raise KeyError("of the judge")
    made.chat()
    assert made.item["sampled_by"] == ["rate"]


def test_without_a_sampler_it_costs_nothing_and_breaks_nothing() -> None:
    with not_evaluated(), not_evaluated():
        pass


def test_the_other_ways_to_use_it(evaluated: Make) -> None:
    made = evaluated(1.0)

    @not_evaluated()
    def judge(score: int) -> int:
        made.chat()
        return score

    @not_evaluated()
    async def judge_async(score: int) -> int:
        await asyncio.sleep(0)
        made.chat()
        return score

    async def within() -> None:
        around = not_evaluated()
        async with around, around:
            made.chat()
        assert await judge_async(2) == 2

    assert judge(1) == 1
    asyncio.run(within())
    assert made.flushed() == []
    made.chat()
    assert len(made.flushed()) == 1
    with pytest.raises(TypeError, match="a generator runs when it is iterated"):

        @not_evaluated()
        def generating() -> Iterator[int]:
            yield 1


async def test_an_error_and_a_cancellation_leave_it() -> None:
    async def failing() -> None:
        async with not_evaluated():
            raise ValueError

    before = context.get_current()
    with pytest.raises(ValueError):  # noqa: PT011
        await failing()
    assert context.get_current() is before
