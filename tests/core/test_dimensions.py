"""Whatever names a caller makes up, the metrics keep a bounded number of time series; spans keep the names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.trace import SpanKind

from otel_llm.background import deferred
from otel_llm.config import Settings
from otel_llm.core import dimensions, nesting
from otel_llm.core.dimensions import MAX_SERIES, MAX_VALUES, OVERFLOW, Dimensions
from otel_llm.core.local_call import InProcessCall
from otel_llm.core.request import Request, Response
from otel_llm.core.scopes import SCOPES
from otel_llm.core.telemetry import Telemetry

NAMES = 10_000


@pytest.fixture
def telemetry(lenient: Any) -> Iterator[Telemetry]:
    SCOPES.forget()
    many = Settings(metrics_max_series=1_000_000)
    yield Telemetry("otel_llm.test", many, lenient.tracer_provider, lenient.meter_provider, lenient.logger_provider)
    SCOPES.forget()


def values(recorder: Any, metric: str, name: str) -> list[str]:
    return [point.attributes.get(name) for point in recorder.points(metric)]


@pytest.mark.parametrize(
    ("operation", "name", "metric"),
    [
        ("invoke_workflow", "gen_ai.workflow.name", "gen_ai.workflow.duration"),
        ("invoke_agent", "gen_ai.agent.name", "gen_ai.invoke_agent.duration"),
        ("execute_tool", "gen_ai.tool.name", "gen_ai.execute_tool.duration"),
    ],
)
def test_a_run_with_a_name_per_request(
    lenient: Any, telemetry: Telemetry, operation: str, name: str, metric: str
) -> None:
    for number in range(NAMES):
        attributes = {"gen_ai.operation.name": operation, name: f"run-{number}", "gen_ai.tool.type": "function"}
        request = Request(operation, f"run-{number}", attributes, 0, kind=SpanKind.INTERNAL)
        InProcessCall.begin(telemetry, request).finish()
    deferred.catch_up()
    seen = values(lenient, metric, name)
    assert len(seen) == MAX_VALUES + 1
    assert OVERFLOW in seen
    assert sum(point.count for point in lenient.points(metric)) == NAMES
    assert {span.attributes[name] for span in lenient.spans} == {f"run-{number}" for number in range(NAMES)}


@pytest.mark.parametrize("name", ["gen_ai.request.model", "gen_ai.response.model", "server.address", "error.type"])
def test_a_call_with_a_name_per_request(lenient: Any, telemetry: Telemetry, name: str) -> None:
    for number in range(NAMES):
        attributes = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "own", "gen_ai.request.model": "m"}
        if name in ("gen_ai.request.model", "server.address"):
            attributes[name] = f"one-{number}"
        model = f"one-{number}" if name == "gen_ai.response.model" else "m"
        error = f"one-{number}" if name == "error.type" else None
        nesting.start(telemetry, Request("chat", attributes["gen_ai.request.model"], attributes)).finish(
            Response(model=model, error=error)
        )
    deferred.catch_up()
    seen = values(lenient, "gen_ai.client.operation.duration", name)
    assert len(seen) == MAX_VALUES + 1
    assert OVERFLOW in seen
    assert len(values(lenient, "otel_llm.client.active_calls", name)) <= MAX_VALUES + 1
    assert len({span.attributes[name] for span in lenient.spans}) == NAMES


def test_one_name_that_overflows_leaves_the_others() -> None:
    known = Dimensions()
    for number in range(NAMES):
        bounded = known.bounded({"gen_ai.agent.name": f"a-{number}", "gen_ai.request.model": f"m-{number % 3}"})
        assert bounded["gen_ai.request.model"] == f"m-{number % 3}"
    assert bounded["gen_ai.agent.name"] == OVERFLOW
    assert known.bounded({"gen_ai.agent.name": "a-7", "gen_ai.request.model": "m-1"})["gen_ai.agent.name"] == "a-7"


def test_combinations_are_bounded_too() -> None:
    known, series = Dimensions(), set()
    for agent in range(150):
        for tool in range(150):
            bounded = known.bounded({"gen_ai.agent.name": f"a-{agent}", "gen_ai.tool.name": f"t-{tool}", "kind": "k"})
            series.add(tuple(bounded.items()))
    assert len(series) == MAX_SERIES + 1
    assert ("kind", "k") in next(iter(series))


def test_what_is_kept_of_names_is_bounded() -> None:
    known = Dimensions()
    for number in range(NAMES):
        known.bounded({"gen_ai.agent.name": f"a-{number}", "gen_ai.prompt.name": f"p-{number}"})
    assert sum(map(len, known._values.values())) <= 2 * MAX_VALUES
    assert len(known._prompts) == MAX_VALUES
    assert max(len(known._series), len(known._known)) <= dimensions.MAX_SERIES


def test_what_the_answer_tells_is_clean(lenient: Any, telemetry: Telemetry) -> None:
    """One half of an emoji would cost every later export of the metrics."""
    key, model = "gsk_" + "A1b2C3d4E5f6G7h8I9j0", "m \ud83d"
    for told in (key, model):
        attributes = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "own", "gen_ai.request.model": "m"}
        call = nesting.start(telemetry, Request("chat", "m", attributes))
        call.chunk(call.started_ns + 1_000)
        call.chunk(call.started_ns + 2_000)
        call.finish(
            Response(
                model=told,
                usage={"gen_ai.usage.input_tokens": 1},
                metric_attributes={"openai.response.service_tier": told},
            )
        )
    deferred.catch_up()
    for name in ("operation.duration", "token.usage", "operation.time_per_output_chunk"):
        assert set(values(lenient, f"gen_ai.client.{name}", "gen_ai.response.model")) == {"[SECRET]", "m ?"}
    assert set(values(lenient, "gen_ai.client.operation.duration", "openai.response.service_tier")) == {
        "[SECRET]",
        "m ?",
    }
