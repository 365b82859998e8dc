"""LangGraph's ``TracePolicy``: what the application keeps out of the trace of a node's run."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from shapes import CONTENT_ON_SPANS, FAKE_LACKS, agentic, counted
from traces import named, tree

graph = pytest.importorskip("langgraph.graph")
types = pytest.importorskip("langgraph.types")
if not hasattr(types, "TracePolicy"):
    pytest.skip("this langgraph has no TracePolicy", allow_module_level=True)

OMITTED = types.TracePolicy(process_inputs=types.omit_payload, process_outputs=types.omit_payload)


@pytest.fixture(autouse=True)
def _recording(recorder):
    recorder.missing |= FAKE_LACKS | {"gen_ai.request.model"}
    recorder.instrument(CONTENT_ON_SPANS)


def test_a_node_that_keeps_its_payload(recorder):
    model = agentic(counted("fine"))

    def answer(state: Any) -> Any:
        return {"messages": [*state["messages"], model.invoke("in short")]}

    built = graph.StateGraph(dict)
    built.add_node("answer", answer, trace_policy=OMITTED)
    built.add_edge(graph.START, "answer")
    built.compile(name="team").invoke({"messages": [HumanMessage("a secret")]})
    assert tree(recorder) == ["invoke_workflow team", "  answer", "    chat"]
    (step,) = [span for span in recorder.spans if span.name == "answer"]
    assert "secret" not in step.to_json()
    assert "fine" not in step.to_json()
    (known,) = named(recorder, "chat")  # of what the node calls the policy says nothing
    assert "in short" in known["gen_ai.input.messages"]


def test_a_node_of_a_graph_whose_own_run_is_unknown(recorder):
    """Where tracing begins within a graph, its node is no workflow, whose content would be recorded."""
    import otel_llm

    def work(state: Any) -> Any:
        return {"n": "a secret"}

    built = graph.StateGraph(dict)
    built.add_node("first", lambda state: recorder.instrument(CONTENT_ON_SPANS) or state)
    built.add_node("second", work, trace_policy=OMITTED)
    built.add_edge(graph.START, "first")
    built.add_edge("first", "second")
    otel_llm.uninstrument()
    built.compile(name="team").invoke({"n": "a secret"})
    assert "secret" not in str([span.to_json() for span in recorder.spans])


def test_middleware_that_keeps_its_payload(recorder):
    agents = pytest.importorskip("langchain.agents")
    middleware = pytest.importorskip("langchain.agents.middleware")

    class Quiet(middleware.AgentMiddleware):
        trace_policy = OMITTED

        def before_model(self, state: Any, runtime: Any) -> Any:
            return {"messages": [HumanMessage("more")]}

    agent = agents.create_agent(agentic(counted("done")), middleware=[Quiet()], name="helper")
    agent.invoke({"messages": [HumanMessage("hi")]})
    assert tree(recorder) == ["invoke_agent helper", "  chat"]
    (known,) = named(recorder, "chat")
    assert "more" in known["gen_ai.input.messages"]
