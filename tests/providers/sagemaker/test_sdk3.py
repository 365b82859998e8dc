"""The SageMaker SDK 3.x (sagemaker-core): endpoints as resources, and its local mode."""

from __future__ import annotations

import gc
import json
from typing import Any

import pytest
from asking import CHAT, told

import otel_llm

resources = pytest.importorskip("sagemaker.core.resources")


@pytest.fixture(autouse=True)
def fresh_clients(server: Any) -> None:
    """The SDK keeps its clients for the whole process."""
    from sagemaker.core.utils.utils import SageMakerClient, SingletonMeta

    SingletonMeta._instances.pop(SageMakerClient, None)


def endpoint(name: str, **more: Any) -> Any:
    return resources.Endpoint(endpoint_name=name, **more)


def test_invoke(server: Any, recorder: Any) -> None:
    answer = endpoint("chat-llama").invoke(json.dumps(CHAT), content_type="application/json", target_variant="blue")
    assert json.loads(answer.body.read())["choices"]
    assert recorder.span.name == "chat chat-llama"
    assert recorder.attributes["gen_ai.usage.output_tokens"] > 0
    assert told(recorder.attributes, "otel_llm.sagemaker.") == {
        "otel_llm.sagemaker.endpoint.name": "chat-llama",
        "otel_llm.sagemaker.target_variant": "blue",
        "otel_llm.sagemaker.invoked_variant": "AllTraffic",
    }


def test_invoke_with_serializers(server: Any, recorder: Any) -> None:
    from sagemaker.core.deserializers import JSONDeserializer
    from sagemaker.core.serializers import JSONSerializer

    made = endpoint("chat", serializer=JSONSerializer(), deserializer=JSONDeserializer())
    answer = made.invoke(CHAT, content_type="application/json", inference_component_name="adapter")
    assert answer.body["choices"]
    assert recorder.span.name == "chat adapter"


def test_a_client_made_before(server: Any, recorder: Any) -> None:
    otel_llm.uninstrument()
    endpoint("chat").invoke(json.dumps(CHAT), content_type="application/json").body.read()
    assert recorder.spans == []
    recorder.instrument()
    endpoint("chat").invoke(json.dumps(CHAT), content_type="application/json").body.read()
    assert recorder.span.name == "chat chat"


def test_invoke_async(server: Any, recorder: Any) -> None:
    answer = endpoint("llama").invoke_async(input_location="s3://bucket/in.json")
    assert recorder.span.name == "invoke_endpoint_async llama"
    assert recorder.attributes["otel_llm.sagemaker.output_location"] == answer.output_location


def test_invoke_with_response_stream(server: Any, sparse: Any) -> None:
    """Some versions fail on the stream they got; then it is dropped, and the span tells so."""
    failed = False
    try:
        answer = endpoint("chat").invoke_with_response_stream(json.dumps(CHAT), content_type="application/json")
        assert list(answer.body)
    except AttributeError:
        failed = True
    gc.collect()
    assert sparse.span.name == "chat chat"
    assert sparse.attributes["gen_ai.request.stream"] is True
    assert sparse.attributes.get("otel_llm.stream.outcome") == ("abandoned" if failed else None)


def test_another_model(server: Any, recorder: Any) -> None:
    answer = endpoint("csv").invoke(b"1,2,3", content_type="text/csv")
    assert answer.body.read() == b"0.93,0.07\n"
    assert recorder.spans == []


def test_local_mode(recorder: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from sagemaker.core.local import local_session

    client = local_session.LocalSagemakerRuntimeClient({"local": {"serving_port": server.port}})
    monkeypatch.setattr(local_session, "get_docker_host", lambda: "127.0.0.1")
    from standin.chat import chat

    server.reply_with(lambda request: chat(request, "llama"))
    answer = client.invoke_endpoint(
        Body=json.dumps(CHAT), EndpointName="local-llama", ContentType="application/json", Accept="application/json"
    )
    assert json.loads(answer["Body"].read())["choices"]
    assert recorder.span.name == "chat local-llama"
    assert recorder.attributes["gen_ai.usage.output_tokens"] > 0
