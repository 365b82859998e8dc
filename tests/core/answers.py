"""Answers a server may give, well formed and not, and the ways a caller reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from standin.server import Reply, sse

Json = dict[str, Any]

_MESSAGE: Json = {"role": "assistant", "content": "Paris."}
_CHOICE: Json = {"index": 0, "message": _MESSAGE, "finish_reason": "stop"}
_USAGE: Json = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
_HEAD: Json = {"id": "a-1", "model": "gpt-4o-mini", "created": 1700000000}
_ITEM: Json = {
    "type": "message",
    "id": "m-1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Paris.", "annotations": []}],
}
#: Everything that may go wrong in a field goes into the answers of every API at once.
DEEP: Any = "bottom"
for _ in range(60):
    DEEP = [DEEP]


def _body(**fields: Any) -> Json:
    """An answer that is a chat completion, a response and an embedding in one."""
    return {
        **_HEAD,
        "object": "chat.completion",
        "choices": [_CHOICE],
        "status": "completed",
        "created_at": 1700000000,
        "output": [_ITEM],
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
        "data": [{"object": "embedding", "index": 0, "embedding": [0.25, 0.5]}],
        "usage": {**_USAGE, "input_tokens": 12, "output_tokens": 3},
        **fields,
    }


def _calls(arguments: Any) -> Json:
    call = {"id": "c-1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    message = {**_MESSAGE, "content": None, "tool_calls": [call]}
    return _body(
        choices=[{**_CHOICE, "message": message}],
        output=[{"type": "function_call", "id": "i-1", "call_id": "c-1", "name": "f", "arguments": arguments}],
    )


_ODD: list[Any] = [None, "x", -1, True, 1e400, 10**30, [], {}, [None], [[1]], {"type": 5}, DEEP, "\ud800"]

BODIES: dict[str, Reply] = {
    "good": Reply(body=_body()),
    "empty object": Reply(body={}),
    "null": Reply(body=b"null", headers={"content-type": "application/json"}),
    "a list": Reply(body=[1, 2]),
    "a string": Reply(body=b'"hello"', headers={"content-type": "application/json"}),
    "empty body": Reply(body=b"", headers={"content-type": "application/json"}),
    "not JSON": Reply(body=b"{nope", headers={"content-type": "application/json"}),
    "HTML": Reply(body=b"<html>busy</html>", headers={"content-type": "text/html"}),
    "invalid UTF-8": Reply(body=b'{"id": "\xff\xfe"}', headers={"content-type": "application/json"}),
    "too deep": Reply(body=b"[" * 20000, headers={"content-type": "application/json"}),
    "NaN": Reply(body=b'{"id": NaN, "usage": {"prompt_tokens": NaN}}', headers={"content-type": "application/json"}),
    "cut off": Reply(body=b'{"id": "a-1", "cho', headers={"content-type": "application/json"}, abort=True),
    "dropped": Reply(abort=True),
    "error": Reply(status=400, body={"error": {"message": "No \ud800.", "code": "a sentence here", "type": 5}}),
    "odd error": Reply(status=500, body=[{"error": None}]),
    "HTML error": Reply(status=502, body=b"<html>", headers={"content-type": "text/html"}),
    "arguments too deep": Reply(body=_calls("[" * 20000)),
    "arguments deep": Reply(body=_calls("[" * 400 + "]" * 400)),
    "arguments no JSON": Reply(body=_calls("{nope")),
    "names of ours": Reply(body=_body(_iterator=[1], http_response="x", is_closed=True, response="x", __dict__={})),
    "other output": Reply(body=_body(output=[{"type": "brand_new", "x": 1}, {"type": "message", "content": None}])),
} | {
    f"{' '.join(fields)} is {str(value)[:12]!r}": Reply(body=_body(**dict.fromkeys(fields, value)))
    for fields in (("choices", "output", "data"), ("usage", "model", "id", "status", "service_tier", "error"))
    for value in _ODD
}
for _name, _value in {"none": None, "text": "7", "negative": -7, "bool": True, "huge": 10**30, "float": 7.5}.items():
    _tokens = dict.fromkeys(("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens"), _value)
    _details = {"cached_tokens": _value, "reasoning_tokens": _value}
    BODIES[f"tokens {_name}"] = Reply(
        body=_body(usage={**_tokens, "prompt_tokens_details": _details, "output_tokens_details": _details})
    )


def _chunk(**fields: Any) -> Json:
    choice = {"index": 0, "delta": {"content": "Pa"}, "finish_reason": None}
    return {**_HEAD, "object": "chat.completion.chunk", "choices": [choice], **fields}


_START: Json = {
    "type": "response.created",
    "sequence_number": 0,
    "response": {**_body(), "object": "response", "status": "in_progress", "output": []},
}
_END: Json = {"type": "response.completed", "sequence_number": 9, "response": {**_body(), "object": "response"}}
_DELTA: Json = {"type": "response.output_text.delta", "output_index": 0, "delta": "Pa", "sequence_number": 1}
_LAST = _chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}], usage=_USAGE)
#: Whole, of both APIs: each one's chunks are unknown fields to the other.
_GOOD: list[Any] = [{**_START, **_chunk()}, {**_DELTA, **_chunk()}, {**_END, **_LAST}]

STREAMS: dict[str, Reply] = (
    {
        "good": Reply(chunks=sse(*_GOOD)),
        "no [DONE]": Reply(chunks=sse(*_GOOD, done=False)),
        "dropped": Reply(chunks=sse(*_GOOD[:2], done=False), abort=True),
        "nothing": Reply(chunks=[]),
        "only [DONE]": Reply(chunks=sse()),
        "truncated": Reply(chunks=[*sse(*_GOOD[:2], done=False), 'data: {"id": "a-1", "cho']),
        "error inside": Reply(chunks=sse(_GOOD[0], {"error": {"message": "No \ud800.", "code": "a sentence"}})),
        "error event": Reply(
            chunks=sse(_GOOD[0], {"type": "error", "message": "No.", "code": "a sentence here", "sequence_number": 2})
        ),
        "not JSON": Reply(chunks=sse(_GOOD[0], "{nope", *_GOOD[1:])),
        "NaN": Reply(chunks=sse(_GOOD[0], '{"id": NaN, "choices": [{"index": NaN, "delta": NaN}]}')),
        "invalid UTF-8": Reply(chunks=sse(_GOOD[0], b'data: {"id": "\xff\xfe"}\n\n', _GOOD[1])),
        "too deep": Reply(chunks=sse(_GOOD[0], "[" * 20000, _GOOD[1])),
        "JSON instead": Reply(body=_body()),
        "HTML instead": Reply(body=b"<html>busy</html>", headers={"content-type": "text/html"}),
        "comments and names": Reply(chunks=[": hi\n\n", "event: x\n", *sse(*_GOOD, named=True), "id: 3\nretry: 1\n\n"]),
        "odd line ends": Reply(chunks=[chunk.replace("\n", "\r\n") for chunk in sse(*_GOOD)]),  # type: ignore[union-attr]
        "byte by byte": Reply(chunks=[bytes([byte]) for byte in "".join(map(str, sse(_GOOD[0], _GOOD[2]))).encode()]),
        "null": Reply(chunks=sse("null", _GOOD[1])),
        "a list": Reply(chunks=sse("[1]", _GOOD[1])),
        "status": Reply(status=429, body={"error": {"message": "Slow down.", "code": "rate_limit_exceeded"}}),
    }
    | {
        f"{' '.join(fields)} is {str(value)[:12]!r}": Reply(
            chunks=sse(_GOOD[0], {**_GOOD[1], **dict.fromkeys(fields, value)}, _GOOD[2])
        )
        for fields in (("choices", "response", "delta", "item"), ("usage", "model", "output_index"), ("type",))
        for value in _ODD
    }
)
for _value in _ODD:
    _odd = [{"index": _value, "delta": _value, "finish_reason": _value}]
    STREAMS[f"choice of {str(_value)[:12]!r}"] = Reply(chunks=sse(_GOOD[0], {**_GOOD[1], "choices": _odd}))

ASK: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
Ask = Callable[[Any], Any]
_chat: Json = {"model": "gpt-4o-mini", "messages": ASK}
_response: Json = {"model": "gpt-4o-mini", "input": "What is the capital of France?"}

#: Calls that answer with a body, and those that answer with a stream; each given a client.
BODY_CALLS: dict[str, Ask] = {
    "chat": lambda client: client.chat.completions.create(**_chat),
    "responses": lambda client: client.responses.create(**_response),
    "embeddings": lambda client: client.embeddings.create(model="e", input="x", encoding_format="float"),
    "raw chat": lambda client: client.chat.completions.with_raw_response.create(**_chat),
    "raw responses": lambda client: client.responses.with_raw_response.create(**_response),
}
STREAM_CALLS: dict[str, Ask] = {
    "chat": lambda client: client.chat.completions.create(**_chat, stream=True),
    "responses": lambda client: client.responses.create(**_response, stream=True),
    "raw chat": lambda client: client.chat.completions.with_raw_response.create(**_chat, stream=True),
    "raw responses": lambda client: client.responses.with_raw_response.create(**_response, stream=True),
}
#: Context managers whose response the caller reads by itself.
STREAMING_CALLS: dict[str, Ask] = {
    "chat": lambda client: client.chat.completions.with_streaming_response.create(**_chat),
    "chat stream": lambda client: client.chat.completions.with_streaming_response.create(**_chat, stream=True),
    "responses stream": lambda client: client.responses.with_streaming_response.create(**_response, stream=True),
}
