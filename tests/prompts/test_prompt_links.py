"""The prompt is on the inference its text leads to, whatever SDK and layers it goes through."""

from __future__ import annotations

import copy
import gc
import json
import threading
import weakref
from contextvars import copy_context
from typing import Any

import pytest

import otel_llm
from otel_llm import ContentCapture, Experiment, Prompt, Settings
from otel_llm.prompts import behind

MODEL = "gpt-4o-mini"
CONTENT_ON_SPANS = Settings(capture_content=ContentCapture.SPAN_ONLY)


def said(recorder: Any) -> list[dict[str, Any]]:
    """What each span says of its prompt, by the end of the attributes' names."""
    return [
        {
            name.partition("prompt.")[2] or name.removeprefix("otel_llm."): value
            for name, value in (span.attributes or {}).items()
            if ".prompt." in name or ".experiment." in name
        }
        for span in recorder.spans
    ]


def named(prompt: Prompt, variables: int) -> dict[str, Any]:
    return {
        "name": prompt.name,
        "version": prompt.version,
        "template.hash": prompt.hash,
        "variables.count": variables,
    }


def invoke(client: Any, endpoint: str, body: Any) -> Any:
    sent = json.dumps(body).encode()
    return client.invoke_endpoint(EndpointName=endpoint, ContentType="application/json", Body=sent)["Body"].read()


# --- openai --------------------------------------------------------------------------------------


def test_chat(recorder: Any, client: Any, rag: Prompt) -> None:
    client.chat.completions.create(model=MODEL, messages=rag.format(who="a poet", question="Why?"))
    assert said(recorder) == [named(rag, 2)]


def test_content_by_opt_in_only(recorder: Any, client: Any, rag: Prompt) -> None:
    recorder.instrument(CONTENT_ON_SPANS)
    client.chat.completions.create(model=MODEL, messages=rag.format(who="a poet", question="Why?"))
    written = '[{"role":"system","content":"You answer in the voice of {who}."},{"role":"user","content":"{question}"}]'
    content = {"template": written, "variable.who": "a poet", "variable.question": "Why?"}
    assert said(recorder) == [named(rag, 2) | content]


@pytest.mark.parametrize(
    "place",
    [
        lambda client, text: client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": [{"type": "text", "text": text}]}]
        ),
        lambda client, text: client.responses.create(model=MODEL, input=text),
        lambda client, text: client.responses.create(model=MODEL, input="Why?", instructions=text),
        lambda client, text: client.responses.create(
            model=MODEL, input=[{"role": "user", "content": [{"type": "input_text", "text": text}]}]
        ),
        lambda client, text: client.completions.create(model="gpt-3.5-turbo-instruct", prompt=text),
        lambda client, text: client.completions.create(model="gpt-3.5-turbo-instruct", prompt=["Hi", text]),
        lambda client, text: list(
            client.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": text}],
                stream=True,
                stream_options={"include_usage": True},
            )
        ),
        lambda client, text: client.chat.completions.with_raw_response.create(
            model=MODEL, messages=[{"role": "user", "content": text}]
        ),
    ],
    ids=["parts", "input", "instructions", "items", "completion", "completions", "stream", "raw"],
)
def test_wherever_the_text_goes(recorder: Any, client: Any, ask: Prompt, place: Any) -> None:
    place(client, ask.format(question="Why?"))
    assert said(recorder) == [named(ask, 1)]


async def test_async(recorder: Any, async_client: Any, ask: Prompt) -> None:
    text = ask.format(question="Why?")
    await async_client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": text}])
    assert said(recorder) == [named(ask, 1)]


def test_a_sampler_and_the_metrics_see_it_too(recorder: Any, client: Any, ask: Prompt) -> None:
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler

    seen = []

    class Looking(Sampler):
        def should_sample(self, *args: Any, **kwargs: Any) -> Any:
            seen.append(dict(kwargs.get("attributes") or args[4] or {}))
            return ALWAYS_ON.should_sample(*args, **kwargs)

        def get_description(self) -> str:
            return "Looking"

    recorder.instrument(sampler=Looking())
    client.responses.create(model=MODEL, input=ask.format(question="Why?"))
    assert seen[0]["gen_ai.prompt.name"] == "ask"


