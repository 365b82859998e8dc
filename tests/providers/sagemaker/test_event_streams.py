"""Every way out of a stream ends one span, and the caller gets what it gets without us."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import wrapt
from asking import CHAT, GENERATE, open_stream, stream, streaming

import otel_llm
from standin.eventstream import exception, frame, parts, payload_part
from standin.sagemaker import event_stream
from standin.wire import Reply, sse

_EVENTS = [
    {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": f"word{n} "}, "finish_reason": None}]}
    for n in range(5)
]
_END = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
_WHOLE = [*_EVENTS, _END]
_FRAMES = list(parts(sse(*_WHOLE)))


def _broken(stream: Any) -> None:
    for _ in stream:
        break


def _closed(stream: Any) -> None:
    next(iter(stream))
    stream.close()


def _raising(stream: Any) -> None:
    for _ in stream:
        raise ValueError("of the application's")


@pytest.mark.parametrize(
    ("leave", "outcome"),
    [
        (list, None),
        (_closed, "closed"),
        (lambda stream: stream.close(), "closed"),
        (_broken, "abandoned"),
        (_raising, "abandoned"),
        (lambda stream: None, "abandoned"),
        (iter, "abandoned"),
    ],
)
def test_every_way_out(client: Any, sparse: Any, server: Any, leave: Callable[[Any], Any], outcome: str | None) -> None:
    server.reply_with(event_stream(_FRAMES))
    stream = open_stream(client, "e", CHAT)
    with suppress(ValueError):
        leave(stream)
    del stream
    gc.collect()
    assert sparse.attributes.get("otel_llm.stream.outcome") == outcome
    assert sparse.attributes.get("gen_ai.response.finish_reasons") == (None if outcome else ("stop",))
    assert sparse.span.status.status_code.name == "UNSET"


def test_closing_a_stream_that_was_read_is_no_breaking_off(client: Any, sparse: Any) -> None:
    stream = open_stream(client, "chat", CHAT)
    list(stream)
    stream.close()
    assert "otel_llm.stream.outcome" not in sparse.attributes


def test_a_stream_that_was_read_is_freed_at_once(client: Any, sparse: Any) -> None:
    """Without waiting for the garbage collector, as without us."""
    stream = open_stream(client, "chat", CHAT)
    held, close = weakref.ref(stream), stream.close
    list(stream)
    gc.disable()
    try:
        del stream
        assert held() is None
    finally:
        gc.enable()
    close()
    assert "otel_llm.stream.outcome" not in sparse.attributes


def _proxied(stream: Any) -> Any:
    return wrapt.ObjectProxy(stream)


@pytest.mark.parametrize("other", [_proxied, list], ids=["a proxy", "a stub"])
def test_a_stream_that_others_have_replaced(client: Any, sparse: Any, other: Any) -> None:
    def replace(parsed: Any, **_: Any) -> None:
        parsed["Body"] = other(parsed["Body"])

    client.meta.events.register("after-call.sagemaker-runtime.InvokeEndpointWithResponseStream", replace)
    assert stream(client, "chat", CHAT).endswith(b"data: [DONE]\n\n")
    assert ("gen_ai.response.id" in sparse.attributes) == (other is _proxied)


def test_a_stream_broken_off_goes_on_where_it_stopped(client: Any, sparse: Any, server: Any) -> None:
    server.reply_with(event_stream(_FRAMES))
    stream = open_stream(client, "e", CHAT)
    _broken(stream)
    assert sparse.spans == []
    assert len(list(stream)) == len(_FRAMES) - 1
    assert sparse.attributes["gen_ai.response.finish_reasons"] == ("stop",)


def test_half_a_stream_is_told_of(client: Any, sparse: Any, server: Any) -> None:
    server.reply_with(event_stream(_FRAMES))
    stream = open_stream(client, "e", CHAT)
    _closed(stream)
    assert sparse.attributes["gen_ai.response.id"] == "c"
    assert sparse.attributes["gen_ai.response.time_to_first_chunk"] > 0


FAILURES: dict[str, Callable[[], Reply]] = {
    "an error of the model": lambda: event_stream([*_FRAMES[:3], exception("ModelStreamError", "Said: word0", "500")]),
    "an error of SageMaker": lambda: event_stream([*_FRAMES[:3], exception("InternalStreamFailure", "Oh.")]),
    "an error nobody knows": lambda: event_stream([*_FRAMES[:3], exception("Sudden", "Oh.")]),
    "an error first": lambda: event_stream([exception("ModelStreamError", "Oh.", "500")]),
    "an error without a type": lambda: event_stream([frame(b"{}", {":message-type": "error", ":error-code": "E"})]),
    "a connection that ends": lambda: Reply(
        headers={"content-type": "application/vnd.amazon.eventstream"}, chunks=_FRAMES[:3], abort=True
    ),
    "a wrong checksum": lambda: event_stream([*_FRAMES[:2], payload_part(b"x")[:-1] + b"?"]),
    "half a frame": lambda: event_stream([*_FRAMES[:2], str(_FRAMES[2])[:20].encode()]),
    "an unknown event": lambda: event_stream([*_FRAMES, frame(b"{}", {":message-type": "event", ":event-type": "X"})]),
    "no frames": lambda: event_stream([]),
}


def _outcome(client: Any) -> list[Any]:
    seen: list[Any] = []
    try:
        stream = open_stream(client, "e", CHAT)
        seen += [type(stream), [base.__name__ for base in type(stream).__mro__]]
        iterator = iter(stream)
        seen.append(type(iterator))
        seen += list(iterator)
    except BaseException as error:
        seen += [type(error), str(error), getattr(error, "response", None), type(error.__context__)]
    return seen


@pytest.mark.parametrize("name", FAILURES)
def test_a_failing_stream_is_the_same_with_and_without_us(client: Any, sparse: Any, server: Any, name: str) -> None:
    server.reply_with(FAILURES[name]())
    with_us = _outcome(client)
    gc.collect()
    assert len(sparse.spans) == 1
    otel_llm.uninstrument()
    server.reply_with(FAILURES[name]())
    assert with_us == _outcome(client)
    assert len(sparse.spans) == 1


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("an error of the model", "ModelStreamError"),
        ("an error of SageMaker", "InternalStreamFailure"),
        ("an error first", "ModelStreamError"),
        ("a wrong checksum", "botocore.eventstream.ChecksumMismatch"),
        ("a connection that ends", "urllib3.exceptions.ProtocolError"),
    ],
)
def test_the_error_of_a_stream_is_told(client: Any, sparse: Any, server: Any, name: str, kind: str) -> None:
    server.reply_with(FAILURES[name]())
    _outcome(client)
    assert sparse.attributes["error.type"] == kind
    assert sparse.span.status.status_code.name == "ERROR"
    assert sparse.span.status.description is None
    (event,) = [log for log in sparse.logs if log.event_name == "gen_ai.client.operation.exception"]
    assert "word0" not in str(event.attributes)


def test_the_initial_response_is_read_through_us(client: Any, sparse: Any, server: Any) -> None:
    start = frame(b"{}", {":message-type": "event", ":event-type": "initial-response"})
    server.reply_with(event_stream([start, *_FRAMES]))
    stream = open_stream(client, "e", CHAT)
    assert stream.get_initial_response().payload == b"{}"
    list(stream)
    assert sparse.attributes["gen_ai.response.finish_reasons"] == ("stop",)


def test_chunks_come_when_they_come(client: Any, sparse: Any, server: Any) -> None:
    gate = server.hold()
    server.reply_with(streaming([*sse(_WHOLE[0], done=False), gate, *sse(*_WHOLE[1:])], "text/event-stream"))
    events = iter(open_stream(client, "e", CHAT))
    first = next(events)
    assert json.loads(first["PayloadPart"]["Bytes"][6:])["id"] == "c"
    assert gate.reached.wait(30)
    gate.open()
    assert len(list(events)) == len(_WHOLE)


def test_a_stream_of_bytes_that_are_not_kept(client: Any, sparse: Any, server: Any) -> None:
    server.reply_with(streaming([b"{" + b"x" * 1000] * 5000))
    assert len(list(open_stream(client, "e", GENERATE))) == 5000
    assert sparse.span
