"""However many names there are, a process makes no more time series than it is allowed to, over all instruments."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import HistogramDataPoint
from opentelemetry.trace import SpanKind

import otel_llm
from otel_llm.background import deferred
from otel_llm.config import Settings
from otel_llm.config.choices import ChunkMetrics, MetricGeneration
from otel_llm.core import nesting
from otel_llm.core.dimensions import OVERFLOW, Fixed
from otel_llm.core.local_call import InProcessCall
from otel_llm.core.request import Request, Response
from otel_llm.core.scopes import SCOPES
from otel_llm.core.series import ScopeSeries, SeriesBudget
from otel_llm.core.telemetry import Telemetry

LIMIT = 2000
DURATION = "gen_ai.client.operation.duration"


@pytest.fixture(autouse=True)
def afresh() -> Iterator[None]:
    SCOPES.forget()
    yield
    SCOPES.forget()


def telemetry(lenient: Any, scope: str = "otel_llm.test", settings: Settings | None = None) -> Telemetry:
    return Telemetry(scope, settings, lenient.tracer_provider, lenient.meter_provider, lenient.logger_provider)


def call(recorder: Telemetry, model: str = "m", error: str | None = None, streamed: bool = False, **more: Any) -> None:
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "own", "gen_ai.request.model": model, **more}
    begun = nesting.start(recorder, Request("chat", model, attributes))
    if streamed:
        begun.chunk(begun.started_ns + 1, model)
        begun.chunk(begun.started_ns + 100_000_001, model)
    usage = {} if error else {"gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 7}
    begun.finish(Response(model=model, error=error, usage=usage))


def lines(recorder: Any) -> int:
    """The lines that a page for Prometheus has for all metrics."""
    deferred.catch_up()
    total = 0
    for resource in recorder.metrics.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    total += len(point.bucket_counts) + 2 if isinstance(point, HistogramDataPoint) else 1
    return total


@pytest.mark.parametrize("generation", [MetricGeneration.RELEASED, MetricGeneration.BOTH])
def test_the_worst_case_of_a_process(lenient: Any, generation: MetricGeneration) -> None:
    """Three servers, five models, twenty versions of a prompt, ten errors, and many agents and tools; twice."""
    settings = Settings(metrics=generation, chunk_metrics=ChunkMetrics.ALL)
    for scope in ("otel_llm.openai", "otel_llm.langchain"):
        recorder = telemetry(lenient, scope, settings)
        answered = itertools.product(range(3), range(5), range(20), [None])
        failed = itertools.product(range(3), range(5), range(1), range(10))
        for server, model, version, error in (*answered, *failed):
            prompt = {"gen_ai.prompt.name": "answer", "gen_ai.prompt.version": str(version)}
            where = {"server.address": f"s-{server}"}
            call(recorder, f"m-{model}", None if error is None else f"E{error}", error is None, **prompt, **where)
        for operation, name in (("invoke_agent", "gen_ai.agent.name"), ("execute_tool", "gen_ai.tool.name")):
            for number in range(200):
                attributes = {"gen_ai.operation.name": operation, name: f"n-{number}"}
                asked = Request(operation, f"n-{number}", attributes, 0, kind=SpanKind.INTERNAL)
                InProcessCall.begin(recorder, asked).finish()
    assert 0.6 * LIMIT < lines(lenient) <= LIMIT
    assert sum(point.count for point in lenient.points(DURATION) if "error.type" not in point.attributes) >= 600


def test_models_have_room_beside_any_number_of_prompts(lenient: Any) -> None:
    recorder = telemetry(lenient)
    for number in range(1000):
        call(recorder, **{"gen_ai.prompt.name": f"p-{number}"})
    for model in ("late", "later"):
        call(recorder, model)
        call(recorder, model, "timeout")
    deferred.catch_up()
    seen = {
        (point.attributes["gen_ai.request.model"], point.attributes.get("error.type"))
        for point in lenient.points(DURATION)
    }
    assert {(model, error) for model in ("late", "later") for error in (None, "timeout")} <= seen
    assert lines(lenient) <= LIMIT
    assert OVERFLOW in {point.attributes.get("gen_ai.prompt.name") for point in lenient.points(DURATION)}


def test_every_call_and_every_error_is_counted(lenient: Any) -> None:
    recorder = telemetry(lenient)
    for number in range(500):
        call(recorder, f"m-{number}")
        call(recorder, f"m-{number}", f"E-{number}")
    deferred.catch_up()
    points = lenient.points(DURATION)
    assert sum(point.count for point in points) == 1000
    assert sum(point.count for point in points if "error.type" in point.attributes) == 500


def test_a_prompt_is_given_up_before_a_model(lenient: Any) -> None:
    recorder = telemetry(lenient, settings=Settings(metrics_max_series=1000))
    for number in range(30):
        call(recorder, f"m-{number % 3}", **{"gen_ai.prompt.name": f"p-{number}"})
    deferred.catch_up()
    given_up = [point for point in lenient.points(DURATION) if point.attributes["gen_ai.prompt.name"] == OVERFLOW]
    assert {point.attributes["gen_ai.request.model"] for point in given_up} == {"m-0", "m-1", "m-2"}
    assert lines(lenient) <= 1000


def test_instruments_made_again_count_nothing_twice(lenient: Any) -> None:
    for _ in range(100):
        call(telemetry(lenient))
    deferred.catch_up()
    (point,) = lenient.points(DURATION)
    assert (point.count, point.attributes["gen_ai.request.model"]) == (100, "m")


def test_what_has_no_room_at_all_is_told_once(quiet: Any) -> None:
    budget = SeriesBudget(10)
    series = ScopeSeries(budget)
    assert series.of("first", 10).within({"error.type": "e"}) == {"error.type": OVERFLOW}
    for name in ("second", "third"):
        assert series.of(name, 10).within({"gen_ai.request.model": "m"}) is None
    assert quiet.text.count("limit of 10 time series") == 1
    quiet.clear()


def test_a_tenant_splits_spans_and_metrics(lenient: Any) -> None:
    for tenant in ("acme", "globex"):
        with otel_llm.propagate_attributes(tenant_id=tenant):
            call(telemetry(lenient))
    deferred.catch_up()
    for metric in (DURATION, "gen_ai.client.token.usage"):
        assert {point.attributes["otel_llm.tenant.id"] for point in lenient.points(metric)} == {"acme", "globex"}
    assert [span.attributes["otel_llm.tenant.id"] for span in lenient.spans] == ["acme", "globex"]


def test_attributes_that_never_change_are_told_apart_by_instrument(quiet: pytest.LogCaptureFixture) -> None:
    series = ScopeSeries(SeriesBudget(20))
    fixed = Fixed({"gen_ai.request.model": "m"})
    first, second = series.of("first"), series.of("second", 30)
    for _ in range(2):
        assert first.within(fixed) == {"gen_ai.request.model": "m"}
        assert second.within(fixed) is None
    quiet.clear()
