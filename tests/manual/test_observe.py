"""``observe`` leaves a function what it is, and makes each of its calls one span."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import json
from typing import Any

import pytest
from observed_kinds import (
    AsyncCallable,
    Callable,
    GeneratorCallable,
    Thing,
    async_generator,
    coroutine,
    generator,
    plain,
)
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation

import otel_llm
from otel_llm import ContentCapture, Settings

CONTENT_ON_SPANS = Settings(capture_content=ContentCapture.SPAN_ONLY)


def test_values_and_arguments(recorder: Any) -> None:
    observed = otel_llm.observe(plain)
    assert observed(1, 3, 4, c="d", e=5) == plain(1, 3, 4, c="d", e=5)
    result = object()
    assert otel_llm.observe(lambda: result)() is result
    with pytest.raises(TypeError, match="positional"):
        observed()  # type: ignore[call-arg]
    assert [span.name for span in recorder.spans] == ["plain", "<lambda>", "plain"]


async def test_each_kind_of_function(recorder: Any) -> None:
    thing = Thing()
    assert thing.method(1) == (7, 1)
    assert Thing.method(thing, 2) == (7, 2)
    assert await thing.coroutine() == 7
    assert list(thing.generator()) == [7]
    assert [one async for one in thing.async_generator()] == [7]
    assert (thing.outer_static(1), Thing.outer_static(2), Thing.inner_static(3)) == (1, 2, 3)
    assert (Thing.outer_class(), thing.inner_class()) == (Thing, Thing)
    assert otel_llm.observe(Callable())(3) == 3
    assert await otel_llm.observe(AsyncCallable())(4) == 4
    assert list(otel_llm.observe(GeneratorCallable())(2)) == [0, 1]
    assert otel_llm.observe(functools.partial(plain, 1))()[0] == 1
    assert otel_llm.observe(len)("four") == 4
    assert [span.name for span in recorder.spans] == [
        *("method", "method", "coroutine", "generator", "async_generator"),
        *("outer_static", "outer_static", "inner_static", "outer_class", "inner_class"),
        *("Callable", "AsyncCallable", "GeneratorCallable", "plain", "len"),
    ]
    assert {span.kind.name for span in recorder.spans} == {"INTERNAL"}


def test_spans_nest(recorder: Any) -> None:
    @otel_llm.observe
    def inner() -> Any:
        return trace.get_current_span().get_span_context().span_id

    @otel_llm.observe(name="around")
    def outer() -> Any:
        return inner()

    assert outer() == recorder.spans[0].context.span_id
    below, above = recorder.spans
    assert (below.name, above.name) == ("inner", "around")
    assert below.parent.span_id == above.context.span_id
    assert above.parent is None


async def test_tasks_are_below_what_made_them(recorder: Any) -> None:
    @otel_llm.observe
    async def inner(number: int) -> None:
        await asyncio.sleep(0)

    @otel_llm.observe
    async def outer() -> None:
        await asyncio.gather(*(inner(number) for number in range(20)))

    await asyncio.gather(outer(), outer())
    parents = [span.parent.span_id for span in recorder.spans if span.name == "inner"]
    outers = [span.context.span_id for span in recorder.spans if span.name == "outer"]
    assert sorted(parents) == sorted(outers * 20)


class Interrupt(BaseException):
    """An error that is no ``Exception`` and stands for no cancellation, as ``gevent.Timeout`` does not."""


@pytest.mark.parametrize("error", [ValueError("secret words"), Interrupt("secret words"), StopIteration("secret")])
def test_an_error(recorder: Any, error: BaseException) -> None:
    @otel_llm.observe
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        fail()
    assert raised.value is error
    assert recorder.span.status.status_code.name == "ERROR"
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    assert recorder.attributes["error.type"] == name
    assert "secret" not in recorder.span.to_json()
    assert all("secret" not in str(record.attributes) for record in recorder.logs)


async def test_cancelled(recorder: Any) -> None:
    begun = asyncio.Event()

    @otel_llm.observe
    async def wait() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert recorder.attributes["otel_llm.stream.outcome"] == "cancelled"
    assert "error.type" not in recorder.attributes


def test_a_coroutine_dropped_half_way(recorder: Any) -> None:
    """By another than the one that ran it, as the garbage collector may be."""

    class Pause:
        def __await__(self) -> Any:
            yield

    @otel_llm.observe
    async def wait() -> None:
        await Pause()

    running = wait()
    contextvars.copy_context().run(running.send, None)
    contextvars.copy_context().run(running.close)
    assert recorder.attributes["otel_llm.stream.outcome"] == "closed"


# --- what is said of it ------------------------------------------------------------------------------------


def test_each_operation(lenient: Any) -> None:
    @otel_llm.observe(operation="tool")
    def search(query: str) -> str:
        """Look it up.

        In the index.
        """
        return query

    @otel_llm.observe(operation="retrieval", name="articles")
    def retrieve() -> None: ...

    @otel_llm.observe(operation="chat", name="llama", provider="groq")
    def ask() -> Any:
        yield "a"
        yield "b"

    search("x")
    retrieve()
    list(ask())
    otel_llm.observe(operation="agent", name="writer")(plain)(1)
    otel_llm.observe(operation="workflow")(plain)(1)
    otel_llm.observe(operation="embeddings", name="e5", provider="own")(plain)(1)
    otel_llm.observe(operation="completion", name="base", provider="own")(plain)(1)
    assert [span.name for span in lenient.spans] == [
        *("execute_tool search", "retrieval articles", "chat llama", "invoke_agent writer", "invoke_workflow plain"),
        *("embeddings e5", "text_completion base"),
    ]
    assert lenient.spans[0].attributes["gen_ai.tool.description"] == "Look it up."
    assert lenient.spans[2].attributes["gen_ai.request.stream"] is True
    assert lenient.spans[2].attributes["gen_ai.response.time_to_first_chunk"] > 0


def test_attributes_are_there_for_the_sampler(recorder: Any) -> None:
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased

    seen = []

    class Sampler(ParentBased):
        def should_sample(self, *args: Any, **kwargs: Any) -> Any:
            seen.append(dict(args[4] or {}))
            return super().should_sample(*args, **kwargs)

    recorder.instrument(sampler=Sampler(ALWAYS_ON))
    otel_llm.observe(attributes={"otel_llm.metadata.a": 1})(plain)(1)
    assert seen == [{"otel_llm.metadata.a": 1, "otel_llm.operation.name": "step"}]


def test_arguments_and_results_are_content(recorder: Any) -> None:
    recorder.instrument(CONTENT_ON_SPANS)

    class Ranker:
        @otel_llm.observe(capture=True)
        def rerank(self, hits: list[str], keep: int = 2) -> list[str]:
            return hits[:keep]

        @otel_llm.observe(capture_args=True, operation="tool")
        def tool(self, query: str) -> str:
            return query

        @otel_llm.observe(capture_result=True, operation="tool")
        def other(self) -> int:
            return 3

        @otel_llm.observe
        def neither(self, hits: list[str]) -> list[str]:
            return hits

    ranker = Ranker()
    ranker.rerank(["a", "b", "c"])
    ranker.tool("q")
    ranker.other()
    ranker.neither(["a"])
    rerank, tool, other, neither = (dict(span.attributes) for span in recorder.spans)
    assert json.loads(rerank["otel_llm.step.input"]) == {"hits": ["a", "b", "c"]}
    assert json.loads(rerank["otel_llm.step.output"]) == ["a", "b"]
    assert json.loads(tool["gen_ai.tool.call.arguments"]) == {"query": "q"}
    assert "gen_ai.tool.call.result" not in tool
    assert json.loads(other["gen_ai.tool.call.result"]) == {"result": 3}
    assert "gen_ai.tool.call.arguments" not in other
    assert set(neither) == {"otel_llm.operation.name"}


class Asked:
    def __call__(self, question: str) -> Any:
        yield question

    def asked(self, question: str) -> Any:
        yield question


@pytest.mark.parametrize("function", [Asked(), Asked().asked], ids=["object", "bound method"])
def test_what_an_object_is_given_is_content(recorder: Any, function: Any) -> None:
    recorder.instrument(CONTENT_ON_SPANS)
    assert list(otel_llm.observe(capture=True)(function)("Why?")) == ["Why?"]
    assert recorder.attributes["otel_llm.step.input"] == '{"question":"Why?"}'
    assert recorder.attributes["otel_llm.step.output"] == "Why?"


def test_content_off_means_off(recorder: Any) -> None:
    @otel_llm.observe(capture=True)
    def step(words: str) -> str:
        return words

    @otel_llm.observe(capture=True)
    def pieces(words: str) -> Any:
        yield words

    step("secret words")
    list(pieces("secret words"))
    otel_llm.observe(capture=True, operation="tool")(step)("secret words")
    assert "secret" not in "".join(span.to_json() for span in recorder.spans)


def test_a_value_that_can_not_be_read_harms_nobody(recorder: Any, quiet: Any) -> None:
    recorder.instrument(CONTENT_ON_SPANS)

    class Evil(dict[str, Any]):
        def items(self) -> Any:
            raise RuntimeError("no")

        __iter__ = keys = items

        def __getitem__(self, key: str) -> Any:
            raise RuntimeError("no")

    @otel_llm.observe(capture=True)
    def step(value: Any) -> Any:
        return value

    evil = Evil(a=1)
    assert step(evil) is evil
    assert recorder.span.status.status_code.name == "UNSET"
    quiet.clear()


# --- where nothing is to be seen -------------------------------------------------------------------------


def test_suppressed(recorder: Any) -> None:
    with suppress_instrumentation():
        assert otel_llm.observe(plain)(1)[0] == 1
        assert list(otel_llm.observe(generator)(2)) == [0, 1]
        with otel_llm.step_span("quiet") as step:
            step.update(tags=["a"], output="b")
    assert recorder.spans == []


async def test_nobody_listens() -> None:
    otel_llm.uninstrument()
    assert otel_llm.observe(plain)(1)[0] == 1
    assert await otel_llm.observe(coroutine)(1) == 1
    made = generator(1)
    observed = otel_llm.observe(lambda: made)
    assert observed() is made
    assert list(otel_llm.observe(generator)(2)) == [0, 1]
    assert [one async for one in otel_llm.observe(async_generator)(2)] == [0, 1]
    with otel_llm.chat_span("m", "p") as call:
        call.chunk("a").response(id="1", finish_reason="stop", input_tokens=1)


def test_unsampled(recorder: Any) -> None:
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    recorder.instrument(sampler=ALWAYS_OFF)

    @otel_llm.observe
    def step() -> Any:
        otel_llm.update_current_span(tags=["a"], output="b")
        return trace.get_current_span().get_span_context()

    assert step().is_valid  # what is below knows that it is not sampled either
    assert not step().trace_flags.sampled
    with pytest.raises(ZeroDivisionError):
        otel_llm.observe(lambda: 1 / 0)()
    assert recorder.spans == []


# --- the developer's own mistakes --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mistake", "error", "says"),
    [
        (lambda: otel_llm.observe(3), TypeError, "observe decorates functions"),
        (lambda: otel_llm.observe(Thing), TypeError, "observe decorates functions"),
        (lambda: otel_llm.observe(operation="steps")(plain), ValueError, "'steps' is not known; use one of step"),
        (lambda: otel_llm.observe(operation="chat")(plain), ValueError, "needs the model's name and its provider"),
        (lambda: otel_llm.observe(provider="p")(plain), ValueError, "takes no provider"),
        (lambda: otel_llm.chat_span("m"), TypeError, "missing 1 required positional argument: 'provider'"),
        (lambda: otel_llm.chat_span("m", "p").usage(tokens=3), TypeError, "unexpected keyword argument 'tokens'"),
        (lambda: otel_llm.update_current_span(tag="rag"), TypeError, "unexpected keyword argument 'tag'"),
    ],
)
def test_mistakes_are_told(mistake: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        mistake()


def test_a_span_is_used_once(recorder: Any) -> None:
    step = otel_llm.step_span("one")
    with step:
        pass
    with pytest.raises(RuntimeError, match="make a new one for each use"), step:
        pass
    assert recorder.span
