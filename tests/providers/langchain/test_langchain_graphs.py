"""Agents, workflows, their metrics, and interrupts."""

from __future__ import annotations

import asyncio

import openai as sdk
import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.output_parsers import StrOutputParser
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt
from shapes import CONTENT_ON_SPANS, FAKE_LACKS, WHO, agentic, calling, counted, fake
from traces import named, tree

from otel_llm import MetricGeneration, Settings

ASKED = {"messages": [("user", "hi")]}


@pytest.fixture(autouse=True)
def _fake(recorder):
    recorder.missing |= FAKE_LACKS


@tool
def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


def twice():
    """Three inferences, two tools."""
    return agentic(
        counted(calls=[calling("add", a=1, b=2)], given=10, came=1),
        counted(calls=[calling("add", a=3, b=4)], given=20, came=2),
        counted("7", given=30, came=4),
    )


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "stream", "astream"])
def test_an_agent(recorder, durations, how):
    agent = create_agent(twice(), [add], name="adder")
    config = {"configurable": {"thread_id": "thread-1"}}

    async def run():
        if how == "astream":
            return [step async for step in agent.astream(ASKED, config)]
        return await agent.ainvoke(ASKED, config)

    if how.startswith("a"):
        asyncio.run(run())
    else:
        list(agent.stream(ASKED, config)) if how == "stream" else agent.invoke(ASKED, config)
    inference, tool_run = "  chat", "  execute_tool add"
    assert tree(recorder) == ["invoke_agent adder", inference, tool_run, inference, tool_run, inference]
    (agent_span,) = named(recorder, "invoke_agent")
    agent_span.pop("otel_llm.langchain.run_id")
    assert agent_span == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "adder",
        "gen_ai.conversation.id": "thread-1",
        "gen_ai.usage.input_tokens": 60,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.response.finish_reasons": ("stop",),
    }
    chat = named(recorder, "chat")[0]
    assert (chat["gen_ai.agent.name"], chat["gen_ai.conversation.id"]) == ("adder", "thread-1")
    (inferences,) = recorder.points("gen_ai.invoke_agent.inference_calls")
    (tools,) = recorder.points("gen_ai.invoke_agent.tool_calls")
    assert (inferences.sum, tools.sum) == (3, 2)
    assert dict(tools.attributes) == {"gen_ai.agent.name": "adder"}
    (ran,) = recorder.points("gen_ai.execute_tool.duration")
    assert ran.count == 2
    assert dict(ran.attributes) == {
        "gen_ai.tool.name": "add",
        "gen_ai.tool.type": "function",
        "gen_ai.agent.name": "adder",
    }
    assert recorder.points("gen_ai.invoke_agent.duration")[0].count == 1
    assert durations() == []


def test_a_tools_span(recorder):
    recorder.instrument(CONTENT_ON_SPANS)
    create_agent(twice(), [add]).invoke(ASKED)
    known = named(recorder, "execute_tool")[0]
    del known["otel_llm.langchain.run_id"], known["otel_llm.langchain.node"]
    assert known == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "add",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.description": "Adds.",
        "gen_ai.tool.call.id": "call_add_1_2",
        "gen_ai.tool.call.arguments": '{"a":1,"b":2}',
        "gen_ai.tool.call.result": '{"value":3}',
    }


