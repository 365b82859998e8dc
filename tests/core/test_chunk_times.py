"""The times between the chunks of a stream: which are recorded, when, and with which dimensions."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from otel_llm import ChunkMetrics, Settings
from otel_llm.background import deferred
from otel_llm.core import nesting
from otel_llm.core.chunk_times import MOST_KEPT, gaps_between
from otel_llm.core.request import Request, Response
from otel_llm.core.telemetry import Telemetry

GAPS = "gen_ai.client.operation.time_per_output_chunk"
FIRST = "gen_ai.client.operation.time_to_first_chunk"
MODEL = "gen_ai.response.model"
#: Two milliseconds from chunk to chunk.
GAP_NS = 2_000_000


def ask() -> Request:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "test",
        "gen_ai.request.model": "m",
        "gen_ai.request.stream": True,
    }
    return Request("chat", "m", attributes)


@pytest.fixture
def telemetry(lenient: Any) -> Callable[..., Telemetry]:
    return lambda **settings: Telemetry(
        "otel_llm.test", Settings(**settings), lenient.tracer_provider, lenient.meter_provider
    )


def stream(call: Any, chunks: int, model: str | None = None) -> None:
    times = count(call.started_ns + GAP_NS, GAP_NS)
    for _ in range(chunks):
        call.chunk(next(times), model)


@pytest.mark.parametrize("start", [nesting.start, nesting.start_outer])
def test_all_of_a_stream_are_recorded_at_its_end(lenient: Any, telemetry: Any, start: Any) -> None:
    call = start(telemetry(), ask())
    stream(call, 20)
    assert not lenient.points(GAPS)
    call.finish(Response(model="m-1"))
    (gaps,), (first,) = lenient.points(GAPS), lenient.points(FIRST)
    assert (gaps.count, gaps.sum) == (19, pytest.approx(19 * 0.002))
    assert (first.count, first.sum) == (1, pytest.approx(0.002))
    assert (gaps.attributes["gen_ai.request.model"], gaps.attributes[MODEL]) == ("m", "m-1")
    assert {exemplar.span_id for exemplar in gaps.exemplars} == {lenient.span.context.span_id}


def test_a_long_stream_is_recorded_while_it_comes(lenient: Any, telemetry: Any) -> None:
    call = nesting.start(telemetry(), ask())
    stream(call, MOST_KEPT + 1, "m-1")
    (gaps,) = lenient.points(GAPS)
    assert (gaps.count, gaps.attributes[MODEL]) == (MOST_KEPT, "m-1")
    call.chunk(call.started_ns + (MOST_KEPT + 2) * GAP_NS)
    call.finish(Response(model="m-1"))
    (gaps,) = lenient.points(GAPS)
    assert (gaps.count, gaps.sum) == (MOST_KEPT + 1, pytest.approx((MOST_KEPT + 1) * 0.002))


@pytest.mark.parametrize(("mode", "recorded"), [(ChunkMetrics.SAMPLED, 20), (ChunkMetrics.OFF, 0)])
def test_fewer_are_recorded_if_that_is_wanted(lenient: Any, telemetry: Any, mode: ChunkMetrics, recorded: int) -> None:
    call = nesting.start(telemetry(chunk_metrics=mode), ask())
    stream(call, 201)
    call.finish(Response(usage={"gen_ai.usage.output_tokens": 201}))
    assert sum(point.count for point in lenient.points(GAPS)) == recorded
    assert lenient.points(FIRST)[0].count == 1
    assert lenient.attributes["gen_ai.response.time_to_first_chunk"] == pytest.approx(0.002)
    assert lenient.attributes["otel_llm.response.time_per_output_token"] == pytest.approx(0.002)


def test_a_sample_begins_anywhere() -> None:
    """A short stream is not left out for being short: one in ten of many is recorded."""
    samples = [gaps_between([0, 1, 3], ChunkMetrics.SAMPLED) for _ in range(2000)]
    assert {tuple(sample) for sample in samples} == {(), (1,), (2,)}
    assert 200 < sum(map(len, samples)) < 800  # two gaps each: 400 on average


def test_chunks_of_the_innermost_layer_are_the_outermost_calls(lenient: Any, telemetry: Any) -> None:
    known = telemetry()
    outer = nesting.start_outer(known, ask())
    middle = nesting.start_outer(known, ask(), nesting.enclose(outer, outer.context))
    inner = nesting.start(known, ask(), nesting.enclose(middle, outer.context))
    outer.know({"server.address": "host"})
    stream(inner, 3)
    inner.finish(Response(model="m-1"))
    (gaps,) = lenient.points(GAPS)
    assert (gaps.count, gaps.attributes["server.address"], gaps.attributes[MODEL]) == (2, "host", "m-1")
    assert {exemplar.span_id for exemplar in gaps.exemplars} == {outer.span.get_span_context().span_id}
    outer.finish()
    assert lenient.points(GAPS)[0].count == 2


def test_an_answer_from_a_cache_counts_none(lenient: Any, telemetry: Any) -> None:
    call = nesting.start_outer(telemetry(), ask())
    stream(call, 3)
    call.answered_from_cache("otel_llm.langchain.cache_hit")
    call.finish(Response(model="m-1"))
    assert not lenient.points(GAPS)


def test_nothing_is_kept_for_metrics_that_nobody_reads(lenient: Any) -> None:
    call = nesting.start(Telemetry("otel_llm.test", Settings(), lenient.tracer_provider), ask())
    stream(call, MOST_KEPT + 10)
    call.finish()
    assert not deferred.SHARED._waiting
