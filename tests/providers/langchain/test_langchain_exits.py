"""Every way out of a run ends it once, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import sys

import pytest
from langchain_core.exceptions import OutputParserException
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableGenerator, RunnableLambda
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from shapes import ASKED, FAKE_LACKS, WHO, fake
from traces import named, tree

from otel_llm.providers.langchain import LangChainInstrumentor
from standin.wire import Gate, Reply


@pytest.fixture(autouse=True)
def _fake(recorder):
    recorder.missing |= FAKE_LACKS


def outcomes(recorder):
    return [known.get("otel_llm.stream.outcome") for known in named(recorder, "chat")]


@pytest.mark.parametrize("provider", ["openai", "fake"])
@pytest.mark.parametrize("how", ["close", "drop"])
def test_a_stream_left_early(recorder, model, provider, how):
    stream = (model if provider == "openai" else fake("a long answer")).stream("hi")
    next(stream)
    if how == "close":
        stream.close()
    else:
        del stream
        gc.collect()
    assert outcomes(recorder) == ["closed"]
    known = dict(recorder.span.attributes)
    assert "error.type" not in known
    assert "gen_ai.response.finish_reasons" not in known
    if provider == "openai":  # the SDK's own stream is closed after LangChain tells of it
        assert known["gen_ai.response.id"].startswith("chatcmpl-")


def test_a_chains_stream_left_early(recorder, model):
    for _ in (WHO | model | StrOutputParser()).stream(ASKED):
        break
    gc.collect()
    assert tree(recorder) == ["invoke_workflow", "  chat gpt-4o-mini"]
    assert outcomes(recorder) == [None]  # LangChain has read the rest, for its own tracing


@pytest.mark.parametrize("how", ["close", "break"])
async def test_an_asynchronous_stream_left_early(recorder, openai, how):
    stream = ChatOpenAI(model="gpt-4o-mini", **openai).astream("hi")
    async for _ in stream:
        break
    if how == "close":
        await stream.aclose()
    else:
        del stream
        gc.collect()
        for _ in range(20):
            await asyncio.sleep(0)
    assert outcomes(recorder) == ["closed"]


@pytest.mark.parametrize("close", [True, False])
def test_nobody_hears_of_an_asynchronous_chain_left_early(recorder, caplog, close):
    async def each(chunks):
        async for chunk in chunks:
            yield chunk

    async def leave():
        stream = (fake("a long answer") | StrOutputParser() | RunnableGenerator(each)).astream("hi")
        await anext(stream)
        if close:
            await stream.aclose()

    asyncio.run(leave())
    gc.collect()
    assert outcomes(recorder) == ["closed"]
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio" and record.levelno > 20] == []


def test_a_stream_whose_loop_was_closed_under_it(recorder, monkeypatch):
    unraisable = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)

    async def begin(stream):
        await anext(stream)

    stream = fake("a long answer").astream("hi")
    loop = asyncio.new_event_loop()
    loop.run_until_complete(begin(stream))
    loop.close()
    del stream
    gc.collect()
    assert len(recorder.spans) == 1
    assert unraisable == []


def test_a_loop_that_ends_before_its_stream(recorder, openai):
    async def leave():
        stream = ChatOpenAI(model="gpt-4o-mini", **openai).astream("hi")
        await anext(stream)

    asyncio.run(leave())
    gc.collect()
    assert len(recorder.spans) == 1


def test_a_stream_of_events_dropped(recorder, model):
    stream = model.stream_events("hi", version="v3")
    next(iter(stream))
    del stream
    gc.collect()
    assert outcomes(recorder) in (["abandoned"], ["closed"])


async def test_cancellation(recorder, server, openai):
    gate = Gate()
    server.reply_with(Reply(delay=gate, body={}))
    task = asyncio.create_task((WHO | ChatOpenAI(model="gpt-4o-mini", **openai)).ainvoke(ASKED))
    await asyncio.to_thread(gate.reached.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.open()
    assert tree(recorder) == ["invoke_workflow", "  chat gpt-4o-mini"]
    assert {known["otel_llm.stream.outcome"] for known in named(recorder, "")} == {"cancelled"}
    assert not [known for known in named(recorder, "") if "error.type" in known]


def test_a_stream_whose_limiter_fails(recorder):
    class Limiter(InMemoryRateLimiter):
        def acquire(self, *, blocking=True):
            raise LookupError

    with pytest.raises(LookupError):
        list(FakeListChatModel(responses=["a"], rate_limiter=Limiter()).stream("hi"))
    assert recorder.span.attributes["error.type"] == "LookupError"


async def test_a_stream_cancelled_while_it_waits_for_its_turn(recorder):
    waiting = asyncio.Event()

    class Limiter(InMemoryRateLimiter):
        async def aacquire(self, *, blocking=True):
            waiting.set()
            await asyncio.Event().wait()

    async def read():
        return [chunk async for chunk in FakeListChatModel(responses=["a"], rate_limiter=Limiter()).astream("hi")]

    task = asyncio.create_task(read())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert recorder.span.attributes["otel_llm.stream.outcome"] == "cancelled"
    assert "error.type" not in recorder.span.attributes


async def test_a_cancelled_tool_and_retriever(recorder):
    recorder.missing.add("gen_ai.retrieval.top_k")
    reached = asyncio.Event()

    async def wait():
        reached.set()
        await asyncio.Event().wait()

    @tool
    async def slow() -> str:
        """Waits."""
        await wait()

    class Slow(BaseRetriever):
        def _get_relevant_documents(self, query, *, run_manager):
            return []

        async def _aget_relevant_documents(self, query, *, run_manager):
            await wait()

    for runnable, given in ((slow, {}), (Slow(), "x")):
        reached.clear()
        task = asyncio.create_task(runnable.ainvoke(given))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert tree(recorder) == ["execute_tool slow", "retrieval"]
    assert {known["otel_llm.stream.outcome"] for known in named(recorder, "")} == {"cancelled"}


def test_a_failing_parser(recorder):
    with pytest.raises(OutputParserException):
        (WHO | fake("no json") | JsonOutputParser()).invoke(ASKED)
    assert tree(recorder) == ["invoke_workflow !", "  chat"]


def test_a_failing_tool(recorder):
    @tool
    def broken() -> str:
        """Breaks."""
        raise OSError("secret words")

    with pytest.raises(OSError, match="secret"):
        broken.invoke({})
    assert recorder.span.attributes["error.type"] == "OSError"
    assert recorder.span.status.description is None


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_the_end_of_the_program(recorder, error):
    def leave(value):
        raise error

    with pytest.raises(error):
        RunnableLambda(leave).invoke(1)
    assert "error.type" not in recorder.span.attributes
    assert recorder.span.attributes["otel_llm.stream.outcome"] == "cancelled"


def test_several_prompts_of_which_one_fails(recorder):
    class Second(FakeListChatModel):
        def _call(self, messages, *args, **kwargs):
            if messages[0].content == "fail":
                raise LookupError
            return "fine"

    with pytest.raises(LookupError):
        Second(responses=["x"]).generate([[HumanMessage(text)] for text in ("ok", "fail", "never")])
    gc.collect()
    # LangChain tells of the end of the failed one only.
    assert sorted(known.get("otel_llm.stream.outcome", "") for known in named(recorder, "chat")) == [
        "",
        "abandoned",
        "abandoned",
    ]


def test_ten_thousand_runs_leave_nothing(recorder):
    recorder.tracer_provider.shutdown()
    model, broken = fake("a", "b", "c"), RunnableLambda(lambda value: 1 / 0)
    good, bad = WHO | model | StrOutputParser(), WHO | model | broken
    handler = LangChainInstrumentor()
    gc.collect()
    for number in range(10_000):
        if number % 3 == 0:
            next(model.stream("hi"))
        elif number % 6 == 1:
            with pytest.raises(ZeroDivisionError):
                bad.invoke(ASKED)
        else:
            good.invoke(ASKED)
    gc.collect()
    assert len(handler.handler.runs) == 0
    assert len(handler.templates) <= 2
