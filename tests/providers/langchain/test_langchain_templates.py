"""The prompt template on the inference it led to."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import Any

import pytest
from langchain_core.language_models import FakeListLLM
from langchain_core.messages import HumanMessage
from langchain_core.prompts import (
    ChatPromptTemplate,
    FewShotChatMessagePromptTemplate,
    FewShotPromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
)
from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, MessagesState, StateGraph
from shapes import ASKED, CONTENT_ON_SPANS, FAKE_LACKS, WHO, fake
from traces import named

from otel_llm.providers.langchain import LangChainInstrumentor


@pytest.fixture(autouse=True)
def _content(recorder):
    recorder.instrument(CONTENT_ON_SPANS)
    recorder.missing |= FAKE_LACKS


def prompts(recorder: Any, start: str = "chat") -> list[dict[str, Any]]:
    """What the inferences say of their prompts, by the end of the attributes' names."""
    return [
        {name.partition("prompt.")[2]: value for name, value in known.items() if ".prompt." in name}
        for known in named(recorder, start)
    ]


WRITTEN = '[{"role":"system","content":"You are {who}."},{"role":"user","content":"{question}"}]'


def test_a_prompt_piped_into_a_model(recorder):
    (WHO | fake()).invoke(ASKED)
    (said,) = prompts(recorder)
    assert len(said.pop("template.hash")) == 16
    assert said == {
        "template": WRITTEN,
        "variables.count": 2,
        "variable.who": "a poet",
        "variable.question": "What is the sea?",
    }


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "format_messages", "format_prompt", "stream", "batch", "list"])
def test_every_way_from_a_prompt_to_a_model(recorder, how):
    model = fake()
    if how == "invoke":
        model.invoke(WHO.invoke(ASKED))
    elif how == "ainvoke":
        asyncio.run((WHO | model).ainvoke(ASKED))
    elif how == "format_messages":
        model.invoke(WHO.format_messages(**ASKED))
    elif how == "format_prompt":
        model.invoke(WHO.format_prompt(**ASKED))
    elif how == "stream":
        list((WHO | model).stream(ASKED))
    elif how == "batch":
        (WHO | model).batch([ASKED, {**ASKED, "who": "a sailor"}])
    else:
        model.invoke([*WHO.invoke(ASKED).to_messages(), HumanMessage("And the sky?")])
    said = prompts(recorder)
    assert sorted(one["variable.who"] for one in said) == ["a poet", "a sailor"][: len(said)]
    assert {one["template"] for one in said} == {WRITTEN}


@pytest.mark.parametrize("asynchronous", [False, True])
def test_text_llms_and_text_prompts(recorder, asynchronous):
    prompt = PromptTemplate.from_template("Tell of {what}")
    for model in (FakeListLLM(responses=["a"]), fake()):
        chain = prompt | model
        asyncio.run(chain.ainvoke({"what": "ships"})) if asynchronous else chain.invoke({"what": "ships"})
    (completed,) = prompts(recorder, "text_completion")
    (chatted,) = prompts(recorder)
    assert completed == chatted
    assert (completed["template"], completed["variable.what"]) == ("Tell of {what}", "ships")


def test_partial_variables(recorder):
    calls = []
    prompt = WHO.partial(who=lambda: calls.append(1) or "a clock")
    (prompt | fake()).invoke({"question": "When?"})
    (WHO.partial(who="a cook") | fake()).invoke({"question": "What?"})
    computed, given = prompts(recorder)
    assert calls == [1]
    assert (computed["variables.count"], computed["variable.question"]) == (2, "When?")
    assert given["variable.who"] == "a cook"
    assert computed["template.hash"] == given["template.hash"]


def test_a_placeholder_is_a_variable_and_its_messages_are_not_the_templates(recorder):
    prompt = ChatPromptTemplate([("system", "Be {tone}."), MessagesPlaceholder("history")])
    history = [HumanMessage("Hello")]
    model = fake()
    model.invoke(prompt.invoke({"tone": "kind", "history": history}))
    model.invoke(history)
    templated, plain = prompts(recorder)
    assert json.loads(templated["template"])[1] == {"role": "placeholder", "content": "{history}"}
    assert json.loads(templated["variable.history"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "Hello"}]}
    ]
    assert plain == {}


def test_few_shot(recorder):
    examples = [{"in": "1", "out": "one"}, {"in": "2", "out": "two"}]
    shots = FewShotChatMessagePromptTemplate(
        examples=examples, example_prompt=ChatPromptTemplate([("user", "{in}"), ("ai", "{out}")])
    )
    (ChatPromptTemplate([("system", "Spell."), shots, ("user", "{number}")]) | fake()).invoke({"number": "3"})
    text = FewShotPromptTemplate(
        examples=examples,
        example_prompt=PromptTemplate.from_template("{in}={out}"),
        suffix="{n}=",
        input_variables=["n"],
    )
    (text | FakeListLLM(responses=["three"])).invoke({"n": "3"})
    (chat,), (completed,) = prompts(recorder), prompts(recorder, "text_completion")
    assert json.loads(chat["template"])[1]["examples"] == examples
    assert json.loads(completed["template"])["suffix"] == "{n}="
    assert (chat["variable.number"], completed["variable.n"]) == ("3", "3")


