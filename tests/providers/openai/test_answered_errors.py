"""Errors that a gateway answers with status 200: an error on the span, and to the caller what the SDK makes of it."""

from __future__ import annotations

import pytest
from opentelemetry.trace import StatusCode
from replies import ASKED, CHAT, chat_reply, message, response

from standin.server import Reply, sse

REFUSED = {"error": {"message": "The upstream model is overloaded: Say hello", "type": "server_error", "code": 502}}
CALLS = {
    "chat": lambda client, **fields: client.chat.completions.create(**CHAT, **fields),
    "responses": lambda client, **fields: client.responses.create(**ASKED, **fields),
    "completions": lambda client, **fields: client.completions.create(model="m", prompt="a", **fields),
    "embeddings": lambda client: client.embeddings.create(model="m", input="a", encoding_format="float"),
    "images": lambda client: client.images.generate(model="m", prompt="a"),
    "moderations": lambda client: client.moderations.create(model="m", input="a"),
}
STREAMED = ["chat", "responses", "completions"]


def failed(recorder, code="502"):
    assert recorder.span.status.status_code is StatusCode.ERROR
    assert recorder.span.status.description is None
    assert recorder.attributes["error.type"] == code
    assert "hello" not in recorder.span.to_json()
    for point in recorder.points("gen_ai.client.operation.duration"):
        assert point.attributes["error.type"] == code


@pytest.mark.parametrize("name", CALLS)
async def test_an_answer(lenient, api, server, name):
    server.reply_with(Reply(body=REFUSED))
    answer = await api(CALLS[name])
    assert answer.error == REFUSED["error"] if name != "responses" else answer.error.code == 502
    failed(lenient)


@pytest.mark.parametrize("name", STREAMED)
async def test_an_answer_instead_of_a_stream(lenient, api, server, name):
    """The SDK gives the caller an empty stream."""
    server.reply_with(Reply(body=REFUSED))
    assert await api.drain(lambda client: CALLS[name](client, stream=True)) == []
    failed(lenient)


async def test_a_whole_answer_instead_of_a_stream(recorder, api, server):
    server.reply_with(chat_reply())
    assert await api.drain(lambda client: CALLS["chat"](client, stream=True)) == []
    assert recorder.span.status.status_code is StatusCode.UNSET
    assert recorder.attributes["gen_ai.usage.input_tokens"] == 12


@pytest.mark.parametrize("reply", [Reply(body=REFUSED), Reply(chunks=sse(REFUSED))], ids=["json", "event"])
async def test_a_raw_stream(lenient, api, server, reply):
    server.reply_with(reply)
    async with api.entered(
        lambda client: client.chat.completions.with_streaming_response.create(**CHAT, stream=True)
    ) as raw:
        body = raw.read() if not api.is_async else await raw.read()
    assert b"overloaded" in body
    failed(lenient)


async def test_a_raw_stream_of_events(lenient, api, server):
    server.reply_with(Reply(chunks=sse(REFUSED)))
    async with api.entered(lambda client: client.responses.with_streaming_response.create(**ASKED, stream=True)) as raw:
        assert b"overloaded" in (raw.read() if not api.is_async else await raw.read())
    failed(lenient)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"message": "No.", "type": "overloaded", "code": None}, "overloaded"),
        ({"message": "Say hello"}, "_OTHER"),
        ("Say hello", "_OTHER"),
        ({"code": "words: Say hello"}, "_OTHER"),
    ],
)
def test_its_code(lenient, client, server, error, code):
    server.reply_with(Reply(body={"error": error}))
    client.chat.completions.create(**CHAT)
    failed(lenient, code)


@pytest.mark.parametrize("error", [None, "", False, {}])
def test_no_error(lenient, client, server, error):
    server.reply_with(chat_reply(error=error), Reply(body=response(message(), error=error or None)))
    client.chat.completions.create(**CHAT)
    client.responses.create(**ASKED)
    assert [span.status.status_code for span in lenient.spans] == [StatusCode.UNSET] * 2


def test_a_fetched_response_that_had_failed(lenient, client, server):
    server.reply_with(Reply(body=response(status="failed", error={"code": "server_error", "message": "No."})))
    client.responses.retrieve("resp_1")
    assert lenient.span.status.status_code is StatusCode.UNSET
