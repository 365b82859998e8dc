"""What is told of a request: the operation, the model by its order, the parameters wherever they stand, the target."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from asking import CHAT, CONTENT, GENERATE, answering, invoke, messages, stream, told

from otel_llm.providers.sagemaker.body import MAX_BODY_BYTES

ENDPOINT = "otel_llm.sagemaker.endpoint.name"
TARGET: dict[str, Any] = {"InferenceComponentName": "adapter-a", "TargetModel": "m.tar.gz", "TargetVariant": "blue"}


@pytest.mark.parametrize(
    ("body", "arguments", "model"),
    [
        ({**CHAT, "model": "llama-3"}, TARGET, "llama-3"),
        ({**CHAT, "model": 7}, TARGET, "adapter-a"),
        (CHAT, TARGET, "adapter-a"),
        (CHAT, {"TargetModel": "m.tar.gz"}, "m.tar.gz"),
        (CHAT, {}, "chat-x"),
    ],
)
def test_the_model_is_the_narrowest_name_there_is(
    client: Any, recorder: Any, body: dict[str, Any], arguments: dict[str, Any], model: str
) -> None:
    invoke(client, "chat-x", body, **arguments)
    assert recorder.attributes["gen_ai.request.model"] == model
    assert recorder.span.name == f"chat {model}"


def test_the_target_of_the_call_is_told(client: Any, recorder: Any) -> None:
    invoke(client, "chat-x", CHAT, **TARGET)
    assert told(recorder.attributes, "otel_llm.") == {
        ENDPOINT: "chat-x",
        "otel_llm.sagemaker.inference_component.name": "adapter-a",
        "otel_llm.sagemaker.target_model": "m.tar.gz",
        "otel_llm.sagemaker.target_variant": "blue",
        "otel_llm.sagemaker.invoked_variant": "AllTraffic",
    }
    assert recorder.attributes["aws.request_id"]
    assert recorder.attributes["server.port"] == int(client.meta.endpoint_url.rpartition(":")[2])


@pytest.mark.parametrize("nested", [True, False])
def test_parameters_at_top_level_and_under_parameters(client: Any, recorder: Any, nested: bool) -> None:
    parameters = {
        "temperature": 0.01,
        "top_p": 0.6,
        "top_k": 40,
        "seed": 7,
        "max_new_tokens": 150,
        "stop": ["<|eot_id|>"],
        "return_full_text": False,
        "frequency_penalty": 1,
    }
    invoke(client, "chat", {**CHAT, "parameters": parameters} if nested else {**CHAT, **parameters})
    assert told(recorder.attributes, "gen_ai.request.") == {
        "gen_ai.request.model": "chat",
        "gen_ai.request.temperature": 0.01,
        "gen_ai.request.top_p": 0.6,
        "gen_ai.request.top_k": 40,
        "gen_ai.request.seed": 7,
        "gen_ai.request.max_tokens": 150,
        "gen_ai.request.stop_sequences": ("<|eot_id|>",),
        "gen_ai.request.frequency_penalty": 1.0,
    }


@pytest.mark.parametrize(
    ("parameters", "name", "value"),
    [
        ({"stop": "###"}, "stop_sequences", ("###",)),
        ({"stop_sequences": ["a", "b"]}, "stop_sequences", ("a", "b")),
        ({"max_tokens": 5, "max_new_tokens": 9}, "max_tokens", 5),
        ({"max_tokens": None, "max_new_tokens": 9}, "max_tokens", 9),
        ({"num_return_sequences": 2}, "choice.count", 2),
        ({"temperature": "hot"}, "temperature", None),
        ({"stop": [1, 2]}, "stop_sequences", None),
        ({"max_new_tokens": -1}, "max_tokens", None),
        ({"max_new_tokens": True}, "max_tokens", None),
    ],
)
def test_synonyms_and_nonsense(client: Any, sparse: Any, parameters: dict[str, Any], name: str, value: Any) -> None:
    invoke(client, "tgi", {"inputs": "Hi", "parameters": {"do_sample": True, **parameters}})
    assert sparse.attributes.get(f"gen_ai.request.{name}") == value


@pytest.mark.parametrize(
    ("endpoint", "body", "operation"),
    [
        ("chat", CHAT, "chat"),
        ("completion", {"prompt": "Once"}, "text_completion"),
        ("tgi", {"inputs": "Once"}, "text_completion"),
        ("tgi", {"inputs": ["Once", "Twice"]}, "text_completion"),
        ("tei", {"inputs": "Once"}, "embeddings"),
        ("tei", {"inputs": ["Once", "Twice"]}, "embeddings"),
        ("embed", {"input": "Once", "model": "e5"}, "embeddings"),
        ("completion", {"prompt": [1, 2, 3]}, "text_completion"),
        ("completion", {"prompt": [[1, 2], [3]], "max_tokens": 4}, "text_completion"),
        ("jumpstart", {"inputs": [CHAT["messages"]], "parameters": {"max_new_tokens": 9}}, "chat"),
    ],
)
@pytest.mark.parametrize("settings", [None, CONTENT])
def test_the_operation_is_told_by_request_and_answer(
    client: Any, sparse: Any, endpoint: str, body: Any, operation: str, settings: Any
) -> None:
    sparse.instrument(settings)
    invoke(client, endpoint, body)
    assert sparse.attributes["gen_ai.operation.name"] == operation
    assert sparse.span.name.startswith(f"{operation} ")
    (duration,) = sparse.points("gen_ai.client.operation.duration")
    assert duration.attributes["gen_ai.operation.name"] == operation
    assert ("gen_ai.input.messages" in sparse.attributes) == (settings is not None and operation != "embeddings")


_VECTOR = [-0.12345678901234567] * 3000
_MANY = [{"object": "embedding", "index": n, "embedding": _VECTOR} for n in range(80)]


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"inputs": ["x"] * 80}, [_VECTOR] * 80),
        ({"inputs": ["x"] * 80}, {"embeddings": [_VECTOR] * 80}),
        ({"input": ["x"] * 80}, {"object": "list", "data": _MANY, "model": "e5", "usage": {"prompt_tokens": 80}}),
    ],
)
@pytest.mark.parametrize("amount", [None, 100_000])
def test_embeddings_too_large_to_be_parsed_are_told_by_their_beginning(
    client: Any, sparse: Any, server: Any, body: Any, answer: Any, amount: int | None
) -> None:
    sparse.missing.add("gen_ai.embeddings.dimension.count")
    for _ in range(4):
        server.reply_with(answering(answer))
        given = client.invoke_endpoint(EndpointName="e", Body=json.dumps(body), ContentType="application/json")["Body"]
        assert len(b"".join(iter(lambda given=given: given.read(amount), b""))) > MAX_BODY_BYTES
    assert [span.name for span in sparse.spans] == ["embeddings e"] * 4


def test_something_else_too_large_to_be_parsed_is_none(client: Any, sparse: Any, server: Any) -> None:
    for _ in range(4):
        server.reply_with(answering({"generated_image": [[[255, 0, 0]] * 1000] * 500}))
        assert len(invoke(client, "e", {"prompt": "a cat"})) > MAX_BODY_BYTES
    assert sparse.spans == []


@pytest.mark.parametrize("body", [json.dumps(CHAT), json.dumps(CHAT).encode(), bytearray(json.dumps(CHAT).encode())])
@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON", None]
)
def test_a_body_of_any_kind(client: Any, recorder: Any, body: Any, content_type: str | None) -> None:
    client.invoke_endpoint(EndpointName="chat", Body=body, **({"ContentType": content_type} if content_type else {}))[
        "Body"
    ].read()
    assert recorder.attributes["gen_ai.usage.input_tokens"] > 0


def test_a_body_in_memory_is_looked_at_and_a_file_is_not(client: Any, recorder: Any, tmp_path: Any) -> None:
    path = tmp_path / "body.json"
    path.write_text(json.dumps(CHAT))
    with path.open("rb") as file:
        file_answer = client.invoke_endpoint(EndpointName="chat", Body=file, ContentType="application/json")
    assert json.loads(file_answer["Body"].read())["choices"]
    assert recorder.spans == []
    answer = client.invoke_endpoint(EndpointName="chat", Body=io.BytesIO(path.read_bytes()))
    assert json.loads(answer["Body"].read())["choices"]
    assert recorder.attributes["gen_ai.operation.name"] == "chat"


def test_a_request_that_streams_says_so(client: Any, sparse: Any) -> None:
    stream(client, "tgi", GENERATE)
    assert sparse.attributes["gen_ai.request.stream"] is True


def test_what_was_asked_is_recorded_as_messages(client: Any, recorder: Any) -> None:
    recorder.instrument(CONTENT)
    tools = [{"type": "function", "function": {"name": "lookup", "parameters": {"type": "object"}}}]
    invoke(client, "chat", {**CHAT, "tools": tools, "tool_choice": "none"})
    assert messages(recorder.attributes, "input") == [
        {"role": "user", "parts": [{"type": "text", "content": "Say hello."}]}
    ]
    definitions = json.loads(recorder.attributes["gen_ai.tool.definitions"])
    assert definitions == [{"type": "function", "name": "lookup", "parameters": {"type": "object"}}]
