"""Models without an instrumented SDK below, by LangChain's word; and an SDK that makes spans by itself."""

from __future__ import annotations

import asyncio
import json

import anthropic
import pytest
from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import FakeListLLM
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_openai import ChatOpenAI
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from shapes import CONTENT_ON_SPANS, FAKE_LACKS, Agentic, agentic, calling, counted, fake
from traces import tokens, tree

from otel_llm import Settings
from standin.server import Server
from standin.wire import Reply, sse

#: anthropic 1 made no spans.
traces_itself = pytest.mark.skipif(int(anthropic.__version__.partition(".")[0]) < 2, reason="needs anthropic 2")
USAGE = {"input_tokens": 10, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 2, "output_tokens": 5}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5",
    "content": [{"type": "text", "text": "Wide."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": USAGE,
}


def messages_route(request) -> Reply:
    """Anthropic's protocol, as far as one answer goes."""
    if not request.json.get("stream"):
        return Reply(body=MESSAGE)
    events = [
        {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Wi"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "de."}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": USAGE},
        {"type": "message_stop"},
    ]
    return Reply(chunks=sse(*events, done=False, named=True))


class Anthropic(Server):
    def route(self, request):
        return messages_route(request)


@pytest.fixture
def claude(recorder, monkeypatch):
    """A chat model of Anthropic's SDK, which traces itself where a tracer provider is set."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", recorder.tracer_provider)
    with Anthropic() as server:
        yield ChatAnthropic(
            model="claude-haiku-4-5", api_key="k", base_url=server.url, max_retries=0, max_tokens=64, stream_usage=True
        )


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "stream"])
def test_an_sdk_that_traces_itself_is_still_one_span_and_one_count(recorder, claude, how):
    if how == "stream":
        recorder.missing.add("gen_ai.response.id")  # LangChain does not pass it on
        list(claude.stream("hi"))
    else:
        asyncio.run(claude.ainvoke("hi")) if how == "ainvoke" else claude.invoke("hi")
    assert tree(recorder) == ["chat claude-haiku-4-5"]
    known = dict(recorder.span.attributes)
    assert known["gen_ai.provider.name"] == "anthropic"
    assert known.get("gen_ai.response.id", "msg_1") == "msg_1"
    assert known["gen_ai.response.model"] == "claude-haiku-4-5"
    assert known["gen_ai.response.finish_reasons"] == ("stop",)
    assert known["otel_llm.response.finish_reasons"] == ("end_turn",)
    assert known["gen_ai.request.max_tokens"] == 64
    assert known["server.address"] == "127.0.0.1"
    assert ("gen_ai.response.time_to_first_chunk" in known) is (how == "stream")
    # Anthropic does not count what it cached among the input tokens; the conventions do.
    counts = {name: count for name, count in known.items() if ".usage." in name}
    assert counts == {
        "gen_ai.usage.input_tokens": 16,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.cache_write.input_tokens": 2,
        "gen_ai.usage.output_tokens": 5,
    }
    assert tokens(recorder) == {"input": 16, "output": 5}


@traces_itself
def test_the_sdks_own_span_can_be_had_instead(recorder, claude):
    recorder.instrument(Settings(langchain_leave_to_sdk=frozenset({"anthropic"})))
    claude.invoke("hi")
    assert [span.name for span in recorder.spans] == ["anthropic.messages.create"]
    assert tokens(recorder) == {}
    recorder.span_exporter.clear()  # its attributes are not the conventions'


@traces_itself
def test_the_sdk_called_directly_keeps_its_span(recorder, claude):
    claude._client.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "hi"}])
    assert [span.name for span in recorder.spans] == ["anthropic.messages.create"]
    recorder.span_exporter.clear()


def test_content_tools_and_calls(recorder):
    recorder.instrument(CONTENT_ON_SPANS)
    recorder.missing |= FAKE_LACKS
    tools = [
        {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object"}}}
    ]
    agentic(counted("Let me see.", calls=[calling("add", a=1)])).bind(tools=tools).invoke(
        [("system", "Be brief."), ("user", [{"type": "text", "text": "1+1?"}])]
    )
    known = dict(recorder.span.attributes)
    assert json.loads(known["gen_ai.input.messages"]) == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "parts": [{"type": "text", "content": "1+1?"}]},
    ]
    assert json.loads(known["gen_ai.output.messages"]) == [
        {
            "role": "assistant",
            "parts": [
                {"type": "text", "content": "Let me see."},
                {"type": "tool_call", "id": "call_add_1", "name": "add", "arguments": {"a": 1}},
            ],
            "finish_reason": "tool_call",
        }
    ]
    assert json.loads(known["gen_ai.tool.definitions"])[0]["name"] == "add"


def test_a_text_llm(recorder):
    recorder.missing |= FAKE_LACKS
    FakeListLLM(responses=["a", "b"]).batch(["one", "two"])
    assert tree(recorder) == ["text_completion", "text_completion"]


def test_a_streamed_fake_has_its_times(recorder):
    recorder.missing |= FAKE_LACKS
    list(fake("abcde").stream("hi"))
    assert recorder.span.attributes["gen_ai.response.time_to_first_chunk"] > 0
    assert recorder.span.attributes["gen_ai.request.stream"] is True
    assert recorder.points("gen_ai.client.operation.time_per_output_chunk")[0].count >= 4


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_answer_from_the_cache_is_no_inference(recorder, openai, asynchronous):
    recorder.missing |= {"openai.api.type", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"}
    model = ChatOpenAI(model="gpt-4o-mini", cache=InMemoryCache(), **openai)

    async def ask():
        for _ in range(2):
            await model.ainvoke("hi") if asynchronous else model.invoke("hi")

    asyncio.run(ask())
    called, cached = (dict(span.attributes) for span in recorder.spans)
    assert [known.get("otel_llm.langchain.cached") for known in (called, cached)] == [None, True]
    assert tokens(recorder) == {kind: called[f"gen_ai.usage.{kind}_tokens"] for kind in ("input", "output")}
    assert recorder.points("gen_ai.client.operation.duration")[0].count == 1


def test_an_agent_that_is_answered_from_the_cache(recorder):
    recorder.missing |= FAKE_LACKS
    model = Agentic(messages=iter([counted("fine")]), cache=InMemoryCache())
    agent = create_agent(model, [], name="saver")
    for _ in range(2):
        assert agent.invoke({"messages": [("user", "hi")]})["messages"][-1].text == "fine"
    (calls,) = recorder.points("gen_ai.invoke_agent.inference_calls")
    assert (calls.count, calls.sum) == (2, 1)


def test_the_cache_of_a_model_that_is_not_traced(recorder, openai):
    recorder.missing |= FAKE_LACKS
    inner = FakeListChatModel(responses=["a"], cache=InMemoryCache())

    class Router(BaseChatModel):
        @property
        def _llm_type(self):
            return "router"

        def _generate(self, messages, stop=None, run_manager=None, **kwargs):
            with suppress_instrumentation():
                return ChatResult(generations=[ChatGeneration(message=inner.invoke(messages))])

    for _ in range(2):
        Router().invoke("hi")
    assert ["otel_llm.langchain.cached" in span.attributes for span in recorder.spans] == [False, False]


def test_a_model_around_a_model_is_one_inference(recorder, model):
    class Router(BaseChatModel):
        @property
        def _llm_type(self):
            return "router"

        def _generate(self, messages, stop=None, run_manager=None, **kwargs):
            return ChatResult(generations=[ChatGeneration(message=model.invoke(messages))])

    Router().invoke("hi")
    assert tree(recorder) == ["chat gpt-4o-mini"]
    known = dict(recorder.span.attributes)
    assert tokens(recorder) == {
        "input": known["gen_ai.usage.input_tokens"],
        "output": known["gen_ai.usage.output_tokens"],
    }


def test_the_applications_callbacks_see_what_they_saw(recorder):
    class Log(BaseCallbackHandler):
        def __init__(self):
            self.seen = []

        def on_chat_model_start(self, serialized, messages, **kwargs):
            self.seen.append(("start", len(messages)))

        def on_llm_new_token(self, token, **kwargs):
            self.seen.append(token)

        def on_llm_end(self, response, **kwargs):
            self.seen.append("end")

    recorder.missing |= FAKE_LACKS
    log = Log()
    list(FakeListChatModel(responses=["ab"]).stream("hi", {"callbacks": [log]}))
    assert log.seen == [("start", 1), "a", "b", "end"] or log.seen == [("start", 1), "a", "b", "", "end"]
    assert len(recorder.spans) == 1