def test_a_call_without_a_prompt_says_nothing(recorder: Any, client: Any, ask: Prompt) -> None:
    text = ask.format(question="Why?")
    client.responses.create(model=MODEL, input="Something else")
    client.embeddings.create(model="text-embedding-3-small", input=text)
    client.responses.create(model=MODEL, input=text + "!")
    assert said(recorder) == [{}, {}, {}]


def test_a_text_that_is_gone_is_nobodys(recorder: Any, client: Any, ask: Prompt) -> None:
    for question in ("Why?", "a", "b", "c", "d"):
        ask.format(question=question)
    client.responses.create(model=MODEL, input="Answer briefly: Why?")
    assert said(recorder) == [{}]


def test_of_several_prompts_the_latest(recorder: Any, client: Any, rag: Prompt, ask: Prompt) -> None:
    history = rag.format(who="a poet", question="Why?")
    history.append({"role": "assistant", "content": "Because."})
    history.append({"role": "user", "content": ask.format(question="And?")})
    client.chat.completions.create(model=MODEL, messages=history)
    client.chat.completions.create(model=MODEL, messages=copy.deepcopy(history[:2]))
    assert said(recorder) == [named(ask, 1), named(rag, 2)]


def test_a_prompt_kept_by_the_provider_names_itself(recorder: Any, client: Any, ask: Prompt) -> None:
    text = ask.format(question="Why?")
    client.responses.create(model=MODEL, prompt={"id": "pmpt_1", "version": "3"}, input=text)
    assert said(recorder) == [{"name": "pmpt_1", "version": "3"}]


def test_label_and_experiment(recorder: Any, client: Any) -> None:
    prompt = Experiment("greeting", {"warm": Prompt("greet", "2", "Hi {name}!", "production")}).assign("user-1")
    client.responses.create(model=MODEL, input=prompt.format(name="Ada"))
    assert said(recorder) == [
        named(prompt, 1) | {"label": "production", "experiment.id": "greeting", "experiment.variant": "warm"}
    ]


def test_metrics_are_split_by_prompt_and_variant_and_by_nothing_finer(recorder: Any, client: Any) -> None:
    variants = {"a": Prompt("greet", "1", "Hi {name}!"), "b": Prompt("greet", "2", "Hello {name}!")}
    experiment = Experiment("greeting", variants)
    for user in ("user-1", "user-2", "user-3"):
        with otel_llm.propagate_attributes(user_id=user, session_id=user):
            client.responses.create(model=MODEL, input=experiment.assign(user).format(name=user))
    for metric in ("gen_ai.client.operation.duration", "gen_ai.client.token.usage"):
        points = [dict(point.attributes) for point in recorder.points(metric)]
        assert {
            (point["gen_ai.prompt.name"], point["gen_ai.prompt.version"], point["otel_llm.experiment.variant"])
            for point in points
        } == {("greet", "1", "a"), ("greet", "2", "b")}
        assert not any("hash" in name or name in ("user.id", "session.id") for point in points for name in point)


def test_what_the_context_says_gives_way_to_the_text(recorder: Any, client: Any, ask: Prompt, rag: Prompt) -> None:
    text = ask.format(question="Why?")
    with otel_llm.propagate_attributes(prompt=rag):
        client.responses.create(model=MODEL, input=text)
        client.responses.create(model=MODEL, input=text + "!")
    with otel_llm.propagate_attributes(prompt=text):
        client.responses.create(model=MODEL, input=text + "?")
    unfilled = named(rag, 0)
    del unfilled["variables.count"]
    assert said(recorder) == [named(ask, 1), unfilled, named(ask, 1)]


def test_the_context_knows_the_words_of_a_text(recorder: Any, client: Any, ask: Prompt) -> None:
    recorder.instrument(CONTENT_ON_SPANS)
    text = ask.format(question="Why?")
    with otel_llm.propagate_attributes(prompt=text):
        client.responses.create(model=MODEL, input=text + "?")
    content = {"template": "Answer briefly: {question}", "variable.question": "Why?"}
    assert said(recorder) == [named(ask, 1) | content]


