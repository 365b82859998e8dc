"""Estimates of calls that are not of the openai SDK: containers on SageMaker, and LangChain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import otel_llm
from otel_llm import Settings
from standin.sagemaker import SageMakerServer

USAGE = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "otel_llm.usage.estimated")


def words(text: str, model: str) -> int:
    return len(text.split())


@pytest.fixture
def estimated(lenient: Any) -> Any:
    lenient.instrument(Settings(estimate_tokens=words))

    def last() -> tuple[Any, ...]:
        assert otel_llm.flush()
        attributes = lenient.spans[-1].attributes
        return tuple(attributes.get(name) for name in USAGE)

    yield last
    otel_llm.uninstrument()


@pytest.fixture
def sagemaker() -> Iterator[Any]:
    boto3 = pytest.importorskip("boto3")
    with SageMakerServer() as server:
        yield boto3.client(
            "sagemaker-runtime",
            endpoint_url=server.url,
            region_name="eu-west-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
        )


def invoke(client: Any, endpoint: str, **body: Any) -> Any:
    answer = client.invoke_endpoint(EndpointName=endpoint, Body=json.dumps(body), ContentType="application/json")
    return json.loads(answer["Body"].read())


def test_a_tgi_container(estimated: Any, sagemaker: Any) -> None:
    for fields in ({}, {"parameters": {"max_new_tokens": 40}}):
        (answer,) = invoke(sagemaker, "tgi-llama", inputs="Say hello to all.", **fields)
        assert estimated() == (4, len(answer["generated_text"].split()), True)


def test_what_a_container_counts_is_not_estimated(estimated: Any, sagemaker: Any) -> None:
    usage = invoke(sagemaker, "chat", messages=[{"role": "user", "content": "Hello"}])["usage"]
    assert estimated() == (usage["prompt_tokens"], usage["completion_tokens"], None)


def test_a_stream_of_a_container(estimated: Any, sagemaker: Any) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "Say hello to all."}], "stream": True})
    answer = sagemaker.invoke_endpoint_with_response_stream(
        EndpointName="lmi-chat", Body=body, ContentType="application/json"
    )
    for _ in answer["Body"]:
        pass
    given, came, is_estimate = estimated()
    assert (given, is_estimate) == (4 + 4 + 3, True)
    assert came > 0


def test_no_language_model_has_no_tokens(estimated: Any, sagemaker: Any) -> None:
    invoke(sagemaker, "classifier", inputs="Say hello to all.")
    invoke(sagemaker, "tgi", inputs="Say hello.")
    assert estimated()[0] == 2


def test_a_model_of_langchain(estimated: Any) -> None:
    fake = pytest.importorskip("langchain_core.language_models.fake_chat_models")
    model = fake.GenericFakeChatModel(messages=iter(["three more words"]))
    model.invoke("one two")
    assert estimated() == (2 + 4 + 3, 3, True)


def test_an_answer_from_the_cache_of_langchain(estimated: Any) -> None:
    fake = pytest.importorskip("langchain_core.language_models.fake_chat_models")
    caches = pytest.importorskip("langchain_core.caches")
    model = fake.GenericFakeChatModel(messages=iter(["three more words"]), cache=caches.InMemoryCache())
    model.invoke("one two")
    assert estimated() == (2 + 4 + 3, 3, True)
    model.invoke("one two")
    assert estimated() == (None, None, None)


def test_a_stream_of_langchain(estimated: Any) -> None:
    fake = pytest.importorskip("langchain_core.language_models.fake_chat_models")
    model = fake.GenericFakeChatModel(messages=iter(["three more words", "and again three more"]))
    for _ in model.stream("one two"):
        pass
    assert estimated() == (2 + 4 + 3, 3, True)
