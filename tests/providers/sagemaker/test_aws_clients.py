"""Every client, however and whenever it was made, and everything as before after uninstrumenting."""

from __future__ import annotations

import gc
import io
import json
import weakref
from typing import Any
from unittest import mock

import pytest
from asking import CHAT, CONTENT, answering, invoke, stream
from botocore.client import BaseClient, ClientCreator

import otel_llm
from interpreter import python

_METHOD = "_make_api_call"


def test_the_old_name_of_the_service(server: Any, session: Any, recorder: Any) -> None:
    invoke(session.client("runtime.sagemaker"), "chat", CHAT)
    assert recorder.span.name == "chat chat"


def test_a_client_of_botocore_alone(server: Any, recorder: Any) -> None:
    import botocore.session

    made = botocore.session.get_session().create_client(service_name="sagemaker-runtime", region_name="us-east-1")
    invoke(made, "chat", CHAT)
    assert recorder.span.name == "chat chat"


def test_a_client_made_before(server: Any, session: Any, recorder: Any) -> None:
    otel_llm.uninstrument()
    client = session.client("sagemaker-runtime")
    invoke(client, "chat", CHAT)
    assert recorder.spans == []
    recorder.instrument()
    invoke(client, "chat", CHAT)
    assert recorder.span.name == "chat chat"


def test_uninstrumenting_puts_everything_back(server: Any, session: Any, recorder: Any) -> None:
    otel_llm.uninstrument()
    methods = dict(vars(BaseClient)), dict(vars(ClientCreator))
    before = session.client("sagemaker-runtime")
    names = set(vars(type(before)))
    recorder.instrument()
    during = session.client("sagemaker-runtime")
    assert _METHOD in vars(type(before))
    assert _METHOD in vars(type(during))
    otel_llm.uninstrument()
    assert (dict(vars(BaseClient)), dict(vars(ClientCreator))) == methods
    assert set(vars(type(before))) == names == set(vars(type(during)))
    for client in (before, during):
        invoke(client, "chat", CHAT)
        stream(client, "chat", CHAT)
    assert recorder.spans == []


def test_the_class_of_a_client_is_not_kept(server: Any, session: Any, recorder: Any) -> None:
    client = session.client("sagemaker-runtime")
    kind = weakref.ref(type(client))
    client.close()
    del client
    gc.collect()
    assert kind() is None


def test_an_answer_opened_before_uninstrumenting_is_read_after(client: Any, recorder: Any) -> None:
    answer = client.invoke_endpoint(EndpointName="chat", Body=json.dumps(CHAT))
    otel_llm.uninstrument()
    assert json.loads(answer["Body"].read())["choices"]
    assert recorder.span.name == "chat chat"


@pytest.mark.parametrize("body", [None, b"{}", mock.MagicMock(), io.BytesIO(b"{}"), iter(())])
def test_a_test_that_replaces_botocores_method_still_does(client: Any, sparse: Any, body: Any) -> None:
    answer = {"Body": body, "ContentType": "application/json"}
    with mock.patch("botocore.client.BaseClient._make_api_call", return_value=answer) as replaced:
        assert client.invoke_endpoint(EndpointName="e", Body=json.dumps(CHAT)) is answer
    replaced.assert_called_once_with("InvokeEndpoint", {"EndpointName": "e", "Body": json.dumps(CHAT)})
    assert answer["Body"] is body
    del answer
    assert len(sparse.spans) == 1


def test_the_method_called_by_itself(client: Any, recorder: Any) -> None:
    answer = client._make_api_call("InvokeEndpoint", {"EndpointName": "chat", "Body": json.dumps(CHAT)})
    answer["Body"].read()
    assert recorder.span.name == "chat chat"


def test_the_span_is_current_for_what_botocore_does_inside(client: Any, recorder: Any) -> None:
    from opentelemetry import trace

    seen = []
    client.meta.events.register(
        "before-send.sagemaker-runtime.*", lambda **_: seen.append(trace.get_current_span().get_span_context())
    )
    with recorder.tracer_provider.get_tracer("application").start_as_current_span("request") as request:
        invoke(client, "chat", CHAT)
    chat = next(span for span in recorder.spans if span.name == "chat chat")
    assert seen == [chat.context]
    assert chat.parent == request.get_span_context()


def test_suppressed_instrumentation(client: Any, recorder: Any) -> None:
    from opentelemetry.instrumentation.utils import suppress_instrumentation

    with suppress_instrumentation():
        invoke(client, "chat", CHAT)
    assert recorder.spans == []


@pytest.mark.parametrize(
    "operation", ["invoke_endpoint", "invoke_endpoint_with_response_stream", "invoke_endpoint_async"]
)
def test_an_answer_that_is_none(client: Any, sparse: Any, caplog: pytest.LogCaptureFixture, operation: str) -> None:
    with mock.patch("botocore.client.BaseClient._make_api_call", return_value=None):
        assert getattr(client, operation)(EndpointName="e", Body=json.dumps(CHAT)) is None
    assert len(sparse.spans) == 1
    caplog.clear()


@pytest.mark.parametrize("settings", [None, CONTENT])
def test_what_is_sent_is_what_was_given(client: Any, recorder: Any, server: Any, settings: Any) -> None:
    recorder.instrument(settings)
    sent = json.dumps({**CHAT, "parameters": {"max_new_tokens": 3}}, indent=3)
    invoke(client, "chat", sent, CustomAttributes="a=1", Accept="application/json")
    request = server.requests[-1]
    headers = {name for name in request.headers if "sagemaker" in name}
    assert request.body.decode() == sent
    assert headers == {"x-amzn-sagemaker-custom-attributes"}


def test_our_own_failure_is_not_the_callers(
    client: Any, recorder: Any, server: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from otel_llm.providers import sagemaker

    def failing(*_: Any) -> Any:
        raise RuntimeError("of ours")

    for name in ("read_request", "watch_body", "told_beside"):
        server.reply_with(answering({"choices": []}))
        with monkeypatch.context() as broken:
            broken.setattr(sagemaker, name, failing)
            assert json.loads(invoke(client, "e", CHAT)) == {"choices": []}
    assert "failed in" in caplog.text
    caplog.clear()
    recorder.span_exporter.clear()


def test_nothing_of_aws_is_imported(tmp_path: Any) -> None:
    code = (
        "import sys, otel_llm; otel_llm.instrument();"
        "assert not {'boto3', 'botocore', 'aiobotocore', 'sagemaker'} & set(sys.modules), 'imported';"
        "import botocore.client; assert hasattr(botocore.client.ClientCreator._create_client_class, '__wrapped__')"
    )
    assert python("-c", code).stderr == ""
