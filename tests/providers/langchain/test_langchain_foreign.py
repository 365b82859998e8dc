"""A model of LangChain's, or embeddings, inside of the span that a framework makes of the same call."""

from __future__ import annotations

import asyncio

import pytest
from langchain_core.tools import tool
from langchain_openai import OpenAIEmbeddings

from foreign_tracer import DURATION, TOKENS, Framework
from otel_llm import ForeignSpans, Settings


@pytest.fixture
def framework(lenient):
    return Framework(lenient, counts=(TOKENS, DURATION))


def scopes(recorder):
    return [span.instrumentation_scope.name for span in recorder.spans]


async def asked(model, how):
    if how == "invoke":
        await asyncio.to_thread(model.invoke, "hi")
    elif how == "stream":
        list(model.stream("hi"))
    elif how == "ainvoke":
        await model.ainvoke("hi")
    else:
        async for _ in model.astream("hi"):
            pass


@pytest.mark.parametrize("how", ["invoke", "stream", "ainvoke", "astream"])
async def test_a_model_and_its_sdk_join(recorder, framework, model, how):
    with framework.span():
        await asked(model.with_config(run_name="mine"), how)
    assert scopes(recorder) == [framework.scope]
    assert recorder.attributes["gen_ai.request.model"] == "gpt-4o-mini"
    assert recorder.attributes["otel_llm.request.id"]
    assert [point.count for point in recorder.points(TOKENS)] == [1]


@pytest.mark.parametrize("how", ["invoke", "stream", "ainvoke", "astream"])
async def test_a_model_and_its_sdk_are_left(recorder, framework, model, how):
    recorder.instrument(Settings(foreign_spans=ForeignSpans.LEAVE))
    with framework.span():
        await asked(model, how)
    assert recorder.attributes == {"gen_ai.operation.name": "chat"}
    assert [point.count for point in recorder.points(DURATION)] == [1]
    assert recorder.points("gen_ai.client.operation.time_per_output_chunk") == []


async def test_a_model_has_its_own(recorder, framework, model):
    recorder.instrument(Settings(foreign_spans=ForeignSpans.OWN))
    with framework.span():
        await model.ainvoke("hi")
    assert scopes(recorder) == ["otel_llm.langchain", framework.scope]


def test_embeddings_join(recorder, framework, openai):
    embeddings = OpenAIEmbeddings(model="text-embedding-3-small", check_embedding_ctx_length=False, **openai)
    with framework.span("embeddings"):
        embeddings.embed_query("hi")
    assert scopes(recorder) == [framework.scope]
    assert recorder.attributes["gen_ai.request.model"] == "text-embedding-3-small"


def test_a_tool_of_that_name_joins(recorder, framework):
    @tool
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    with framework.span("execute_tool", "add", gen_ai__tool__name="add"):
        assert add.invoke({"a": 1, "b": 2}) == 3
    with framework.span("execute_tool", "other", gen_ai__tool__name="other"):
        assert add.invoke({"a": 1, "b": 2}) == 3
    assert scopes(recorder) == [framework.scope, "otel_llm.langchain", framework.scope]


def test_a_chain_inside_of_an_inference_keeps_its_shape(recorder, framework, model):
    """What is inside of a chain is nobody's but ours: the chain stands between."""
    with framework.span():
        (model | (lambda answer: answer.content)).invoke("hi")
    assert scopes(recorder) == ["otel_llm.langchain", "otel_llm.langchain", framework.scope]
