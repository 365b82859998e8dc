"""The caller's body is as botocore gave it, whatever way it is read: compared whole with and without us."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from asking import CHAT, GENERATE, answering

import otel_llm
from standin.wire import Reply

LINES = [{"generated_text": f"line {n}\nwith é and 👋", "details": {"finish_reason": "length"}} for n in range(40)]
_BYTES = json.dumps(LINES, ensure_ascii=False, indent=1).encode()


def _parts(body: Any) -> list[Any]:
    return [body.read(7), body.read(0), body.read(300), body.read(), body.read(), body.read(5)]


def _readinto(body: Any) -> list[Any]:
    buffer, seen = bytearray(100), []
    while count := body.readinto(buffer):
        seen.append(bytes(buffer[:count]))
    return seen


def _entered(body: Any) -> list[Any]:
    with body as raw:
        seen: list[Any] = [type(raw), raw is body._raw_stream, raw.read(10), raw.readline(), raw.read()]
    return [*seen, body._raw_stream.closed]


def _left_early(body: Any) -> list[Any]:
    with body as raw:
        seen = raw.read(10)
    return [seen, raw.closed]


def _closed_early(body: Any) -> list[Any]:
    with closing(body):
        seen = body.read(10)
    return [seen, body.closed, body._raw_stream.closed]


def _read_after_close(body: Any) -> list[Any]:
    body.close()
    return [body.read()]


def _streamed(body: Any) -> list[Any]:
    return list(body._raw_stream.stream(100))


def _text(body: Any) -> list[Any]:
    import codecs

    return [json.load(codecs.getreader("utf-8")(body))]


def _facts(body: Any) -> list[Any]:
    names = sorted(name for name in vars(body) if name != "_raw_stream")
    return [type(body), type(body).__mro__, type(body._raw_stream), isinstance(body, io.IOBase), names, body.readable()]


def _kept_read_only(body: Any) -> list[Any]:
    read = body.read
    del body
    return list(iter(lambda: read(64), b""))


WAYS: dict[str, Callable[[Any], list[Any]]] = {
    "at once": lambda body: [body.read(), body.read(), body.read(1)],
    "in parts": _parts,
    "twice": lambda body: [body.read(), body.read()],
    "all lines": lambda body: list(body.iter_lines()),
    "lines of small chunks": lambda body: list(body.iter_lines(chunk_size=3, keepends=True)),
    "chunks": lambda body: list(body.iter_chunks(11)),
    "by iteration": list,
    "by next": lambda body: [next(body), next(body, None)],
    "readlines": lambda body: body.readlines(),
    "into a buffer": _readinto,
    "as a context manager": _entered,
    "left early": _left_early,
    "closed early": _closed_early,
    "after its close": _read_after_close,
    "by the stream of the response": _streamed,
    "as text": _text,
    "its facts": _facts,
    "its read kept": _kept_read_only,
    "its place": lambda body: [body.tell(), body.read(10), body.tell()],
}

#: A whole answer, and what a connection may make of it.
ANSWERS: dict[str, Callable[[], Reply]] = {
    "whole": lambda: answering(_BYTES),
    "in transfer chunks": lambda: Reply(
        headers={"content-type": "application/json"}, chunks=[_BYTES[:5], _BYTES[5:900], _BYTES[900:]]
    ),
    "cut": lambda: Reply(headers={"content-type": "application/json"}, body=_BYTES, abort=True),
    "cut in chunks": lambda: Reply(headers={"content-type": "application/json"}, chunks=[_BYTES[:500]], abort=True),
    "empty": lambda: answering(b""),
    "no JSON": lambda: answering(b"\xff\x00{" * 50),
    "of no type": lambda: Reply(headers={"content-type": ""}, body=_BYTES),
}


def _seen(call: Callable[[], Any], way: Callable[[Any], list[Any]]) -> list[Any]:
    """All that a caller sees: the answer beside the body, what reading gives or raises, and what raises next."""
    answer = call()
    body = answer.pop("Body")
    about = answer.pop("ResponseMetadata")
    seen: list[Any] = [sorted(answer.items()), sorted(about), about["HTTPStatusCode"]]
    for _ in range(2):
        try:
            seen += way(body)
        except BaseException as error:
            seen += [type(error), str(error), type(error.__cause__), type(error.__context__)]
    return seen


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("asked", [GENERATE, {"inputs": "ambiguous"}], ids=["generation", "ambiguous"])
def test_reading_is_the_same_with_and_without_us(
    client: Any, sparse: Any, server: Any, way: str, name: str, asked: Any
) -> None:
    def call() -> Any:
        server.reply_with(ANSWERS[name]())
        return client.invoke_endpoint(EndpointName="e", Body=json.dumps(asked), ContentType="application/json")

    with_us = _seen(call, WAYS[way])
    count = len(sparse.spans)
    otel_llm.uninstrument()
    assert with_us == _seen(call, WAYS[way])
    assert len(sparse.spans) == count <= 1


#: Those that do not come to the end.
_SHORT = ("after its close", "by next", "closed early", "its facts", "its place", "left early")


@pytest.mark.parametrize("way", sorted(WAYS.keys() - set(_SHORT)))
def test_every_way_of_reading_tells_of_the_answer(client: Any, sparse: Any, server: Any, way: str) -> None:
    server.reply_with(ANSWERS["whole"]())
    answer = client.invoke_endpoint(EndpointName="e", Body=json.dumps(GENERATE), ContentType="application/json")
    if way == "into a buffer" and not hasattr(type(answer["Body"]), "readinto"):
        pytest.skip("the body of this botocore can't be read into a buffer")
    assert sparse.spans == []
    WAYS[way](answer["Body"])
    assert sparse.attributes["gen_ai.response.finish_reasons"] == ("length",) * 40
    assert "otel_llm.stream.outcome" not in sparse.attributes
    # Nothing of ours is left on what botocore made.
    assert not {"read", "read1", "close", "read_chunked"} & vars(answer["Body"]._raw_stream).keys()


@pytest.mark.parametrize(("way", "outcome"), [("left early", "closed"), ("closed early", "closed")])
def test_a_body_that_is_left_ends_its_call_then(client: Any, sparse: Any, server: Any, way: str, outcome: str) -> None:
    server.reply_with(ANSWERS["whole"]())
    answer = client.invoke_endpoint(EndpointName="e", Body=json.dumps(CHAT), ContentType="application/json")
    WAYS[way](answer["Body"])
    assert sparse.attributes["otel_llm.stream.outcome"] == outcome
    assert "gen_ai.response.finish_reasons" not in sparse.attributes


def test_a_body_that_is_dropped_ends_its_call_at_once(client: Any, sparse: Any) -> None:
    """Without waiting for the garbage collector, and so does its connection."""
    answer = client.invoke_endpoint(EndpointName="chat", Body=json.dumps(CHAT), ContentType="application/json")
    connection = answer["Body"]._raw_stream._connection.sock
    assert connection.fileno() > 0
    del answer
    assert sparse.attributes["otel_llm.stream.outcome"] == "abandoned"
    assert connection.fileno() < 0


def test_a_body_half_read_and_dropped(client: Any, sparse: Any) -> None:
    answer = client.invoke_endpoint(EndpointName="chat", Body=json.dumps(CHAT), ContentType="application/json")
    answer["Body"].read(5)
    del answer
    assert sparse.attributes["otel_llm.stream.outcome"] == "abandoned"


@pytest.mark.parametrize("name", ["cut", "cut in chunks"])
def test_an_error_while_reading_is_botocores(client: Any, sparse: Any, server: Any, name: str) -> None:
    from botocore.exceptions import ResponseStreamingError

    server.reply_with(ANSWERS[name]())
    answer = client.invoke_endpoint(EndpointName="e", Body=json.dumps(CHAT), ContentType="application/json")
    with pytest.raises(ResponseStreamingError):
        answer["Body"].read()
    assert sparse.attributes["error.type"] == "botocore.exceptions.ResponseStreamingError"


def test_a_read_that_takes_too_long(server: Any, client: Any, sparse: Any) -> None:
    from botocore.exceptions import ReadTimeoutError

    gate = server.hold()
    server.reply_with(Reply(headers={"content-type": "application/json"}, chunks=[b'{"a"', gate, b": 1}"]))
    answer = client.invoke_endpoint(EndpointName="e", Body=json.dumps(CHAT), ContentType="application/json")
    answer["Body"].set_socket_timeout(0.2)
    with pytest.raises(ReadTimeoutError):
        list(answer["Body"].iter_chunks(4))
    gate.open()
    assert sparse.attributes["error.type"] == "botocore.exceptions.ReadTimeoutError"


def test_a_stubbed_body_is_read_in_place(client: Any, sparse: Any) -> None:
    from botocore.response import StreamingBody
    from botocore.stub import Stubber

    text = json.dumps([{"generated_text": "Hi", "details": {"generated_tokens": 2, "finish_reason": "length"}}])
    body = StreamingBody(io.BytesIO(text.encode()), len(text))
    with Stubber(client) as stubber:
        stubber.add_response("invoke_endpoint", {"Body": body, "ContentType": "application/json"})
        answer = client.invoke_endpoint(EndpointName="e", Body=json.dumps(GENERATE), ContentType="application/json")
    assert answer["Body"] is body
    assert body.read() == text.encode()
    assert sparse.attributes["gen_ai.usage.output_tokens"] == 2