def test_a_template_with_an_image(recorder):
    image = {"type": "image", "base64": "{data}", "mime_type": "image/png"}
    prompt = ChatPromptTemplate([("user", [{"type": "text", "text": "What is {what}?"}, image])])
    (prompt | fake()).invoke({"what": "this", "data": "aGk="})
    list((prompt | fake()).stream({"what": "this", "data": "aGk="}))
    assert [one["variable.what"] for one in prompts(recorder)] == ["this", "this"]


def test_several_templates_in_one_run(recorder):
    first, second = (ChatPromptTemplate.from_template(text) for text in ("First {a}", "Second {b}"))
    chain = first | fake("mid") | RunnableLambda(lambda answer: {"b": answer.content}) | second | fake()
    chain.invoke({"a": "1"})
    assert [one["template"] for one in prompts(recorder)] == [
        '[{"role":"user","content":"First {a}"}]',
        '[{"role":"user","content":"Second {b}"}]',
    ]


def test_the_latest_template_wins_where_a_conversation_holds_several(recorder):
    model = fake()
    turns = ChatPromptTemplate([MessagesPlaceholder("history"), ("user", "{question}")])
    asked = turns.format_messages(history=[], question="one")
    model.invoke(turns.format_messages(history=asked, question="two"))
    (said,) = prompts(recorder)
    assert said["variable.question"] == "two"


HUB = {"lc_hub_owner": "acme", "lc_hub_repo": "poet", "lc_hub_commit_hash": "abc123"}


@pytest.mark.parametrize(
    ("where", "metadata", "expected"),
    [
        ("template", HUB, ("acme/poet", "abc123")),
        ("template", {**HUB, "lc_hub_owner": "-"}, ("poet", "abc123")),
        ("template", {"prompt_name": "poet", "prompt_version": 3}, ("poet", "3")),
        ("prompt", {"prompt_name": "poet", "prompt_version": "v1"}, ("poet", "v1")),
        ("chain", {"prompt_name": "poet"}, ("poet", None)),
        ("model", {"prompt_name": "poet", "prompt_version": "2"}, ("poet", "2")),
        ("nowhere", {}, (None, None)),
        ("named", {"prompt_version": 3}, ("by name", "3")),
        ("named", {"lc_hub_commit_hash": "abc123"}, ("by name", "abc123")),
        ("named", {"prompt_name": "poet", "prompt_version": "2"}, ("poet", "2")),
        ("template", {"prompt_name": "poet", "lc_hub_commit_hash": "abc123"}, ("poet", "abc123")),
        ("template, version on chain", {"prompt_name": "poet"}, ("poet", "4")),
        ("named chain", {"prompt_version": "2"}, ("by name", "2")),
        ("named chain", {"prompt_name": "poet", "prompt_version": "2"}, ("poet", "2")),
        ("template", {**HUB, "prompt_version": 3}, ("acme/poet", "abc123")),
    ],
)
def test_name_and_version(recorder, where, metadata, expected):
    prompt, model = WHO.model_copy(), fake()
    if where.startswith("named"):
        prompt.name = "by name"
    if where.partition(",")[0] in ("template", "named"):
        prompt.metadata = metadata
    elif where == "prompt":
        prompt = prompt.with_config(metadata=metadata)
    elif where == "model":
        model = model.with_config(metadata=metadata)
    chain = prompt | model
    of_chain = {"prompt_version": 4} if where == "template, version on chain" else metadata
    (chain.with_config(metadata=of_chain) if where.endswith("chain") else chain).invoke(ASKED)
    (known,) = named(recorder, "chat")
    assert (known.get("gen_ai.prompt.name"), known.get("gen_ai.prompt.version")) == expected


@pytest.mark.parametrize("asynchronous", [False, True])
def test_inside_a_graphs_nodes(recorder, asynchronous):
    def node(state):
        return {"messages": [fake().invoke(WHO.invoke({"who": "a node", "question": state["messages"][0].content}))]}

    async def anode(state):
        return {"messages": [await fake().ainvoke(await WHO.ainvoke({"who": "a node", "question": "?"}))]}

    graph = StateGraph(MessagesState)
    graph.add_node("ask", anode if asynchronous else node)
    graph.add_edge(START, "ask")
    run, given = graph.compile(), {"messages": [("user", "Why?")]}
    asyncio.run(run.ainvoke(given)) if asynchronous else run.invoke(given)
    assert [one["variable.who"] for one in prompts(recorder)] == ["a node"]


def test_without_content_only_identity_and_size(recorder):
    recorder.instrument()
    WHO.model_copy()
    (WHO | fake()).invoke(ASKED, {"metadata": {"prompt_name": "poet"}})
    (said,) = prompts(recorder)
    assert set(said) == {"template.hash", "variables.count", "name"}


def test_nothing_is_kept(recorder):
    before = len(LangChainInstrumentor().templates)
    for number in range(200):
        prompt = ChatPromptTemplate.from_template(f"Number {number} {{a}}")
        fake().invoke(prompt.invoke({"a": number}))
        prompt.format_messages(a=1)
    del prompt
    gc.collect()
    assert len(LangChainInstrumentor().templates) <= before + 1
