"""An asynchronous invocation only starts something: the span says what, and counts nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asking import CHAT, CONTENT, UNTOLD, told
from botocore.exceptions import ClientError


def test_what_was_started(client: Any, recorder: Any) -> None:
    answer = client.invoke_endpoint_async(
        EndpointName="llama", InputLocation="s3://bucket/in.json", InferenceId="inf-7", ContentType="application/json"
    )
    assert recorder.span.name == "invoke_endpoint_async llama"
    assert told(recorder.attributes) == {
        "otel_llm.operation.name": "invoke_endpoint_async",
        "otel_llm.sagemaker.endpoint.name": "llama",
        "otel_llm.sagemaker.inference.id": "inf-7",
        "otel_llm.sagemaker.input_location": "s3://bucket/in.json",
        "otel_llm.sagemaker.output_location": answer["OutputLocation"],
        "otel_llm.sagemaker.failure_location": answer["FailureLocation"],
        "server.address": "127.0.0.1",
    }
    assert recorder.points("gen_ai.client.operation.duration") == []
    assert recorder.points("gen_ai.client.token.usage") == []


def test_the_id_that_sagemaker_gives(client: Any, recorder: Any) -> None:
    answer = client.invoke_endpoint_async(EndpointName="llama", InputLocation="s3://bucket/in.json")
    assert recorder.attributes["otel_llm.sagemaker.inference.id"] == answer["InferenceId"]


def test_an_input_of_another_kind_is_left_alone(client: Any, recorder: Any) -> None:
    client.invoke_endpoint_async(EndpointName="x", InputLocation="s3://bucket/in.csv", ContentType="text/csv")
    assert recorder.spans == []


def test_a_start_that_fails(client: Any, recorder: Any) -> None:
    with pytest.raises(ClientError):
        client.invoke_endpoint_async(EndpointName="error-400", InputLocation="s3://bucket/in.json")
    assert recorder.attributes["error.type"] == "ValidationError"


def test_an_input_that_is_sent_along(client: Any, recorder: Any) -> None:
    members = client.meta.service_model.operation_model("InvokeEndpointAsync").input_shape.members
    if "Body" not in members:
        pytest.skip("this botocore sends no body along")
    recorder.missing |= UNTOLD
    asked = {**CHAT, "max_tokens": 40, "temperature": 0.5}
    answer = client.invoke_endpoint_async(EndpointName="llama", Body=json.dumps(asked), InferenceId="inf-7")
    assert recorder.span.name == "chat llama"
    assert told(recorder.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "aws.sagemaker",
        "gen_ai.request.model": "llama",
        "gen_ai.request.max_tokens": 40,
        "gen_ai.request.temperature": 0.5,
        "otel_llm.operation.name": "invoke_endpoint_async",
        "otel_llm.sagemaker.endpoint.name": "llama",
        "otel_llm.sagemaker.inference.id": "inf-7",
        "otel_llm.sagemaker.output_location": answer["OutputLocation"],
        "otel_llm.sagemaker.failure_location": answer["FailureLocation"],
        "server.address": "127.0.0.1",
    }
    assert recorder.points("gen_ai.client.token.usage") == []
    recorder.span_exporter.clear()
    # What the request alone doesn't tell nobody will: it is the start of something.
    client.invoke_endpoint_async(EndpointName="llama", Body=json.dumps({"inputs": "Say hello."}))
    assert recorder.span.name == "invoke_endpoint_async llama"
    assert told(recorder.attributes, "gen_ai.") == {}
    recorder.span_exporter.clear()
    for other in (b"1,2,3", b"\x89PNG", b'{"instances": [[1, 2]]}'):
        client.invoke_endpoint_async(EndpointName="x", Body=other)
    assert recorder.spans == []


def test_the_content_of_an_input_that_is_sent_along(client: Any, recorder: Any) -> None:
    members = client.meta.service_model.operation_model("InvokeEndpointAsync").input_shape.members
    if "Body" not in members:
        pytest.skip("this botocore sends no body along")
    recorder.missing |= UNTOLD
    recorder.instrument(CONTENT)
    client.invoke_endpoint_async(EndpointName="llama", Body=json.dumps(CHAT))
    assert "Say hello." in recorder.attributes["gen_ai.input.messages"]
    assert "gen_ai.output.messages" not in recorder.attributes