# --- SageMaker -----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["messages", "inputs", "prompt", "stream"])
def test_sagemaker_finds_the_prompt_in_bytes(recorder: Any, sagemaker: Any, ask: Prompt, how: str) -> None:
    recorder.missing |= {"gen_ai.response.id", "gen_ai.response.model", "gen_ai.usage.input_tokens"}
    recorder.instrument(CONTENT_ON_SPANS)
    text = ask.format(question="Warum, où?")
    if how == "messages":
        invoke(sagemaker, "chat", {"messages": [{"role": "user", "content": text}]})
    elif how == "inputs":
        invoke(sagemaker, "tgi", {"inputs": text, "parameters": {"details": True}})
    elif how == "prompt":
        invoke(sagemaker, "completion", {"prompt": text})
    else:
        sent = json.dumps({"messages": [{"role": "user", "content": text}], "stream": True}).encode()
        answer = sagemaker.invoke_endpoint_with_response_stream(
            EndpointName="chat", ContentType="application/json", Body=sent
        )
        list(answer["Body"])
    content = {"template": "Answer briefly: {question}", "variable.question": "Warum, où?"}
    assert said(recorder) == [named(ask, 1) | content]


def test_a_text_that_its_caller_let_go_of(recorder: Any, sagemaker: Any, ask: Prompt) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": ask.format(question="Why?")}]})
    sagemaker.invoke_endpoint(EndpointName="chat", ContentType="application/json", Body=body)["Body"].read()
    assert said(recorder) == [named(ask, 1)]


def test_words_that_several_prompts_share(recorder: Any, sagemaker: Any, rag: Prompt) -> None:
    """By its words alone, a system prompt is that of whoever uses it; the user's message tells them apart."""
    other = Prompt("other", "1", rag.template)
    mine, others = rag.format(who="a poet", question="Why?"), other.format(who="a poet", question="How?")
    invoke(sagemaker, "chat", {"messages": mine})
    invoke(sagemaker, "chat", {"messages": others})
    assert said(recorder) == [named(rag, 2), named(other, 2)]


def elsewhere(work: Any) -> Any:
    """What ``work`` returns in a thread that has filled in no prompt."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.parametrize("number", [2, 20, 200])
def test_many_requests_at_once(number: int, rag: Prompt) -> None:
    """Each finds its own by its words, though all share a system prompt, and never another one's variables."""
    requests = [rag.format(who="a poet", question=f"Question {n}") for n in range(number)]
    for n, messages in enumerate(requests):
        sent = json.loads(json.dumps(messages))
        use = elsewhere(lambda sent=sent: behind(sent))
        assert use.variables["question"] == f"Question {n}"
        assert elsewhere(lambda sent=sent: behind(sent[:1])) is None


def test_a_prompt_that_every_request_shares_does_not_name_the_others(ask: Prompt) -> None:
    """A system prompt of its own is made anew by each request, later ones included."""
    system = Prompt("system", "1", "Be kind.")
    made = [(system.format(), ask.format(question=str(n))) for n in range(10)]
    for n, texts in enumerate(made):
        sent = json.loads(json.dumps(texts))
        use = elsewhere(lambda sent=sent: behind(sent))
        assert (use.name, use.variables) == ("ask", {"question": str(n)})


def test_words_of_a_prompt_whose_rest_is_not_there_are_nobodys(rag: Prompt) -> None:
    """They may be another's, who has let go of them, and must not be given this one's variables."""
    sent = json.loads(json.dumps(rag.format(who="a poet", question="Theirs")))
    for n in range(5):
        rag.format(who="a poet", question=str(n))
    assert behind(sent) is None
    assert elsewhere(lambda: behind(sent)) is None


def test_of_the_same_words_those_of_this_thread_count(ask: Prompt) -> None:
    mine = ask.format(question="Why?")
    theirs = copy_context().run(Prompt("other", "1", ask.template).format, question="Why?")
    assert theirs == mine
    sent = [mine + ""]
    assert type(sent[0]) is str
    use = behind(sent)
    assert use is mine.use


