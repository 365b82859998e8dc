"""Endpoints that are no language models: no span, nothing read, nothing hooked, botocore's own telemetry as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asking import answering, invoke

from otel_llm.providers.sagemaker.invocation import read_body

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(64)


def _hooked(answer: Any) -> bool:
    return "read" in vars(answer["Body"]._raw_stream)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"1.0,2.0,3.0\n", "text/csv"),
        (b"\x93NUMPY\x01\x00", "application/x-npy"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b'{"inputs": "text"}', "text/csv"),
        (b'{"instances": [[1, 2, 3]]}', "application/json"),
        (b'{"inputs": [[1.0, 2.0]]}', "application/json"),
        (b'{"inputs": {"question": "Who?", "context": "Ada."}}', "application/json"),
        (b'{"input": {"a": 1}}', "application/json"),
        (b'{"messages": "none"}', "application/json"),
        (b'{"messages": []}', "application/json"),
        (b'{"messages": [1]}', "application/json"),
        (b'["messages", "prompt"]', "application/json"),
        (b'"messages"', "application/json"),
        (b'{"messages": ', "application/json"),
        (b"", "application/json"),
        (b'{"features": [{"values": [1]}]}\n{"features": []}', "application/jsonlines"),
    ],
)
def test_a_request_for_no_language_model_passes(
    client: Any, recorder: Any, server: Any, body: bytes, content_type: str
) -> None:
    server.reply_with(answering(b"0.5"))
    answer = client.invoke_endpoint(EndpointName="e", Body=body, ContentType=content_type)
    assert not _hooked(answer)
    assert answer["Body"].read() == b"0.5"
    assert server.requests[-1].body == body
    assert recorder.spans == []
    assert recorder.points("gen_ai.client.operation.duration") == []


@pytest.mark.parametrize("indent", [None, 2])
def test_a_large_matrix_is_not_parsed(indent: int | None) -> None:
    matrix = json.dumps({"inputs": [[0.5, 1] * 2000]}, indent=indent)
    assert read_body({"Body": matrix}) is None
    assert read_body({"Body": matrix.encode()}) is None
    conversation = [[{"role": "user", "content": "x" * 5000}]]
    for asked in ({"inputs": conversation}, {"inputs": ["x" * 5000]}, {"prompt": [1] * 5000}):
        assert read_body({"Body": json.dumps(asked, indent=indent)}) == asked


def test_a_picture_is_not_read(client: Any, recorder: Any, server: Any) -> None:
    for _ in range(3):
        server.reply_with(answering(PICTURE, "image/png"))
        answer = client.invoke_endpoint(
            EndpointName="e", Body=json.dumps({"prompt": "a cat"}), ContentType="application/json"
        )
        assert not _hooked(answer)
        assert answer["Body"].read() == PICTURE
    assert recorder.spans == []


@pytest.mark.parametrize("asked", [{"inputs": "I love it"}, {"prompt": "a cat"}, {"input": ["x"]}])
@pytest.mark.parametrize(
    "answer",
    [
        [{"label": "POSITIVE", "score": 0.98}],
        [[{"label": "POSITIVE", "score": 0.98}]],
        [{"entity": "PER", "score": 0.9, "word": "Ada"}],
        {"predictions": [0.1]},
        [0.93, 0.07],
        [[0.93, 0.07], [0.5, 0.5]],
        {"generated_image": "aGVsbG8="},
        [{"translation_text": "Bonjour"}],
        {},
        [],
        0.5,
    ],
)
def test_an_answer_of_no_language_model_is_no_span(
    client: Any, recorder: Any, server: Any, asked: Any, answer: Any
) -> None:
    server.reply_with(reply := answering(answer))
    assert invoke(client, "e", asked) == reply.body
    assert recorder.spans == []
    assert recorder.points("gen_ai.client.operation.duration") == []


def test_a_classifier_is_left_alone_from_the_second_call(client: Any, sparse: Any) -> None:
    invoke(client, "classifier", {"inputs": "I love it"})
    answer = client.invoke_endpoint(EndpointName="classifier", Body='{"inputs": "x"}', ContentType="application/json")
    assert not _hooked(answer)
    assert sparse.spans == []
    # What is said of one model of an endpoint is not said of another, nor of a request that is plain.
    for other in ("TargetModel", "TargetVariant", "TargetContainerHostname", "InferenceComponentName"):
        answer = client.invoke_endpoint(
            EndpointName="classifier", Body='{"inputs": "x"}', ContentType="application/json", **{other: "other"}
        )
        assert _hooked(answer), other
        answer["Body"].read()
    invoke(client, "classifier", {"inputs": "x", "parameters": {"max_new_tokens": 4}})
    assert sparse.span.name == "text_completion classifier"


def test_a_language_model_that_now_and_then_answers_strangely_stays_one(client: Any, sparse: Any, server: Any) -> None:
    for count in range(5):
        server.reply_with(answering({"status": "warming up"}))
        invoke(client, "tgi", {"inputs": "x"})
        assert len(sparse.spans) == count
        invoke(client, "tgi", {"inputs": "x"})
    assert {span.name for span in sparse.spans} == {"text_completion tgi"}


def test_other_operations_and_services_pass(server: Any, session: Any, recorder: Any) -> None:
    from botocore.stub import Stubber

    sts = session.client("sts")
    with Stubber(sts) as stubber:
        stubber.add_response("get_caller_identity", {"Account": "1"})
        sts.get_caller_identity()
    assert "_make_api_call" not in vars(type(sts))
    assert recorder.spans == []
