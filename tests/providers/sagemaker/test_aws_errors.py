"""Errors of AWS: its code as the type, both statuses, and no word of the prompt unless content is captured."""

from __future__ import annotations

from typing import Any

import pytest
from asking import CHAT, CONTENT, GENERATE, invoke, open_stream, told
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ParamValidationError

SECRET = {"messages": [{"role": "user", "content": "my secret diary"}]}


@pytest.mark.parametrize(
    ("endpoint", "kind", "status"),
    [
        ("error-model", "ModelError", 424),
        ("error-400", "ValidationError", 400),
        ("error-503", "ServiceUnavailable", 503),
        ("error-throttle", "ThrottlingException", 429),
    ],
)
@pytest.mark.parametrize("call", [invoke, open_stream])
def test_the_code_of_aws_is_the_type(
    client: Any, recorder: Any, durations: Any, call: Any, endpoint: str, kind: str, status: int
) -> None:
    with pytest.raises(ClientError) as raised:
        call(client, endpoint, CHAT)
    assert raised.value.response["Error"]["Code"] == kind
    attributes = recorder.attributes
    assert attributes["error.type"] == kind
    assert attributes["otel_llm.error.status_code"] == status
    assert attributes["gen_ai.response.finish_reasons"] == ("error",)
    assert attributes["aws.request_id"]
    assert attributes.get("otel_llm.sagemaker.error.original_status_code") == (500 if kind == "ModelError" else None)
    (duration,) = recorder.points("gen_ai.client.operation.duration")
    assert duration.attributes["error.type"] == kind
    assert durations() == []


def test_no_word_of_the_prompt_leaves_with_an_error(client: Any, recorder: Any) -> None:
    with pytest.raises(ClientError, match="secret diary"):
        invoke(client, "error-model", SECRET)
    everything = str([recorder.attributes, recorder.span.status.description, recorder.span.events])
    assert "diary" not in everything + str([log.attributes for log in recorder.logs])


def test_with_content_the_message_is_told(client: Any, recorder: Any) -> None:
    recorder.instrument(CONTENT)
    with pytest.raises(ClientError):
        invoke(client, "error-model", SECRET)
    assert "secret diary" in (recorder.span.status.description or "")
    (event,) = [log for log in recorder.logs if log.event_name == "gen_ai.client.operation.exception"]
    assert event.attributes["exception.type"] == "botocore.errorfactory.ModelError"


def test_an_error_of_a_request_that_may_be_anything(client: Any, recorder: Any) -> None:
    recorder.instrument(CONTENT)
    with pytest.raises(ClientError):
        invoke(client, "error-model", {"inputs": "x"})
    assert recorder.span.name == "text_completion error-model"
    assert recorder.attributes["error.type"] == "ModelError"


def test_a_request_that_botocore_refuses(client: Any, recorder: Any) -> None:
    with pytest.raises(ParamValidationError):
        client.invoke_endpoint(Body='{"messages": [{"role": "user", "content": "x"}]}')
    assert recorder.span.name == "chat"
    assert recorder.attributes["error.type"] == "botocore.exceptions.ParamValidationError"


def test_a_body_of_the_wrong_type_is_botocores_business(client: Any, recorder: Any) -> None:
    with pytest.raises(ParamValidationError):
        client.invoke_endpoint(EndpointName="e", Body=CHAT)
    with pytest.raises(TypeError, match="only accepts keyword arguments"):
        client.invoke_endpoint("e")
    assert recorder.spans == []


def test_no_connection(session: Any, server: Any, recorder: Any) -> None:
    client = session.client("sagemaker-runtime", endpoint_url="http://127.0.0.1:9")
    with pytest.raises(EndpointConnectionError):
        invoke(client, "e", CHAT)
    assert recorder.attributes["error.type"] == "botocore.exceptions.EndpointConnectionError"
    assert told(recorder.attributes, "server.") == {"server.address": "127.0.0.1"}


def test_no_credentials(server: Any, recorder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    client = boto3.session.Session(region_name="us-east-1").client("sagemaker-runtime")
    with pytest.raises(NoCredentialsError):
        invoke(client, "e", GENERATE)
    assert recorder.attributes["error.type"] == "botocore.exceptions.NoCredentialsError"


def test_retries_are_inside_the_one_span(server: Any, session: Any, recorder: Any) -> None:
    from botocore.config import Config

    from standin.wire import Reply

    server.reply_with(Reply(status=503, headers={"x-amzn-ErrorType": "ServiceUnavailable"}, body={"Message": "wait"}))
    client = session.client("sagemaker-runtime", config=Config(retries={"max_attempts": 2, "mode": "standard"}))
    invoke(client, "chat", CHAT)
    assert len(server.requests) == 2
    assert recorder.attributes["otel_llm.request.retries"] == 1
    assert "error.type" not in recorder.attributes


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyboardInterrupt("now"), {"otel_llm.stream.outcome": "cancelled"}),
        (SystemExit("now"), {"error.type": "SystemExit"}),
        (MemoryError("now"), {"error.type": "MemoryError"}),
    ],
)
def test_whatever_breaks_in_ends_the_span(client: Any, recorder: Any, error: Any, told: Any) -> None:
    def breaking(**_: Any) -> None:
        raise error

    client.meta.events.register("before-send.sagemaker-runtime.*", breaking)
    with pytest.raises(type(error)):
        invoke(client, "chat", CHAT)
    ending = {"error.type", "otel_llm.stream.outcome"}
    assert {name: value for name, value in recorder.attributes.items() if name in ending} == told
