"""``with_raw_response``, ``with_streaming_response`` and ``client.post``: the caller gets what the SDK gives."""

from __future__ import annotations

import json

import openai
import pytest
from either import drained, settled
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from reading import CONTENT, exactly, outputs, usage
from replies import ASKED, CHAT, chat_chunk, chat_reply, chat_stream, message, response

from standin.server import Reply

COUNTED = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
CHUNKS = [
    chat_chunk({"role": "assistant", "content": "Pa"}),
    chat_chunk({"content": "ris."}),
    chat_chunk(reason="stop"),
    chat_chunk(usage=COUNTED),
]
PLAIN = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "openai.api.type": "chat_completions",
    "server.address": "127.0.0.1",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.usage.input_tokens": 12,
    "gen_ai.usage.output_tokens": 3,
}


async def raw(api, **fields):
    return await api(lambda client: client.chat.completions.with_raw_response.create(**CHAT, **fields))


async def test_a_raw_response(recorder, api, server, durations):
    server.reply_with(chat_reply())
    answer = await raw(api)
    assert type(answer).__name__ == "LegacyAPIResponse"
    assert answer.headers["x-request-id"] == answer.request_id == recorder.attributes["otel_llm.request.id"]
    assert (answer.status_code, answer.retries_taken) == (200, 0)
    assert json.loads(answer.text)["id"] == "chatcmpl-1"
    parsed = answer.parse()
    assert isinstance(parsed, ChatCompletion)
    assert parsed is answer.parse()
    assert exactly(recorder.attributes, PLAIN)
    assert durations() == []


