"""Session, user, conversation and tags of LangChain's config hold for every span below, as the application's do."""

from __future__ import annotations

import asyncio
import uuid

import httpx
import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from opentelemetry import propagate, trace
from shapes import FAKE_LACKS, agentic, calling, counted, fake
from traces import named, tree

import otel_llm
from otel_llm import Settings
from otel_llm.propagation.api import ContextSpanProcessor

SESSION, USER, TAGS, CONVERSATION = "session.id", "user.id", "otel_llm.tags", "gen_ai.conversation.id"


@pytest.fixture(autouse=True)
def _lacking(recorder):
    recorder.missing |= FAKE_LACKS | {"gen_ai.request.model"}
    recorder.tracer_provider.add_span_processor(ContextSpanProcessor())


def others(recorder):
    """A span of another library, below which ids are wanted too."""
    return recorder.tracer_provider.get_tracer("other").start_as_current_span("GET")


def working(recorder):
    def work(value):
        with others(recorder):
            return value

    return RunnableLambda(lambda value: work(value))  # without a name it makes no span of its own


@pytest.mark.parametrize(
    ("metadata", "session", "user", "conversation"),
    [
        ({"session_id": "s", "user_id": "u", "conversation_id": "c"}, "s", "u", "c"),
        ({"langfuse_session_id": "s", "langfuse_user_id": "u", "thread_id": "t"}, "s", "u", "t"),
        ({"session_id": 7, "user_id": uuid.UUID(int=1)}, "7", "00000000-0000-0000-0000-000000000001", None),
        ({"session_id": "", "user_id": None, "thread_id": ["t"]}, None, None, None),
    ],
)
@pytest.mark.parametrize("how", ["invoke", "ainvoke", "stream", "batch"])
def test_every_span_below_has_the_ids(recorder, metadata, session, user, conversation, how):
    chain = working(recorder) | fake()
    config = {"metadata": metadata, "run_name": "ask"}
    if how == "ainvoke":
        asyncio.run(chain.ainvoke("hi", config))
    elif how == "stream":
        list(chain.stream("hi", config))
    else:
        chain.batch(["hi"], config) if how == "batch" else chain.invoke("hi", config)
    assert sorted(tree(recorder)) == ["  GET", "  chat", "invoke_workflow ask"]
    for span in recorder.spans:
        known = span.attributes
        assert (known.get(SESSION), known.get(USER)) == (session, user)
        if span.name != "GET":
            assert known.get(CONVERSATION) == conversation
            assert "session" not in known.get("otel_llm.langchain.metadata", "")
            assert "user" not in known.get("otel_llm.langchain.metadata", "")


def test_tags_of_the_outermost_run_are_the_traces(recorder):
    chain = working(recorder) | fake().with_config(tags=["cheap"])
    config = {"tags": ["blue"], "metadata": {"langfuse_tags": ["canary"], "tags": ["eu"]}, "run_name": "ask"}
    chain.invoke("hi", config)
    assert {span.attributes.get(TAGS) for span in recorder.spans} == {("blue", "eu", "canary")}
    (known,) = named(recorder, "chat")
    assert set(known["otel_llm.langchain.tags"]) == {"blue", "cheap"}


def test_no_tag_of_langchains_own(recorder):
    (working(recorder) | fake()).invoke("hi", {"run_name": "ask", "tags": ["langsmith:hidden"]})
    assert {span.attributes.get(TAGS) for span in recorder.spans} == {None}


def test_what_the_application_says_within_a_run_is_nearer(recorder):
    def work(value):
        with otel_llm.propagate_attributes(session_id="inner"), others(recorder):
            return fake().invoke(value)

    RunnableLambda(work).invoke("hi", {"metadata": {"session_id": "outer"}, "run_name": "ask"})
    found = {span.name.split()[0]: span.attributes[SESSION] for span in recorder.spans}
    assert found == {"invoke_workflow": "outer", "GET": "inner", "chat": "inner"}


def test_a_step_that_has_ids_of_its_own(recorder):
    inner = (working(recorder) | fake()).with_config(metadata={"user_id": "b"})
    with otel_llm.propagate_attributes(session_id="s", user_id="a"):
        (RunnableLambda(lambda value: value) | inner).invoke("hi", {"run_name": "ask"})
    found = {span.name.split()[0]: (span.attributes[SESSION], span.attributes[USER]) for span in recorder.spans}
    assert found == {"invoke_workflow": ("s", "a"), "GET": ("s", "b"), "chat": ("s", "b")}


def test_nothing_is_left_behind(recorder):
    working(recorder).invoke("hi", {"metadata": {"session_id": "s"}, "run_name": "ask"})
    with others(recorder) as span:
        assert SESSION not in span.attributes


def test_an_agents_tools(recorder):
    agents = pytest.importorskip("langchain.agents")

    @tool
    def look(what: str) -> str:
        """Look something up."""
        with others(recorder):
            return what

    model = agentic(counted("", [calling("look", what="a"), calling("look", what="b")]), counted("done"))
    agent = agents.create_agent(model, [look], name="helper")
    config = {"configurable": {"thread_id": "t"}, "metadata": {"user_id": "u"}, "tags": ["blue"]}
    agent.invoke({"messages": [HumanMessage("hi")]}, config)
    assert [name for name in tree(recorder) if "GET" in name] == ["    GET", "    GET"]
    for span in recorder.spans:
        assert span.attributes[USER] == "u"
        assert span.attributes[TAGS] == ("blue",)
    assert {known.get(CONVERSATION) for known in named(recorder, "execute_tool")} == {"t"}


@pytest.mark.parametrize("left", [(), ("openai",)])
def test_a_provider_never_learns_of_them(recorder, openai, left):
    """Neither by our span's call nor by one that is left to the SDK, which sends what is in the context."""
    recorder.instrument(Settings(baggage=frozenset({"session_id", "user_id"}), langchain_leave_to_sdk=frozenset(left)))
    sent = []

    def look(request: httpx.Request) -> None:
        propagate.inject(headers := {})
        sent.append(headers.get("baggage"))

    client = httpx.Client(event_hooks={"request": [look]})
    ours = ChatOpenAI(model="gpt-4o-mini", http_client=client, **openai)

    def work(value):
        propagate.inject(headers := {})
        sent.append(headers.get("baggage"))
        return value

    config = {"metadata": {"session_id": "s-1", "user_id": "u-1"}, "run_name": "ask"}
    (RunnableLambda(work) | ours).invoke("hi", config)
    assert "s-1" in sent[0]
    assert sent[1] is None
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_a_name_for_each_request_is_no_series_for_each(recorder):
    step = RunnableLambda(lambda value: value)
    for number in range(10_000):
        step.invoke(1, {"run_name": f"request {number}"})
    names = {point.attributes["gen_ai.workflow.name"] for point in recorder.points("gen_ai.workflow.duration")}
    assert len(names) <= 201
    assert "_OTHER" in names
    assert sum(point.count for point in recorder.points("gen_ai.workflow.duration")) == 10_000
