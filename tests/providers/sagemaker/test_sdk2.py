"""The SageMaker SDK 2.x: predictors of every kind, and its local mode."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asking import CHAT, GENERATE, answering, told

import otel_llm

pytest.importorskip("sagemaker")
predictor = pytest.importorskip("sagemaker.predictor", reason="the SDK is 3.x", exc_type=ImportError)

PARAMETERS = {
    "max_new_tokens": 150,
    "temperature": 0.01,
    "top_p": 0.6,
    "stop": ["<|eot_id|>"],
    "return_full_text": False,
}


@pytest.fixture
def sagemaker_session(server: Any, recorder: Any) -> Any:
    import boto3
    from sagemaker.session import Session

    return Session(boto3.session.Session("x", "y", region_name="us-east-1"))


def test_a_predictor_of_hugging_face(sagemaker_session: Any, recorder: Any) -> None:
    """The reference application's call."""
    from sagemaker.huggingface import HuggingFacePredictor

    answer = HuggingFacePredictor("chat-llm-twin", sagemaker_session).predict({**CHAT, "parameters": PARAMETERS})
    assert answer["choices"][0]["message"]["content"]
    assert recorder.span.name == "chat chat-llm-twin"
    assert recorder.attributes["gen_ai.request.max_tokens"] == 150
    assert recorder.attributes["gen_ai.request.stop_sequences"] == ("<|eot_id|>",)
    assert recorder.attributes["gen_ai.usage.input_tokens"] > 0
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("stop",)


def _predictors() -> dict[str, Any]:
    from sagemaker.deserializers import (
        BytesDeserializer,
        JSONDeserializer,
        JSONLinesDeserializer,
        StreamDeserializer,
        StringDeserializer,
    )

    kinds = (BytesDeserializer, JSONDeserializer, JSONLinesDeserializer, StreamDeserializer, StringDeserializer)
    return {kind.__name__: kind for kind in kinds}


def _predicted(sagemaker_session: Any, kind: Any) -> Any:
    from sagemaker.serializers import JSONSerializer

    made = predictor.Predictor("tgi", sagemaker_session, JSONSerializer(), kind())
    answer = made.predict(GENERATE)
    if kind.__name__ != "StreamDeserializer":
        return answer
    stream, content_type = answer
    return [type(stream), stream.read(), content_type]


@pytest.mark.parametrize("name", _predictors())
def test_every_deserializer_reads_the_same(sagemaker_session: Any, sparse: Any, name: str) -> None:
    with_us = _predicted(sagemaker_session, _predictors()[name])
    assert sparse.attributes["gen_ai.usage.output_tokens"] > 0
    assert "otel_llm.stream.outcome" not in sparse.attributes
    otel_llm.uninstrument()
    assert with_us == _predicted(sagemaker_session, _predictors()[name])


@pytest.mark.parametrize("name", ["ByteIterator", "LineIterator"])
def test_a_predictor_that_streams(sagemaker_session: Any, sparse: Any, name: str) -> None:
    from sagemaker import iterators
    from sagemaker.serializers import JSONSerializer

    made = predictor.Predictor("tgi", sagemaker_session, JSONSerializer())
    pieces = list(made.predict_stream(GENERATE, iterator=getattr(iterators, name)))
    assert b"generated_text" in b"".join(pieces)
    assert sparse.attributes["gen_ai.request.stream"] is True
    assert sparse.attributes["gen_ai.response.time_to_first_chunk"] > 0
    assert sparse.attributes["gen_ai.usage.output_tokens"] > 0


def test_the_target_of_a_prediction(sagemaker_session: Any, recorder: Any) -> None:
    from sagemaker.huggingface import HuggingFacePredictor

    made = HuggingFacePredictor("chat", sagemaker_session, component_name="adapter")
    made.predict(CHAT, target_variant="blue", target_model="m.tar.gz")
    assert recorder.span.name == "chat adapter"
    given = told(recorder.attributes, "otel_llm.sagemaker.target")
    assert given == {"otel_llm.sagemaker.target_model": "m.tar.gz", "otel_llm.sagemaker.target_variant": "blue"}


def test_a_session_made_before(server: Any, recorder: Any) -> None:
    import boto3
    from sagemaker.huggingface import HuggingFacePredictor
    from sagemaker.session import Session

    otel_llm.uninstrument()
    before = Session(boto3.session.Session("x", "y", region_name="us-east-1"))
    recorder.instrument()
    HuggingFacePredictor("chat", before).predict(CHAT)
    assert recorder.span.name == "chat chat"


def test_an_asynchronous_predictor(sagemaker_session: Any, recorder: Any) -> None:
    from sagemaker.huggingface import HuggingFacePredictor
    from sagemaker.predictor_async import AsyncPredictor

    made = AsyncPredictor(HuggingFacePredictor("llama", sagemaker_session))
    made.predict_async(input_path="s3://bucket/in.json")
    assert recorder.span.name == "invoke_endpoint_async llama"
    assert recorder.attributes["otel_llm.sagemaker.input_location"] == "s3://bucket/in.json"


def test_another_model(sagemaker_session: Any, recorder: Any) -> None:
    from sagemaker.deserializers import CSVDeserializer
    from sagemaker.serializers import CSVSerializer

    made = predictor.Predictor("csv", sagemaker_session, CSVSerializer(), CSVDeserializer())
    assert made.predict([1, 2, 3]) == [["0.93", "0.07"]]
    assert recorder.spans == []


def test_local_mode(recorder: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from sagemaker.local import local_session

    client = local_session.LocalSagemakerRuntimeClient({"local": {"serving_port": server.port}})
    monkeypatch.setattr(local_session, "get_docker_host", lambda: "127.0.0.1")
    from standin.chat import chat

    server.reply_with(lambda request: chat(request, "llama"))
    answer = client.invoke_endpoint(json.dumps(CHAT), "local-llama", "application/json", "application/json")
    assert json.loads(answer["Body"].read())["choices"]
    assert recorder.span.name == "chat local-llama"
    assert recorder.attributes["server.port"] == server.port
    assert recorder.attributes["gen_ai.usage.output_tokens"] > 0


def test_local_mode_of_a_request_that_may_be_anything(
    sparse: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer's type is then the one that was asked for."""
    from sagemaker.local import local_session

    client = local_session.LocalSagemakerRuntimeClient({"local": {"serving_port": server.port}})
    monkeypatch.setattr(local_session, "get_docker_host", lambda: "127.0.0.1")
    server.reply_with(answering([{"generated_text": "Hello."}]))
    answer = client.invoke_endpoint('{"inputs": "Hi"}', "local-llama", "application/json", "*/*")
    assert json.loads(answer["Body"].read())
    assert sparse.span.name == "text_completion local-llama"
