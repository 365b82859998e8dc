"""Prompt and variant as dimensions, within bounds; and the calls that are under way."""

from __future__ import annotations

import asyncio
import gc
import weakref
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.context import get_current

import otel_llm
from otel_llm import MetricGeneration, Settings
from otel_llm.background import deferred
from otel_llm.core import dimensions
from otel_llm.core.scopes import SCOPES

ASK: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
ACTIVE = "otel_llm.client.active_calls"


def led_by(**attributes: str) -> Any:
    return SimpleNamespace(attributes=lambda: attributes)


def prompt(name: str, version: str) -> Any:
    return led_by(
        **{"gen_ai.prompt.name": name, "gen_ai.prompt.version": version, "otel_llm.prompt.template.hash": "h"}
    )


EXPERIMENT = led_by(**{"otel_llm.experiment.id": "tone", "otel_llm.experiment.variant": "b"})


@pytest.fixture(autouse=True)
def fresh() -> None:
    SCOPES.forget()


@pytest.mark.parametrize("generation", MetricGeneration)
def test_every_metric_of_a_call_is_split(lenient: Any, client: Any, generation: MetricGeneration) -> None:
    lenient.instrument(Settings(metrics=generation))
    with otel_llm.propagate_attributes(prompt=prompt("greeting", "2"), experiment=EXPERIMENT):
        client.chat.completions.create(**ASK)
        for _ in client.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True}):
            pass
    wanted = {
        "gen_ai.prompt.name": "greeting",
        "gen_ai.prompt.version": "2",
        "otel_llm.experiment.id": "tone",
        "otel_llm.experiment.variant": "b",
    }
    seen = set()
    for resource in lenient.metrics.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    if metric.name != ACTIVE:
                        seen.add(metric.name)
                        assert wanted.items() <= dict(point.attributes).items(), metric.name
    assert len(seen) >= 6


def test_what_runs_in_the_process_is_split_by_experiment(lenient: Any) -> None:
    with (
        otel_llm.propagate_attributes(prompt=prompt("greeting", "2"), experiment=EXPERIMENT),
        otel_llm.workflow_span("w"),
    ):
        pass
    (point,) = lenient.points("gen_ai.workflow.duration")
    assert point.attributes["otel_llm.experiment.variant"] == "b"
    assert "gen_ai.prompt.name" not in point.attributes


def test_they_are_bounded(lenient: Any) -> None:
    lenient.instrument(Settings(metrics_max_series=1_000_000))
    for version in range(dimensions.MAX_VALUES + 50):
        with otel_llm.propagate_attributes(prompt=prompt("greeting", str(version))), otel_llm.chat_span("m", "own"):
            pass
    points = lenient.points("gen_ai.client.operation.duration")
    assert len(points) == dimensions.MAX_VALUES + 1
    (beyond,) = (point for point in points if point.attributes["gen_ai.prompt.version"] == dimensions.OVERFLOW)
    assert beyond.count == 50
    assert beyond.attributes["gen_ai.prompt.name"] == dimensions.OVERFLOW


def under_way(recorder: Any) -> dict[str, int]:
    return {point.attributes["gen_ai.operation.name"]: point.value for point in recorder.points(ACTIVE)}


async def test_calls_under_way(lenient: Any, client: Any) -> None:
    client.chat.completions.create(**ASK)
    assert under_way(lenient) == {}
    with otel_llm.workflow_span("w"):
        stream = client.chat.completions.create(**ASK, stream=True)
        next(stream)
        assert under_way(lenient) == {"invoke_workflow": 1, "chat": 1}
        stream.close()
        assert under_way(lenient) == {"invoke_workflow": 1, "chat": 0}

        async def call() -> None:
            with otel_llm.chat_span("m", "own"):
                await asyncio.Event().wait()

        tasks = [asyncio.create_task(call()) for _ in range(3)]
        await asyncio.sleep(0)
        totals = lenient.points(ACTIVE)
        assert sum(point.value for point in totals if point.attributes["gen_ai.operation.name"] == "chat") == 3
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert set(under_way(lenient).values()) == {0}


def test_a_context_that_is_kept_keeps_no_call(lenient: Any) -> None:
    """A task begun inside may live as long as the program."""
    with otel_llm.chat_span("m", "own") as call:
        kept = get_current()
        reference = weakref.ref(call._call)
    gc.collect()
    assert kept
    assert reference() is None


def test_nothing_is_kept(lenient: Any, client: Any) -> None:
    """Whatever the way out: nothing of ours grows."""

    class Mark(str):
        __slots__ = ("__weakref__",)

    @otel_llm.observe
    def pieces() -> Any:
        yield 1
        yield 2

    @otel_llm.observe(capture=True)
    def step(mark: str) -> str:
        return mark

    marks: Any = weakref.WeakSet()
    before = None
    for turn in range(300):
        mark = Mark(f"m-{turn}")
        marks.add(mark)
        with otel_llm.propagate_attributes(session_id=mark, tags=["t"]), otel_llm.agent_span("a"):
            with otel_llm.tool_span("t"), otel_llm.chat_span("m", "own", messages=mark) as call:
                call.chunk(mark)
            step(mark)
            list(pieces())
            next(pieces())
            with pytest.raises(ZeroDivisionError), otel_llm.step_span("s"):
                1 / 0  # noqa: B018
        del mark, call
        lenient.span_exporter.clear()
        lenient.log_exporter.clear()
        if turn == 100:
            deferred.catch_up()
            gc.collect()
            before = len(gc.get_objects())
    deferred.catch_up()
    gc.collect()
    assert SCOPES.under_way() == 0
    assert len(marks) == 0
    assert before is not None
    assert len(gc.get_objects()) < before + 1000