def test_an_agent_without_a_name_and_its_content(recorder):
    recorder.instrument(CONTENT_ON_SPANS)
    create_agent(twice(), [add]).invoke(ASKED)
    (known,) = named(recorder, "invoke_agent")
    assert "gen_ai.agent.name" not in known
    assert known["gen_ai.input.messages"] == '[{"role":"user","parts":[{"type":"text","content":"hi"}]}]'
    assert '"content":"7"' in known["gen_ai.output.messages"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_content_of_a_streamed_workflow(recorder, asynchronous):
    recorder.instrument(CONTENT_ON_SPANS)
    chain = WHO | fake("Wide.") | StrOutputParser()

    async def read():
        return [chunk async for chunk in chain.astream({"who": "a poet", "question": "Why?"})]

    asyncio.run(read()) if asynchronous else list(chain.stream({"who": "a poet", "question": "Why?"}))
    (known,) = named(recorder, "invoke_workflow")
    assert "Why?" in known["gen_ai.input.messages"]
    assert "Wide." in known["gen_ai.output.messages"]


def test_an_agent_below_an_agent_counts_for_itself(recorder):
    @tool
    def ask(question: str) -> str:
        """Asks another agent."""
        return create_agent(agentic(counted("yes")), [], name="inner").invoke(ASKED)["messages"][-1].content

    outer = create_agent(agentic(counted(calls=[calling("ask", question="?")]), counted("done")), [ask], name="outer")
    outer.invoke(ASKED)
    assert tree(recorder) == [
        "invoke_agent outer",
        "  chat",
        "  execute_tool ask",
        "    invoke_agent inner",
        "      chat",
        "  chat",
    ]
    inner, outer_span = named(recorder, "invoke_agent")
    assert (inner["gen_ai.usage.input_tokens"], outer_span["gen_ai.usage.input_tokens"]) == (10, 20)
    calls = {p.attributes["gen_ai.agent.name"]: p.sum for p in recorder.points("gen_ai.invoke_agent.inference_calls")}
    assert calls == {"inner": 1, "outer": 2}


def test_an_agent_that_calls_an_sdk_itself(recorder, server):
    client = sdk.OpenAI(base_url=server.base_url, api_key="k")

    def ask(state):
        said = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
        return {"messages": [("ai", said.choices[0].message.content)]}

    graph = StateGraph(MessagesState)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    graph.compile().invoke(ASKED, {"metadata": {"lc_agent_name": "asker"}})
    assert tree(recorder) == ["invoke_agent asker", "  chat gpt-4o"]
    (agent,), (chat,) = named(recorder, "invoke_agent"), named(recorder, "chat")
    assert chat["gen_ai.agent.name"] == "asker"
    assert agent["gen_ai.usage.input_tokens"] == chat["gen_ai.usage.input_tokens"]
    (calls,) = recorder.points("gen_ai.invoke_agent.inference_calls")
    assert calls.sum == 1


def test_a_graph_of_agents_and_a_sub_graph(recorder):
    sub = StateGraph(MessagesState)
    sub.add_node("deep", lambda state: {"messages": [fake().invoke("x")]})
    sub.add_edge(START, "deep")
    graph = StateGraph(MessagesState)
    graph.add_node("research", create_agent(agentic(counted("found")), [], name="researcher"))
    graph.add_node("below", sub.compile())
    graph.add_edge(START, "research")
    graph.add_edge("research", "below")
    graph.compile(name="team").invoke(ASKED)
    assert tree(recorder) == [
        "invoke_workflow team",
        *["  research", "    invoke_agent researcher", "      chat"],
        *["  below", "    deep", "      chat"],
    ]


@pytest.mark.parametrize(
    ("generation", "names"),
    [
        (MetricGeneration.RELEASED, {"gen_ai.workflow.duration"}),
        (MetricGeneration.LATEST, {"gen_ai.invoke_workflow.duration"}),
        (MetricGeneration.BOTH, {"gen_ai.workflow.duration", "gen_ai.invoke_workflow.duration"}),
    ],
)
def test_the_workflows_metric(recorder, generation, names):
    recorder.instrument(Settings(metrics=generation))
    graph = StateGraph(MessagesState)
    graph.add_node("node", lambda state: {})
    graph.add_edge(START, "node")
    graph.compile().invoke(ASKED)
    graph.compile(name="named").invoke(ASKED)
    for name in names:
        given = [dict(point.attributes) for point in recorder.points(name)]
        assert sorted(given, key=len) == [{}, {"gen_ai.workflow.name": "named"}]
    assert {
        name for name in ("gen_ai.workflow.duration", "gen_ai.invoke_workflow.duration") if recorder.points(name)
    } == names


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_interrupt_is_no_error(recorder, asynchronous):
    def approve(state):
        return {"messages": [("user", interrupt("go on?"))]}

    graph = StateGraph(MessagesState)
    graph.add_node("approve", approve)
    graph.add_edge(START, "approve")
    run = graph.compile(checkpointer=InMemorySaver(), name="asking")
    config = {"configurable": {"thread_id": "1"}}
    for given in (ASKED, Command(resume="yes")):
        asyncio.run(run.ainvoke(given, config)) if asynchronous else run.invoke(given, config)
    assert tree(recorder) == ["invoke_workflow asking", "  approve"] * 2
    waited, resumed = named(recorder, "approve")
    assert waited["otel_llm.langchain.interrupted"] is True
    assert "otel_llm.langchain.interrupted" not in resumed
    assert {known["gen_ai.conversation.id"] for known in named(recorder, "invoke_workflow")} == {"1"}


def test_an_interrupt_in_a_tool(recorder):
    @tool
    def confirm() -> str:
        """Asks a person."""
        return interrupt("sure?")

    model = agentic(counted(calls=[calling("confirm")]), counted("done"))
    agent = create_agent(model, [confirm], checkpointer=InMemorySaver(), name="careful")
    config = {"configurable": {"thread_id": "1"}}
    agent.invoke(ASKED, config)
    agent.invoke(Command(resume="yes"), config)
    assert tree(recorder) == [
        *["invoke_agent careful", "  chat", "  execute_tool confirm"],
        *["invoke_agent careful", "  execute_tool confirm", "  chat"],
    ]
    marked = [known.get("otel_llm.langchain.interrupted") for known in named(recorder, "invoke_agent")]
    assert marked == [True, None]


def test_an_interrupt_of_an_agents_own(recorder):
    model = agentic(counted(calls=[calling("add", a=1, b=2)]), counted("done"))
    asks = HumanInTheLoopMiddleware(interrupt_on={"add": True})
    agent = create_agent(model, [add], middleware=[asks], checkpointer=InMemorySaver(), name="careful")
    config = {"configurable": {"thread_id": "1"}}
    agent.invoke(ASKED, config)
    agent.invoke(Command(resume={"decisions": [{"type": "approve"}]}), config)
    assert not [line for line in tree(recorder) if "!" in line]
    marked = [known.get("otel_llm.langchain.interrupted") for known in named(recorder, "invoke_agent")]
    assert marked == [True, None]


def test_a_command_to_the_graph_above_is_no_error(recorder):
    sub = StateGraph(MessagesState)
    sub.add_node("leave", lambda state: Command(graph=Command.PARENT, goto="end"))
    sub.add_edge(START, "leave")
    graph = StateGraph(MessagesState)
    graph.add_node("below", sub.compile())
    graph.add_node("end", lambda state: {})
    graph.add_edge(START, "below")
    graph.compile(name="top").invoke(ASKED)
    assert not [line for line in tree(recorder) if "!" in line]


def test_an_error_in_a_node(recorder):
    def broken(state):
        raise LookupError

    graph = StateGraph(MessagesState)
    graph.add_node("broken", broken)
    graph.add_edge(START, "broken")
    with pytest.raises(LookupError):
        graph.compile(name="top").invoke(ASKED)
    assert tree(recorder) == ["invoke_workflow top !", "  broken !"]
    (point,) = recorder.points("gen_ai.workflow.duration")
    assert point.attributes["error.type"] == "LookupError"
