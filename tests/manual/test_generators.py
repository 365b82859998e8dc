"""A generator's span is current while its own code runs, never while its consumer does."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import json
import threading
import types
from typing import Any

import pytest
from counting import OUTCOME, acount, clean, count, here

import otel_llm
from otel_llm import ContentCapture, Settings

CONTENT_ON_SPANS = Settings(capture_content=ContentCapture.SPAN_ONLY)


# --- whose span is current ----------------------------------------------------------------------------------


def test_current_while_it_runs(recorder: Any) -> None:
    seen = []
    for span_id in count():
        assert clean()
        seen.append(span_id)
    assert clean()
    assert seen == [recorder.span.context.span_id] * 3
    assert OUTCOME not in recorder.attributes


async def test_current_while_it_runs_async(recorder: Any) -> None:
    seen = []
    async for span_id in acount():
        assert clean()
        await asyncio.sleep(0)
        seen.append(span_id)
    assert clean()
    assert seen == [recorder.span.context.span_id] * 3


def test_interleaved(recorder: Any) -> None:
    """Begun one after the other, ended in any order: each has its own span, and nothing is left."""
    with otel_llm.step_span("consumer"):
        mine = here()
        first, second = count(3), count(2)
        seen = [next(first), next(second), next(first), next(second)]
        assert here() == mine
        assert list(first) == seen[:1]
        assert list(second) == []
        assert here() == mine
    assert seen[0] == seen[2] != seen[1] == seen[3]
    assert [span.name for span in recorder.spans] == ["count", "count", "consumer"]
    assert {span.parent.span_id for span in recorder.spans[:2]} == {mine}


async def test_interleaved_async(recorder: Any) -> None:
    async def read() -> set[int]:
        with otel_llm.step_span("consumer"):
            mine = here()
            seen = set()
            async for span_id in acount(5):
                assert here() == mine
                seen.add(span_id)
            return seen

    found = await asyncio.gather(*(read() for _ in range(10)))
    assert len(set.union(*found)) == len(found) == 10
    assert len(recorder.spans) == 20


def test_spans_in_it_are_below_it_and_the_consumers_are_not(recorder: Any) -> None:
    @otel_llm.observe
    def outer() -> Any:
        with otel_llm.step_span("inner"):
            pass
        yield from count(1)

    for _ in outer():
        with otel_llm.step_span("of the consumer"):
            pass
    spans = {span.name: span for span in recorder.spans}
    assert spans["inner"].parent.span_id == spans["count"].parent.span_id == spans["outer"].context.span_id
    assert spans["of the consumer"].parent is None


def both_ways(body: Any) -> list[Any]:
    """What ``body``, observed, yields as a generator and as an asynchronous one."""

    async def astream() -> Any:
        for one in body():
            yield one

    async def read() -> list[Any]:
        return [one async for one in otel_llm.observe(astream)()]

    return [*otel_llm.observe(body)(), *asyncio.run(read())]


def test_what_is_current_in_it_stays_so_while_it_is_suspended(recorder: Any) -> None:
    def body() -> Any:
        with otel_llm.propagate_attributes(session_id="s-1"), otel_llm.step_span("around"):
            around = here()
            yield otel_llm.current_ids().get("session_id"), here() == around
            assert not clean()
            yield otel_llm.current_ids().get("session_id"), here() == around
        yield otel_llm.current_ids().get("session_id"), here() == around

    assert both_ways(body) == [("s-1", True), ("s-1", True), (None, False)] * 2
    assert clean()


def test_what_is_current_in_it_by_other_threads(recorder: Any) -> None:
    """As a web framework reads it: each item in a copy of its own context."""

    @otel_llm.observe
    def stream() -> Any:
        with otel_llm.step_span("around"):
            around = here()
            yield here() == around
            yield here() == around
        yield here() == around

    running = stream()
    assert [contextvars.copy_context().run(next, running) for _ in range(3)] == [True, True, False]
    running.close()
    assert clean()


def test_a_generator_that_is_awaited(recorder: Any) -> None:
    @types.coroutine
    def pause() -> Any:
        yield
        return here()

    async def wait(function: Any) -> Any:
        return await function()

    assert asyncio.run(wait(otel_llm.observe(pause))) == recorder.span.context.span_id
    assert not inspect.isawaitable(count())


def test_it_begins_where_it_is_called(recorder: Any) -> None:
    """A web framework iterates it when the handler has returned: session and parent are the handler's all the same."""
    with otel_llm.propagate_attributes(session_id="s-1"), otel_llm.step_span("handler"):
        stream = count(1)
    list(stream)
    handler, generator = recorder.spans
    assert generator.parent.span_id == handler.context.span_id
    assert generator.attributes["session.id"] == "s-1"


