"""Steps by the knob, retrieval, content off, uninstrumenting, LangSmith, laziness."""

from __future__ import annotations

import json
import pickle
from datetime import date

import pytest
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.documents import Document
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import ConfigurableField, RunnableLambda
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_core.tools import ToolException, tool
from langchain_core.tracers.context import tracing_v2_enabled
from langsmith import Client
from opentelemetry.instrumentation.utils import suppress_instrumentation
from shapes import ASKED, CONTENT_ON_SPANS, FAKE_LACKS, WHO, fake
from traces import named, tree

import otel_llm
from interpreter import python
from otel_llm import Settings
from otel_llm.config.choices import LangChainSteps
from otel_llm.providers.langchain import LangChainInstrumentor


@pytest.fixture(autouse=True)
def _fake(recorder):
    recorder.missing |= FAKE_LACKS


class Shelf(BaseRetriever):
    k: int = 2

    def _get_relevant_documents(self, query, *, run_manager):
        return [Document("words", id="d1", metadata={"score": 0.5, "page": 3})]


def chain():
    def shout(text):
        return text.upper()

    return WHO | fake("yes") | StrOutputParser() | RunnableLambda(shout)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (LangChainSteps.OFF, ["invoke_workflow", "  chat"]),
        (LangChainSteps.NAMED, ["invoke_workflow", "  chat", "  shout"]),
        (
            LangChainSteps.ALL,
            ["invoke_workflow", "  ChatPromptTemplate", "  chat", "  StrOutputParser", "  shout"],
        ),
    ],
)
def test_steps(recorder, steps, expected):
    recorder.instrument(Settings(langchain_steps=steps))
    assert chain().invoke(ASKED) == "YES"
    assert tree(recorder) == expected


def test_a_prompt_alone_is_no_workflow(recorder):
    WHO.invoke(ASKED)
    assert recorder.spans == []


def test_the_variables_of_the_environment(caplog):
    read = Settings.from_environment
    assert read({"OTEL_LLM_LANGCHAIN_STEPS": "All"}).langchain_steps is LangChainSteps.ALL
    assert read({"OTEL_LLM_LANGCHAIN_LEAVE_TO_SDK": "anthropic, X"}).langchain_leave_to_sdk == {"anthropic", "x"}
    assert read({"OTEL_LLM_LANGCHAIN_STEPS": "some"}).langchain_steps is LangChainSteps.NAMED
    assert "off, named, all" in caplog.text


def test_a_retrieval(recorder):
    recorder.instrument(CONTENT_ON_SPANS)
    Shelf().invoke("which?")
    known = dict(recorder.span.attributes)
    assert known["gen_ai.retrieval.top_k"] == 2
    assert known["gen_ai.retrieval.query.text"] == "which?"
    (document,) = json.loads(known["gen_ai.retrieval.documents"])
    assert document == {"id": "d1", "score": 0.5, "content": "words", "metadata": {"score": 0.5, "page": 3}}


def test_a_tool_that_gives_its_failure_as_a_result(recorder):
    @tool
    def shaky() -> str:
        """Fails."""
        raise ToolException("no")

    shaky.handle_tool_error = True
    shaky.invoke({"name": "shaky", "args": {}, "id": "1", "type": "tool_call"})
    assert recorder.span.attributes["error.type"] == "tool_error"


def test_off_is_off(recorder):
    word = "xylophone"

    @tool
    def leak(text: str) -> str:
        """Leaks."""
        raise ValueError(text)

    (WHO | fake(word)).invoke({"who": word, "question": word})
    Shelf().invoke(word)
    with pytest.raises(ValueError, match=word):
        leak.invoke({"text": word})
    told = [span.to_json() for span in recorder.spans] + [str(record.attributes) for record in recorder.logs]
    assert len(told) > 3
    assert [text for text in told if word in text] == []


def test_tags_and_metadata_are_bounded_and_without_secrets(recorder):
    metadata = {f"key{number}": "x" * 500 for number in range(100)} | {"token": "Bearer abcdefghijkl"}
    fake().invoke("hi", {"tags": ["t" * 1000] * 100, "metadata": metadata})
    known = dict(recorder.span.attributes)
    assert len(known["otel_llm.langchain.tags"]) <= 32
    assert max(map(len, known["otel_llm.langchain.tags"])) <= 256
    assert len(known["otel_llm.langchain.metadata"]) <= 2048
    assert "abcdefghijkl" not in known["otel_llm.langchain.metadata"]


def test_odd_tags_and_metadata_lose_no_span(recorder):
    round_about = {}
    round_about["self"] = round_about
    fake().invoke("hi", {"tags": [1, "blue"], "metadata": {2: "two", "day": date(2026, 1, 1)}})
    fake().invoke("hi", {"metadata": {"round": round_about, "plain": "x"}})
    odd, circular = named(recorder, "chat")
    assert odd["otel_llm.langchain.tags"] == ("1", "blue")
    assert json.loads(odd["otel_llm.langchain.metadata"])["2"] == "two"
    assert json.loads(circular["otel_llm.langchain.metadata"]) == {"round": {"self": "[dict]"}, "plain": "x"}


def test_suppression(recorder):
    with suppress_instrumentation():
        chain().invoke(ASKED)
    assert recorder.spans == []


def test_uninstrumenting_puts_everything_back(recorder):
    runnable = chain()
    runnable.invoke(ASKED)
    otel_llm.uninstrument()
    count = len(recorder.spans)
    original = BaseChatModel._generate_with_cache
    runnable.invoke(ASKED)
    assert len(recorder.spans) == count
    assert not hasattr(original, "__wrapped__")
    recorder.instrument()
    runnable.invoke(ASKED)
    assert len(recorder.spans) == 2 * count


