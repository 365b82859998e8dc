"""One call is one span together with botocore's own instrumentation, whichever was there first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from asking import CHAT, GENERATE, invoke, stream

import otel_llm

BotocoreInstrumentor = pytest.importorskip("opentelemetry.instrumentation.botocore").BotocoreInstrumentor


@pytest.fixture
def theirs() -> Iterator[Any]:
    instrumentor = BotocoreInstrumentor()
    yield instrumentor
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


@pytest.mark.parametrize("order", ["ours first", "theirs first"])
@pytest.mark.parametrize("made", ["before", "between", "after"])
@pytest.mark.parametrize("call", [invoke, stream])
def test_one_span_in_either_order(
    server: Any, session: Any, sparse: Any, theirs: Any, order: str, made: str, call: Any
) -> None:
    otel_llm.uninstrument()
    ours = sparse.instrument

    def their_own() -> None:
        theirs.instrument(tracer_provider=sparse.tracer_provider)

    first, second = (ours, their_own) if order == "ours first" else (their_own, ours)
    clients = {"before": session.client("sagemaker-runtime")}
    first()
    clients["between"] = session.client("sagemaker-runtime")
    second()
    clients["after"] = session.client("sagemaker-runtime")
    call(clients[made], "tgi", GENERATE)
    assert sparse.span.name == "text_completion tgi"
    assert "x-amzn-trace-id" in server.requests[-1].headers  # theirs to send, and still sent


@pytest.mark.parametrize("order", ["ours first", "theirs first"])
def test_what_is_not_ours_is_still_theirs(server: Any, session: Any, recorder: Any, theirs: Any, order: str) -> None:
    otel_llm.uninstrument()
    steps = [recorder.instrument, lambda: theirs.instrument(tracer_provider=recorder.tracer_provider)]
    for step in steps if order == "ours first" else reversed(steps):
        step()
    client = session.client("sagemaker-runtime")
    client.invoke_endpoint(EndpointName="csv", Body=b"1,2", ContentType="text/csv")["Body"].read()
    assert recorder.span.name == "SageMaker Runtime.InvokeEndpoint"


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_both_leave_in_any_order(server: Any, session: Any, recorder: Any, theirs: Any, first: str) -> None:
    theirs.instrument(tracer_provider=recorder.tracer_provider)
    client = session.client("sagemaker-runtime")
    if first == "ours":
        otel_llm.uninstrument()
        invoke(client, "chat", CHAT)
        assert recorder.span.name == "SageMaker Runtime.InvokeEndpoint"
    else:
        theirs.uninstrument()
        invoke(client, "chat", CHAT)
        assert recorder.span.name == "chat chat"
        otel_llm.uninstrument()
        invoke(client, "chat", CHAT)
        assert len(recorder.spans) == 1
