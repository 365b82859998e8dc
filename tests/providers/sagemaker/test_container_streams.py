"""Streams of every kind of container, whole and split anywhere, and their times."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asking import CHAT, CONTENT, GENERATE, answering, invoke, messages, open_stream, same, stream, streaming, told

from standin.wire import sse

TEXT = "Héllo, wörld 👋."
WORDS = ["Héllo,", " wörld", " 👋."]


def _chunk(delta: Any, reason: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {"id": "c1", "model": "llama", "choices": [choice], **more}


_CHAT = [
    _chunk({"role": "assistant", "content": ""}),
    *(_chunk({"content": word}) for word in WORDS),
    _chunk({}, "stop"),
]
_USAGE = {"id": "c1", "model": "llama", "choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 3}}
_TOKENS = [{"index": n, "token": {"id": n, "text": word, "special": False}} for n, word in enumerate(WORDS)]
_TGI = [
    *({**token, "generated_text": None, "details": None} for token in _TOKENS),
    {
        "index": 3,
        "token": {"id": 2, "text": "</s>", "special": True},
        "generated_text": TEXT,
        "details": {"finish_reason": "eos_token", "generated_tokens": 4, "input_length": 11},
    },
]
_LMI = [
    *_TOKENS[:-1],
    {**_TOKENS[-1], "generated_text": TEXT, "details": {"finish_reason": "length", "generated_tokens": 3}},
]

OPENAI = {"id": "c1", "model": "llama", "finish_reasons": ("stop",)}


def _joined(chunks: list[Any]) -> bytes:
    return b"".join(chunk.encode() for chunk in chunks)


def _lines(events: list[Any]) -> bytes:
    return b"".join(json.dumps(event, ensure_ascii=False).encode() + b"\n" for event in events)


def _crlf(data: bytes) -> bytes:
    return data.replace(b"\n", b"\r\n")


STREAMS: dict[str, tuple[Any, bytes, dict[str, Any]]] = {
    "chat, events": (CHAT, _joined(sse(*_CHAT)), OPENAI),
    "chat, events and usage": (CHAT, _joined(sse(*_CHAT, _USAGE)), {**OPENAI, "input_tokens": 11, "output_tokens": 3}),
    "chat, events, other line ends": (CHAT, _crlf(_joined(sse(*_CHAT))), OPENAI),
    "chat, events after a comment": (CHAT, b": keep-alive\n\n" + _joined(sse(*_CHAT)), OPENAI),
    "chat, named events": (CHAT, _joined(sse(*_CHAT)).replace(b"data: {", b"event: chunk\ndata:{"), OPENAI),
    "chat, no empty lines": (CHAT, _joined(sse(*_CHAT)).replace(b"\n\n", b"\n"), OPENAI),
    "chat, no end of the last line": (CHAT, _joined(sse(*_CHAT, done=False)).rstrip(b"\n"), OPENAI),
    "chat, lines": (CHAT, _lines(_CHAT), OPENAI),
    "chat, lines, no end of the last": (CHAT, _lines(_CHAT).rstrip(b"\n"), OPENAI),
    "chat, lines, other line ends": (CHAT, _crlf(_lines(_CHAT)), OPENAI),
    "chat, at once": (
        CHAT,
        json.dumps(
            {
                "id": "c1",
                "model": "llama",
                "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
            }
        ).encode(),
        OPENAI,
    ),
    "completion, events": (
        {"prompt": "Hi"},
        _joined(
            sse(
                *(
                    {"id": "c1", "model": "llama", "choices": [{"index": 0, "text": word, "finish_reason": reason}]}
                    for word, reason in zip(WORDS, (None, None, "stop"), strict=True)
                )
            )
        ),
        OPENAI,
    ),
    "TGI": (
        GENERATE,
        _joined(sse(*_TGI, done=False)),
        {"finish_reasons": ("stop",), "input_tokens": 11, "output_tokens": 4},
    ),
    "LMI, lines": (GENERATE, _lines(_LMI), {"finish_reasons": ("length",), "output_tokens": 3}),
    "LMI, events": (
        GENERATE,
        _joined(sse(*_LMI, done=False)),
        {"finish_reasons": ("length",), "output_tokens": 3},
    ),
    "LMI, dynamic batch": (GENERATE, _lines([{"outputs": [word]} for word in WORDS]), {}),
    "an answer at once": (GENERATE, json.dumps([{"generated_text": TEXT}]).encode(), {}),
    "mere text": (GENERATE, TEXT.encode(), {}),
}


def _split(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 100000])
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_split_anywhere_tells_the_same(client: Any, sparse: Any, server: Any, name: str, size: int) -> None:
    asked, data, expected = STREAMS[name]
    sparse.instrument(CONTENT)
    server.reply_with(streaming(_split(data, size)))
    assert stream(client, "e", asked) == data
    attributes = sparse.attributes
    given = told(attributes, "gen_ai.response.", "gen_ai.usage.")
    assert same({key.rpartition(".")[2]: value for key, value in given.items()}, expected)
    (message,) = messages(attributes, "output")
    assert message["parts"] == [{"type": "text", "content": TEXT}]
    assert attributes["gen_ai.request.stream"] is True
    assert attributes["gen_ai.response.time_to_first_chunk"] > 0
    assert "error.type" not in attributes
    assert "otel_llm.stream.outcome" not in attributes


@pytest.mark.parametrize("name", STREAMS)
def test_without_content_nothing_is_kept(client: Any, sparse: Any, server: Any, name: str) -> None:
    asked, data, expected = STREAMS[name]
    server.reply_with(streaming(_split(data, 50)))
    stream(client, "e", asked)
    given = told(sparse.attributes, "gen_ai.response.", "gen_ai.usage.")
    assert {key.rpartition(".")[2]: value for key, value in given.items()} == expected
    assert "llo" not in str(list(sparse.attributes.values()))


def test_times(client: Any, sparse: Any, server: Any, durations: Any) -> None:
    """To the first chunk, from part to part, a token: the server stops before the first and before the last part."""
    first, last = server.hold(), server.hold()
    events = _TGI
    pieces = [first, *sse(*events[:2], done=False), last, *sse(*events[2:], done=False)]
    server.reply_with(streaming(pieces, "text/event-stream"))
    events_read = iter(open_stream(client, "e", GENERATE))
    assert first.reached.wait(30)
    first.open()
    next(events_read)
    next(events_read)
    assert last.reached.wait(30)
    last.open()
    assert len(list(events_read)) == 2
    (to_first,) = sparse.points("gen_ai.client.operation.time_to_first_chunk")
    (between,) = sparse.points("gen_ai.client.operation.time_per_output_chunk")
    (per_token,) = sparse.points("otel_llm.client.time_per_output_token")
    attributes = sparse.attributes
    assert to_first.sum == attributes["gen_ai.response.time_to_first_chunk"]
    assert between.count == 3
    assert per_token.sum == attributes["otel_llm.response.time_per_output_token"]
    assert between.sum == pytest.approx(per_token.sum * 3)  # four tokens
    assert durations() == []


def test_a_part_is_a_chunk_only_if_it_completes_something(client: Any, sparse: Any, server: Any) -> None:
    data = _lines(_LMI)
    server.reply_with(streaming([data[:9], data[9:20], data[20:-30], data[-30:-10], data[-10:]]))
    stream(client, "e", GENERATE)
    (between,) = sparse.points("gen_ai.client.operation.time_per_output_chunk")
    assert between.count == 1


def test_an_error_among_the_events(client: Any, sparse: Any, server: Any) -> None:
    failed = {"error": "Request failed during generation: <secret prompt>", "error_type": "generation"}
    server.reply_with(streaming(sse(_TGI[0], failed, done=False)))
    stream(client, "e", GENERATE)
    assert sparse.attributes["error.type"] == "generation"
    assert sparse.attributes["gen_ai.response.finish_reasons"] == ("error",)
    assert "secret" not in str(sparse.attributes)


def test_lmi_says_only_that_it_failed(client: Any, sparse: Any, server: Any) -> None:
    end = {"token": {"id": -1, "text": ""}, "details": {"finish_reason": "error", "generated_tokens": 1}}
    server.reply_with(streaming([_lines([_TOKENS[0], end])]))
    stream(client, "e", GENERATE)
    assert sparse.attributes["error.type"] == "error"


MALFORMED = [
    b"",
    b"\n\n",
    b"data: {\n\ndata: [DONE]\n\n",
    b'{"token"\n: 3}\n',
    b"[" * 5000,
    b'{"choices":[null,{"delta":4}]}\n',
    b'{"token":{"text":4},"details":{"finish_reason":[]}}\n',
    b"data: null\n\n",
    b"\xff\xfe{}",
    b'[{"token":1},"x",[]]\n',
]


@pytest.mark.parametrize("data", MALFORMED)
@pytest.mark.parametrize("settings", [None, CONTENT])
def test_malformed_streams(client: Any, sparse: Any, server: Any, data: bytes, settings: Any) -> None:
    sparse.instrument(settings)
    server.reply_with(streaming([data] if data else []))
    assert stream(client, "e", CHAT) == data
    assert not told(sparse.attributes, "gen_ai.usage.", "gen_ai.response.id")


def test_usage_of_a_chat_of_several_choices(client: Any, recorder: Any, server: Any) -> None:
    choices = [{"index": n, "delta": {"content": "x"}, "finish_reason": "stop"} for n in (0, 1)]
    server.reply_with(streaming(sse({"id": "c", "model": "m", "choices": choices}, _USAGE)))
    stream(client, "e", {**CHAT, "n": 2})
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("stop", "stop")
    assert recorder.attributes["gen_ai.request.choice.count"] == 2


def test_a_stream_asked_for_in_the_body_over_the_route_that_does_not_stream(
    client: Any, sparse: Any, server: Any
) -> None:
    end = {"generated_text": "Hello.", "details": {"finish_reason": "length", "generated_tokens": 3}}
    server.reply_with(answering(f"data:{json.dumps(end)}\n\n".encode(), "text/event-stream"))
    invoke(client, "e", {"inputs": "Hi", "stream": True})
    assert sparse.attributes["gen_ai.usage.output_tokens"] == 3