def test_read_by_other_threads(recorder: Any) -> None:
    """A thread for each item, as Starlette does."""
    stream, seen = count(), []
    for _ in range(3):
        thread = threading.Thread(target=lambda: seen.append((next(stream), clean())))
        thread.start()
        thread.join()
    assert list(stream) == []
    assert seen == [(recorder.span.context.span_id, True)] * 3


def test_nothing_is_held_back() -> None:
    """An item is there before the next is made."""
    made = []

    @otel_llm.observe(capture=True)
    def stream() -> Any:
        for number in range(3):
            made.append(number)
            yield number

    reader = stream()
    assert made == []
    assert next(reader) == 0
    assert made == [0]


# --- what goes in and out -------------------------------------------------------------------------------------


def test_send_throw_and_the_value_returned(recorder: Any) -> None:
    running = count(3)
    span_id = next(running)
    assert running.send("a") == span_id
    error = KeyError("b")
    assert running.throw(error) == span_id
    with pytest.raises(StopIteration) as stop:
        running.send("c")
    assert stop.value.value == ["a", error, "c"]
    assert recorder.span.status.status_code.name == "UNSET"


async def test_asend_and_athrow(recorder: Any) -> None:
    @otel_llm.observe
    async def echo() -> Any:
        got = None
        while got != "end":
            try:
                got = yield got
            except KeyError:
                got = "caught"

    running = echo()
    assert await anext(running) is None
    assert await running.asend("a") == "a"
    assert await running.athrow(KeyError("b")) == "caught"
    with pytest.raises(StopAsyncIteration):
        await running.asend("end")
    assert recorder.span.status.status_code.name == "UNSET"


def test_yield_from_it(recorder: Any) -> None:
    def around() -> Any:
        return (yield from count(1))

    running = around()
    next(running)
    with pytest.raises(StopIteration) as stop:
        running.send("x")
    assert stop.value.value == ["x"]


def test_what_it_yields_is_content(recorder: Any) -> None:
    recorder.instrument(CONTENT_ON_SPANS)

    @otel_llm.observe(capture=True)
    def words(text: str) -> Any:
        yield from text

    @otel_llm.observe(capture_result=True)
    def numbers() -> Any:
        yield from (1, 2)

    list(words("abc"))
    list(numbers())
    assert recorder.spans[0].attributes["otel_llm.step.input"] == '{"text":"abc"}'
    assert recorder.spans[0].attributes["otel_llm.step.output"] == "abc"
    assert json.loads(recorder.spans[1].attributes["otel_llm.step.output"]) == [1, 2]


async def test_what_a_method_is_given_is_content(recorder: Any) -> None:
    recorder.instrument(CONTENT_ON_SPANS)

    class Source:
        @otel_llm.observe(capture=True)
        def words(self, text: str = "b") -> Any:
            yield text

        @otel_llm.observe(capture=True)
        async def awords(self, text: str = "b") -> Any:
            yield text

        @classmethod
        @otel_llm.observe(capture=True)
        def of_class(cls, text: str = "b") -> Any:
            yield text

        @otel_llm.observe(capture=True)
        @staticmethod
        def static(text: str = "b") -> Any:
            yield text

    source = Source()
    assert [*source.words("a"), *Source.words(source, text="a"), *source.of_class("a"), *source.static("a")] == [
        "a"
    ] * 4
    assert [word async for word in source.awords("a")] == ["a"]
    assert [span.attributes["otel_llm.step.input"] for span in recorder.spans] == ['{"text":"a"}'] * 5


# --- the chunks of a model's answer -----------------------------------------------------------------------------


def test_the_chunks_of_a_chat(recorder: Any) -> None:
    recorder.instrument(CONTENT_ON_SPANS)
    recorder.missing |= {"server.address"}

    @otel_llm.observe(operation="chat", name="llama", provider="own")
    def ask(question: str) -> Any:
        otel_llm.update_current_span(input=question)
        yield from ("Par", "is", ".")
        otel_llm.update_current_span(
            response={"id": "1", "model": "llama-2", "finish_reason": "stop", "input_tokens": 3, "output_tokens": 4}
        )

    assert "".join(ask("Capital of France?")) == "Paris."
    attributes = recorder.attributes
    assert json.loads(attributes["gen_ai.input.messages"])[0]["parts"][0]["content"] == "Capital of France?"
    (message,) = json.loads(attributes["gen_ai.output.messages"])
    assert message == {
        "role": "assistant",
        "parts": [{"type": "text", "content": "Paris."}],
        "finish_reason": "stop",
    }
    assert attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert attributes["gen_ai.usage.output_tokens"] == 4
    (gaps,) = recorder.points("gen_ai.client.operation.time_per_output_chunk")
    assert gaps.count == 2
    assert len(recorder.points("gen_ai.client.operation.time_to_first_chunk")) == 1