def test_a_configuration_can_be_sent_to_another_process(recorder):
    sent = []
    RunnableLambda(lambda value, config: sent.append(pickle.dumps(config))).invoke(1, {"run_name": "here"})
    config = pickle.loads(sent[0])
    fake().invoke("hi", config)
    assert tree(recorder) == ["invoke_workflow here", "chat"]


def test_uninstrumenting_while_a_run_is_under_way(recorder):
    RunnableLambda(lambda value: otel_llm.uninstrument()).invoke(1, {"run_name": "last"})
    assert tree(recorder) == ["invoke_workflow last"]


def test_langsmiths_tracing_makes_no_difference(recorder):
    class Quiet(Client):
        def create_run(self, *args, **kwargs):
            pass

        update_run = create_run

    chain().invoke(ASKED)
    plain = tree(recorder)
    recorder.span_exporter.clear()
    with tracing_v2_enabled(client=Quiet(api_url="http://127.0.0.1:9", api_key="k", auto_batch_tracing=False)):
        chain().invoke(ASKED)
    assert tree(recorder) == plain
    assert named(recorder, "chat")[0]["otel_llm.prompt.variables.count"] == 2


def test_instrumenting_imports_nothing():
    code = (
        "import otel_llm, sys; otel_llm.instrument('langchain');"
        "print([name for name in sys.modules if name.startswith(('langchain', 'langgraph', 'langsmith', 'anthropic'))])"
    )
    assert python("-c", code).stdout.strip() == "[]"


def wrapped(how):
    model = fake()
    return {
        "retry": lambda: model.with_retry(),
        "retry of a binding": lambda: model.bind(stop=["x"]).with_retry(),
        "binding of a retry": lambda: model.with_retry().with_config(max_concurrency=2),
        "fallbacks": lambda: model.with_fallbacks([fake()]),
        "fallbacks of a retry": lambda: model.with_retry().with_fallbacks([fake()]),
        "alternatives": lambda: model.with_retry().configurable_alternatives(ConfigurableField("m"), other=fake()),
    }[how]()


WRAPPERS = ["retry", "retry of a binding", "binding of a retry", "fallbacks", "fallbacks of a retry", "alternatives"]


@pytest.mark.parametrize("steps", LangChainSteps)
@pytest.mark.parametrize("how", WRAPPERS)
def test_a_wrapper_without_a_name_has_no_span(recorder, how, steps):
    recorder.instrument(Settings(langchain_steps=steps))
    wrapped(how).invoke("hi", {"metadata": {"session_id": "s-1"}, "tags": ["beta"]})
    assert tree(recorder) == ["chat"]
    (chat,) = named(recorder, "chat")
    assert (chat["session.id"], chat["otel_llm.tags"]) == ("s-1", ("beta",))


@pytest.mark.parametrize("how", WRAPPERS)
async def test_a_wrapper_that_streams(recorder, how):
    assert "".join([chunk.content async for chunk in wrapped(how).astream("hi")])
    assert tree(recorder) == ["chat"]


def test_each_of_many(recorder):
    fake("a", "b").map().invoke(["x", "y"])
    assert tree(recorder) == ["chat", "chat"]


def test_a_chain_in_a_wrapper_is_the_workflow(recorder):
    (WHO | fake()).with_retry().with_fallbacks([fake()]).invoke(ASKED)
    assert tree(recorder) == ["invoke_workflow", "  chat"]


def test_a_wrapper_that_fails(recorder):
    chain = fake() | RunnableLambda(lambda value: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        chain.with_retry(stop_after_attempt=1).with_fallbacks([chain]).invoke("hi")
    assert tree(recorder) == ["invoke_workflow !", "  chat", "invoke_workflow !", "  chat"]
    assert len(LangChainInstrumentor().handler.runs) == 0


def test_a_wrapper_has_the_name_it_is_given(recorder):
    fake().with_retry().invoke("hi", {"run_name": "answer"})
    assert tree(recorder) == ["invoke_workflow answer", "  chat"]


@pytest.mark.parametrize(
    ("metadata", "session", "conversation"),
    [
        ({"session_id": "s-1", "conversation_id": "c-1"}, "s-1", "c-1"),
        ({"session_id": 7, "thread_id": "t-1"}, "7", "t-1"),
        ({"conversation_id": "c-1", "thread_id": "t-1"}, None, "c-1"),
        ({"session_id": "", "conversation_id": ["c"]}, None, None),
    ],
)
def test_session_and_conversation(recorder, metadata, session, conversation):
    (WHO | fake()).invoke(ASKED, {"metadata": metadata})
    for span in recorder.spans:
        known = span.attributes
        assert (known.get("session.id"), known.get("gen_ai.conversation.id")) == (session, conversation)
        assert "otel_llm.langchain.metadata" not in known


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
@pytest.mark.parametrize("how", ["invoke", "stream"])
def test_the_functions_around_a_chain_with_history_are_no_steps(recorder, how):
    recorder.missing |= FAKE_LACKS
    history = InMemoryChatMessageHistory()
    prompt = ChatPromptTemplate([MessagesPlaceholder("before"), ("user", "{question}")])
    chain = RunnableWithMessageHistory(
        prompt | fake(),
        lambda: history,
        input_messages_key="question",
        history_messages_key="before",
        history_factory_config=[],
    )
    asked = {"question": "Why?"}
    chain.invoke(asked) if how == "invoke" else list(chain.stream(asked))
    assert tree(recorder) == ["invoke_workflow", "  chat"]
    assert len(history.messages) == 2
