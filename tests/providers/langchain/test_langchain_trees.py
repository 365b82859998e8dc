"""Parents: by the run tree, and for what the application does within a run, by where it does it."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import openai as sdk
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda, RunnableParallel, RunnablePassthrough
from langchain_core.tools import tool
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from shapes import ASKED, FAKE_LACKS, WHO, fake
from traces import tree

from otel_llm.providers.langchain import LangChainInstrumentor
from otel_llm.providers.langchain.handler import Handler


@pytest.fixture(autouse=True)
def _fake(recorder):
    recorder.missing |= FAKE_LACKS | {"gen_ai.retrieval.top_k", "gen_ai.request.encoding_formats"}


@pytest.fixture
def tracer(recorder):
    return recorder.tracer_provider.get_tracer("application")


def one_trace_each(recorder, count):
    assert len({span.context.trace_id for span in recorder.spans}) == count


@pytest.mark.parametrize("asynchronous", [False, True])
def test_calls_inside_a_tool_are_the_tools(recorder, server, tracer, openai, asynchronous):
    client = sdk.OpenAI(base_url=server.base_url, api_key="k")
    messages = [{"role": "user", "content": "hi"}]

    def work():
        with tracer.start_as_current_span("lookup"):
            client.chat.completions.create(model="gpt-4o", messages=messages)
        return fake().invoke("in a tool").content

    @tool
    def look(word: str) -> str:
        """Looks."""
        return work()

    @tool
    async def alook(word: str) -> str:
        """Looks."""
        await asyncio.sleep(0)
        return work()

    asyncio.run(alook.ainvoke({"word": "a"})) if asynchronous else look.invoke({"word": "a"})
    name = "alook" if asynchronous else "look"
    assert tree(recorder) == [f"execute_tool {name}", "  lookup", "    chat gpt-4o", "  chat"]


def test_a_run_under_the_applications_own_span_is_below_it(recorder, tracer):
    def ask(question):
        with tracer.start_as_current_span("mine"):
            return (WHO | fake()).invoke({**ASKED, "question": question})

    with tracer.start_as_current_span("request"):
        RunnableLambda(ask).invoke("why?")
    assert tree(recorder) == ["request", "  invoke_workflow ask", "    mine", "      chat"]


def test_config_that_leaves_out_the_parent(recorder):
    RunnableLambda(lambda x: fake().invoke(x, {"callbacks": []})).invoke("hi", {"run_name": "outer"})
    assert tree(recorder) == ["invoke_workflow outer", "  chat"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_parallel_branches(recorder, asynchronous):
    chain = RunnableParallel(a=WHO | fake("a"), b=WHO | fake("b"), same=RunnablePassthrough())
    asyncio.run(chain.ainvoke(ASKED)) if asynchronous else chain.invoke(ASKED)
    assert tree(recorder) == ["invoke_workflow", "  chat", "  chat"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_batch_is_a_trace_each(recorder, asynchronous):
    chain = WHO | fake() | StrOutputParser()
    asyncio.run(chain.abatch([ASKED] * 3)) if asynchronous else chain.batch([ASKED] * 3)
    assert tree(recorder) == ["invoke_workflow", "  chat"] * 3
    one_trace_each(recorder, 3)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_batch_within_a_request_is_one_trace(recorder, tracer, asynchronous):
    chain = WHO | fake()
    with tracer.start_as_current_span("request"):
        asyncio.run(chain.abatch([ASKED] * 2)) if asynchronous else chain.batch([ASKED] * 2)
    assert tree(recorder) == ["request", *["  invoke_workflow", "    chat"] * 2]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_nodes_of_a_graph(recorder, tracer, asynchronous):
    def left(state):
        with tracer.start_as_current_span("mine"):
            return {"messages": [fake().invoke("l")]}

    async def right(state):
        await asyncio.sleep(0)
        with tracer.start_as_current_span("its"):
            return {"messages": [await fake().ainvoke("r")]}

    graph = StateGraph(MessagesState)
    graph.add_node("left", left)
    graph.add_node("right", right if asynchronous else left)
    graph.add_edge(START, "left")
    graph.add_edge("left", "right")
    run, given = graph.compile(name="pair"), {"messages": [("user", "hi")]}
    asyncio.run(run.ainvoke(given)) if asynchronous else run.invoke(given)
    second = "its" if asynchronous else "mine"
    assert tree(recorder) == [
        "invoke_workflow pair",
        *["  left", "    mine", "      chat"],
        *["  right", f"    {second}", "      chat"],
    ]


def test_parallel_nodes_and_streams(recorder, tracer):
    def node(state):
        with tracer.start_as_current_span("mine"):
            return {"messages": [fake().invoke("x")]}

    graph = StateGraph(MessagesState)
    for name in ("a", "b"):
        graph.add_node(name, node)
        graph.add_edge(START, name)
    for _ in graph.compile(name="fan").stream({"messages": [("user", "hi")]}, stream_mode=["messages", "updates"]):
        pass
    lines = tree(recorder)
    assert lines[0] == "invoke_workflow fan"
    assert sorted(lines[1:]) == sorted(["  a", "  b", *["    mine", "      chat"] * 2])


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_retrievers_embeddings_are_below_it(recorder, asynchronous):
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=3))
    store.add_documents([Document("a"), Document("b")])
    recorder.span_exporter.clear()
    retriever = store.as_retriever(search_kwargs={"k": 1})
    asyncio.run(retriever.ainvoke("a")) if asynchronous else retriever.invoke("a")
    assert tree(recorder) == ["retrieval", "  embeddings"]


async def test_two_hundred_at_once(recorder, openai):
    chain = WHO | ChatOpenAI(model="gpt-4o-mini", **openai) | StrOutputParser()
    answers = await asyncio.gather(*(chain.ainvoke(ASKED) for _ in range(200)))
    assert len(set(answers)) == 1
    assert tree(recorder) == ["invoke_workflow", "  chat gpt-4o-mini"] * 200
    one_trace_each(recorder, 200)


async def test_two_hundred_graphs_at_once(recorder, tracer):
    async def node(state):
        await asyncio.sleep(0)
        with tracer.start_as_current_span("mine"):
            return {"messages": [await fake().ainvoke("x")]}

    graph = StateGraph(MessagesState)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    run = graph.compile()
    await asyncio.gather(*(run.ainvoke({"messages": [("user", "hi")]}) for _ in range(200)))
    assert tree(recorder) == ["invoke_workflow", "  node", "    mine", "      chat"] * 200
    one_trace_each(recorder, 200)


def test_fifty_threads(recorder, tracer, model):
    chain = WHO | model | StrOutputParser()

    def request(number):
        with tracer.start_as_current_span("request"):
            return chain.invoke(ASKED)

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(request, range(100)))
    assert tree(recorder) == ["request", "  invoke_workflow", "    chat gpt-4o-mini"] * 100
    one_trace_each(recorder, 100)


def test_many_threads_that_instrument_and_call(recorder, monkeypatch):
    """They share one handler, however long it takes to make: a second one would make a second span."""
    ready, made = threading.Barrier(10), []
    instrumentor = LangChainInstrumentor()
    make = Handler.__init__

    def slowly(self, *args):
        time.sleep(0.02)
        make(self, *args)
        made.append(self)

    def ask():
        ready.wait()
        instrumentor._instrument(
            settings=instrumentor.telemetry.settings,
            tracer_provider=recorder.tracer_provider,
            meter_provider=recorder.meter_provider,
        )
        for _ in range(10):
            RunnableLambda(lambda question: fake().invoke(question)).invoke("hi")

    monkeypatch.setattr(Handler, "__init__", slowly)
    monkeypatch.setattr(instrumentor, "handler", None)
    with ThreadPoolExecutor(10) as threads:
        for asked in [threads.submit(ask) for _ in range(10)]:
            asked.result()
    assert len(made) == 1
    assert len(recorder.spans) == 200