# --- LangChain -----------------------------------------------------------------------------------


@pytest.fixture
def chat_model(server: Any) -> Any:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model=MODEL, base_url=server.base_url, api_key="sk-test-0123456789", max_retries=0)


def test_langchain_over_openai(recorder: Any, chat_model: Any, rag: Prompt) -> None:
    recorder.instrument(CONTENT_ON_SPANS)
    chat_model.invoke(rag.format(who="a poet", question="Why?"))
    (only,) = said(recorder)
    assert only.pop("template").startswith('[{"role":"system"')
    assert only == named(rag, 2) | {"variable.who": "a poet", "variable.question": "Why?"}


def test_messages_of_langchain(recorder: Any, chat_model: Any, ask: Prompt) -> None:
    from langchain_core.messages import HumanMessage, SystemMessage

    text = ask.format(question="Why?")
    chat_model.invoke([SystemMessage("Be kind."), HumanMessage(text)])
    chat_model.invoke([HumanMessage([{"type": "text", "text": text}])])
    chat_model.invoke(text)
    assert said(recorder) == [named(ask, 1)] * 3


def test_a_text_model_of_langchain(recorder: Any, ask: Prompt) -> None:
    from langchain_core.language_models import FakeListLLM

    recorder.missing |= {
        "gen_ai.response.id",
        "gen_ai.response.model",
        "gen_ai.response.finish_reasons",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "server.address",
    }
    FakeListLLM(responses=["fine"]).invoke(ask.format(question="Why?"))
    assert said(recorder) == [named(ask, 1)]


def test_a_template_of_langchain_and_a_prompt_the_later_counts(recorder: Any, chat_model: Any, ask: Prompt) -> None:
    from langchain_core.messages import HumanMessage
    from langchain_core.prompts import ChatPromptTemplate

    template = ChatPromptTemplate([("system", "You are {who}.")], metadata={"prompt_name": "who"})
    first = template.invoke({"who": "a poet"}).messages
    chat_model.invoke([*first, HumanMessage(ask.format(question="Why?"))])
    text = ask.format(question="Why?")
    chat_model.invoke([HumanMessage(text), *template.invoke({"who": "a poet"}).messages])
    assert [one["name"] for one in said(recorder)] == ["ask", "who"]


async def test_langgraph(recorder: Any, chat_model: Any, ask: Prompt) -> None:
    from langgraph.graph import START, MessagesState, StateGraph

    async def answer(state: Any) -> Any:
        return {"messages": [await chat_model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState).add_node("answer", answer).add_edge(START, "answer").compile()
    text = ask.format(question="Why?")
    await graph.ainvoke({"messages": [{"role": "user", "content": text}]})
    (chat,) = [one for one in said(recorder) if one]
    assert chat == named(ask, 1)


# --- what goes wrong is nobody's business ----------------------------------------------------------


def test_messages_that_can_not_be_read(ask: Prompt, caplog: Any) -> None:
    class Broken:
        @property
        def content(self) -> Any:
            raise RuntimeError("not now")

    text = ask.format(question="Why?")
    assert behind([Broken(), text]) is None
    assert "failed in behind (RuntimeError)" in caplog.text
    assert "Why?" not in caplog.text
    caplog.clear()


def test_messages_within_messages_without_end(ask: Prompt) -> None:
    text = ask.format(question="Why?")
    endless: list[Any] = [text]
    endless.append(endless)
    assert behind(endless) is text.use


# --- nothing is kept -----------------------------------------------------------------------------


def test_nothing_is_kept(recorder: Any, client: Any, rag: Prompt) -> None:
    class Held:
        def __str__(self) -> str:
            return "Why?"

    held = Held()
    gone = weakref.ref(held)
    client.chat.completions.create(model=MODEL, messages=rag.format(who="a poet", question=held))
    del held
    for _ in range(4):
        rag.format(who="", question="")
    gc.collect()
    assert gone() is None
