"""No context leaks: parents are right wherever calls run, and nothing stays current after one."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN

ASK: list[Any] = [{"role": "user", "content": "hi"}]
CHAT: dict[str, Any] = {"model": "gpt-4o-mini", "messages": ASK}


@pytest.fixture
def tracer(recorder: Any) -> Any:
    return recorder.tracer_provider.get_tracer("application")


def parents(recorder: Any) -> dict[str, str]:
    """The model of each call -> the name of its parent."""
    names = {span.context.span_id: span.name for span in recorder.spans}
    return {
        span.attributes["gen_ai.request.model"]: names[span.parent.span_id]
        for span in recorder.spans
        if "gen_ai.request.model" in (span.attributes or {})
    }


def nothing_is_current() -> bool:
    return trace.get_current_span() is INVALID_SPAN


async def test_200_tasks(recorder: Any, tracer: Any, async_client: Any) -> None:
    async def one(number: int) -> None:
        with tracer.start_as_current_span(f"parent {number}") as parent:
            stream = await async_client.chat.completions.create(**{**CHAT, "model": f"m{number}"}, stream=True)
            assert trace.get_current_span() is parent
            async for _ in stream:
                assert trace.get_current_span() is parent
        assert nothing_is_current()

    limit = asyncio.Semaphore(40)

    async def limited(number: int) -> None:
        async with limit:
            await one(number)

    await asyncio.gather(*(limited(number) for number in range(200)))
    assert nothing_is_current()
    assert parents(recorder) == {f"m{number}": f"parent {number}" for number in range(200)}


def test_50_threads(recorder: Any, tracer: Any, client: Any) -> None:
    def one(number: int) -> None:
        with tracer.start_as_current_span(f"parent {number}") as parent:
            client.chat.completions.create(**{**CHAT, "model": f"m{number}"})
            assert trace.get_current_span() is parent
        assert nothing_is_current()

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(one, range(50)))
    assert parents(recorder) == {f"m{number}": f"parent {number}" for number in range(50)}


def test_streams_side_by_side(recorder: Any, tracer: Any, client: Any) -> None:
    streams = []
    for number in range(5):
        with tracer.start_as_current_span(f"parent {number}"):
            streams.append(client.chat.completions.create(**{**CHAT, "model": f"m{number}"}, stream=True))
    assert nothing_is_current()
    while streams:
        streams = [stream for stream in reversed(streams) if next(stream, None) is not None]
        assert nothing_is_current()
    assert parents(recorder) == {f"m{number}": f"parent {number}" for number in range(5)}


def test_after_an_error(recorder: Any, tracer: Any, client: Any) -> None:
    with tracer.start_as_current_span("parent") as parent:
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(**{**CHAT, "model": "error-404"})
        assert trace.get_current_span() is parent
    assert parents(recorder) == {"error-404": "parent"}


@pytest.mark.parametrize("extra", [{}, {"stream": True}])
async def test_spans_of_the_http_client_are_inside(
    recorder: Any, tracer: Any, client: Any, async_client: Any, extra: Any
) -> None:
    """As its instrumentation makes them: around the sending of the request."""

    def hook(request: Any) -> None:
        tracer.start_span("POST").end()

    async def hook_async(request: Any) -> None:
        hook(request)

    client._client.event_hooks = {"request": [hook]}
    async_client._client.event_hooks = {"request": [hook_async]}
    list(_chunks(client.chat.completions.create(**CHAT, **extra)))
    answer = await async_client.chat.completions.create(**CHAT, **extra)
    if extra:
        async for _ in answer:
            assert nothing_is_current()
    by_id = {span.context.span_id: span for span in recorder.spans}
    posts = [span for span in recorder.spans if span.name == "POST"]
    assert [by_id[post.parent.span_id].name for post in posts] == ["chat gpt-4o-mini"] * 2


def _chunks(answer: Any) -> Any:
    return answer if isinstance(answer, openai.Stream) else ()


def test_what_is_in_the_context_gets_inside(recorder: Any, client: Any) -> None:
    from opentelemetry import baggage, context

    seen = []
    client._client.event_hooks = {"request": [lambda request: seen.append(baggage.get_baggage("session"))]}
    token = context.attach(baggage.set_baggage("session", "s-1"))
    client.chat.completions.create(**CHAT)
    context.detach(token)
    assert seen == ["s-1"]


def test_metrics_are_recorded_in_the_span_so_that_exemplars_find_it(recorder: Any, client: Any) -> None:
    client.chat.completions.create(**CHAT)
    (point,) = recorder.points("gen_ai.client.operation.duration")
    assert [exemplar.span_id for exemplar in point.exemplars] == [recorder.span.context.span_id]