async def test_a_raw_stream(recorder, api, server, durations):
    recorder.instrument(CONTENT)
    server.reply_with(chat_stream(*CHUNKS))
    answer = await raw(api, stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert recorder.spans == []
    stream = answer.parse()
    assert isinstance(stream, openai.AsyncStream if api.is_async else openai.Stream)
    chunks = await drained(stream)
    assert [type(chunk) for chunk in chunks] == [ChatCompletionChunk] * 4
    assert usage(recorder.attributes) == {"input_tokens": 12, "output_tokens": 3}
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert recorder.attributes["gen_ai.response.time_to_first_chunk"] > 0
    assert outputs(recorder)[0]["parts"] == [{"type": "text", "content": "Paris."}]
    (gaps,) = recorder.points("gen_ai.client.operation.time_per_output_chunk")
    assert gaps.count == 3
    assert durations() == []


async def read_whole(answer):
    return json.loads(await settled(answer.read()))


async def read_text(answer):
    return json.loads(await settled(answer.text()))


async def read_json(answer):
    return await settled(answer.json())


async def read_parsed(answer):
    return (await settled(answer.parse())).to_dict()


async def read_bytes(answer):
    return json.loads(b"".join(await drained(answer.iter_bytes(7))))


async def read_pieces(answer):
    return json.loads("".join(await drained(answer.iter_text(7))))


async def read_lines(answer):
    return json.loads("".join(await drained(answer.iter_lines())))


WAYS = [read_whole, read_text, read_json, read_parsed, read_bytes, read_pieces, read_lines]


@pytest.mark.parametrize("read", WAYS, ids=lambda way: way.__name__)
async def test_whatever_way_a_body_is_read(recorder, api, server, durations, read):
    recorder.instrument(CONTENT)
    server.reply_with(chat_reply())
    create = api.client.chat.completions.with_streaming_response.create
    async with api.entered(lambda client: create(**CHAT)) as answer:
        assert type(answer).__name__ == ("AsyncAPIResponse" if api.is_async else "APIResponse")
        assert answer.headers["x-request-id"].startswith("req_")
        assert (await read(answer))["id"] == "chatcmpl-1"
    given = recorder.attributes
    assert given["otel_llm.request.id"].startswith("req_")
    assert outputs(recorder)[0]["parts"] == [{"type": "text", "content": "Paris."}]
    for content in ("gen_ai.input.messages", "gen_ai.output.messages"):
        del given[content]
    assert exactly(given, PLAIN)
    assert durations() == []


async def test_a_body_that_is_not_read(recorder, api, server):
    recorder.missing |= {name for name in PLAIN if name.startswith(("gen_ai.response.", "gen_ai.usage."))}
    create = api.client.chat.completions.with_streaming_response.create
    async with api.entered(lambda client: create(**CHAT)) as answer:
        assert answer.status_code == 200
    assert recorder.span.name == "chat gpt-4o-mini"
    assert recorder.attributes["otel_llm.stream.outcome"] == "closed"


EVENTS = {
    "lines": lambda answer: answer.iter_lines(),
    "bytes": lambda answer: answer.iter_bytes(5),
    "text": lambda answer: answer.iter_text(),
}


@pytest.mark.parametrize("way", EVENTS)
async def test_events_that_are_read_as_they_come(recorder, api, server, way):
    recorder.instrument(CONTENT)
    server.reply_with(chat_stream(*CHUNKS))
    create = api.client.chat.completions.with_streaming_response.create
    async with api.entered(lambda client: create(**CHAT, stream=True)) as answer:
        pieces = await drained(EVENTS[way](answer))
    joined = b"".join(pieces).decode() if way == "bytes" else "".join(pieces)
    assert joined.count("data: ") == 5
    assert "data: [DONE]" in joined
    assert usage(recorder.attributes) == {"input_tokens": 12, "output_tokens": 3}
    assert outputs(recorder)[0]["parts"] == [{"type": "text", "content": "Paris."}]
    assert "otel_llm.stream.outcome" not in recorder.attributes


async def test_a_streaming_response_that_is_parsed_to_a_stream(recorder, api, server):
    server.reply_with(chat_stream(*CHUNKS))
    create = api.client.chat.completions.with_streaming_response.create
    async with api.entered(lambda client: create(**CHAT, stream=True)) as answer:
        chunks = await drained(await settled(answer.parse()))
    assert [type(chunk) for chunk in chunks] == [ChatCompletionChunk] * 4
    assert usage(recorder.attributes) == {"input_tokens": 12, "output_tokens": 3}


async def test_raw_responses_of_the_responses_api(recorder, api, server):
    server.reply_with(Reply(body=response(message())))
    answer = await api(lambda client: client.responses.with_raw_response.create(**ASKED))
    assert answer.parse().output_text == "Paris."
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    recorder.span_exporter.clear()
    create = api.client.responses.with_streaming_response.create
    async with api.entered(lambda client: create(**ASKED, stream=True)) as streamed:
        lines = await drained(streamed.iter_lines())
    assert any("response.completed" in line for line in lines)
    assert recorder.attributes["gen_ai.usage.output_tokens"] > 0


async def test_a_cached_raw_wrapper_made_before_instrumenting(recorder, api, server):
    import otel_llm

    otel_llm.uninstrument()
    create = api.client.chat.completions.with_raw_response.create
    recorder.instrument()
    await settled(create(**CHAT))
    assert recorder.span.name == "chat gpt-4o-mini"


@pytest.mark.parametrize("status", [400, 429])
async def test_errors_of_raw_calls_are_the_same_errors(recorder, api, status):
    with pytest.raises(openai.APIStatusError):
        await api(
            lambda client: client.chat.completions.with_raw_response.create(
                model=f"error-{status}", messages=CHAT["messages"]
            )
        )
    assert recorder.attributes["otel_llm.error.status_code"] == status


CASTS = {
    "model": (ChatCompletion, lambda answer: answer.id),
    "dict": (dict[str, object], lambda answer: answer["id"]),
    "object": (object, lambda answer: answer["id"]),
    "text": (str, lambda answer: json.loads(answer)["id"]),
}


@pytest.mark.parametrize("name", CASTS)
async def test_post(recorder, api, server, name):
    cast, identify = CASTS[name]
    server.reply_with(chat_reply())
    if name == "text":  # the SDK hands out the text, which nobody parsed
        recorder.missing |= {key for key in PLAIN if key.startswith(("gen_ai.response.", "gen_ai.usage."))}
    answer = await api(lambda client: client.post("/chat/completions", body=CHAT, cast_to=cast))
    assert identify(answer) == "chatcmpl-1"
    if name != "text":
        assert exactly(recorder.attributes, PLAIN)


async def test_post_for_the_http_response_itself(recorder, api, server):
    server.reply_with(chat_reply())
    http = type((await raw(api)).http_response)  # of httpx or httpx2, whichever the SDK is made with
    recorder.span_exporter.clear()
    server.reply_with(chat_reply())
    answer = await api(lambda client: client.post("/chat/completions", body=CHAT, cast_to=http))
    assert answer.json()["id"] == "chatcmpl-1"
    assert exactly(recorder.attributes, PLAIN)


async def test_post_for_a_stream(recorder, api, server):
    server.reply_with(chat_stream(*CHUNKS))
    kind = openai.AsyncStream if api.is_async else openai.Stream
    chunks = await api.drain(
        lambda client: client.post(
            "/chat/completions",
            body={**CHAT, "stream": True},
            cast_to=ChatCompletionChunk,
            stream=True,
            stream_cls=kind[ChatCompletionChunk],
        )
    )
    assert len(chunks) == 4
    assert recorder.attributes["gen_ai.request.stream"] is True
    assert usage(recorder.attributes) == {"input_tokens": 12, "output_tokens": 3}


async def test_request_with_its_arguments_by_name(recorder, api, server):
    from openai._models import FinalRequestOptions

    server.reply_with(chat_reply())
    options = FinalRequestOptions.construct(method="post", url="/chat/completions", json_data=CHAT)
    answer = await api(lambda client: client.request(cast_to=ChatCompletion, options=options))
    assert answer.id == "chatcmpl-1"
    assert exactly(recorder.attributes, PLAIN)
