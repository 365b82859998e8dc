"""Requests and scripted answers that the tests share; ids and counts are fixed, so that spans can be compared whole."""

from __future__ import annotations

from typing import Any

from standin.server import Reply, sse

Json = dict[str, Any]

ASK: list[Json] = [{"role": "user", "content": "What is the capital of France?"}]
CHAT: Json = {"model": "gpt-4o-mini", "messages": ASK}
ASKED: Json = {"model": "gpt-4.1", "input": "What is the capital of France?"}
WEATHER: Json = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
#: A 1x1 PNG, and what content says of it in place of its bytes.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PIXEL_DESCRIBED: Json = {
    "content": "",
    "byte_size": 70,
    "sha256": "6b7fa434f92a8b80aab02d9bf1a12e49ffcae424e4013a1c4f68b67e3d2bbcd0",
}

_CHAT_HEAD: Json = {"id": "chatcmpl-1", "created": 1700000000, "model": "gpt-4o-mini-2024-07-18"}


def chat_reply(
    *messages: Json, reasons: tuple[str, ...] = ("stop",), usage: Json | None = None, **fields: Any
) -> Reply:
    """A chat completion with a choice for each message."""
    choices = [
        {"index": index, "message": {"role": "assistant", "content": None, **message}, "finish_reason": reason}
        for index, (message, reason) in enumerate(zip(messages or ({"content": "Paris."},), reasons, strict=True))
    ]
    counted = usage or {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
    return Reply(body={**_CHAT_HEAD, "object": "chat.completion", "choices": choices, "usage": counted, **fields})


def chat_chunk(delta: Json | None = None, reason: str | None = None, index: int = 0, **fields: Any) -> Json:
    """A chunk of a streamed chat completion; without a delta and a reason it has no choice."""
    choices = [{"index": index, "delta": delta or {}, "finish_reason": reason}] if delta is not None or reason else []
    return {**_CHAT_HEAD, "object": "chat.completion.chunk", "choices": choices, **fields}


def chat_stream(*chunks: Any) -> Reply:
    return Reply(chunks=sse(*chunks))


def response(*output: Json, **fields: Any) -> Json:
    """A response of the Responses API."""
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1700000000,
        "model": "gpt-4.1-2025-04-14",
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "output": list(output),
        "usage": {
            "input_tokens": 12,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 3,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 15,
        },
        **fields,
    }


def message(words: str = "Paris.", **fields: Any) -> Json:
    """A message among a response's output items."""
    part = {"type": "output_text", "text": words, "annotations": []}
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part], **fields}


def event_stream(*events: Json, done: bool = False) -> Reply:
    """Events of a streamed response, numbered."""
    numbered = [{**event, "sequence_number": number} for number, event in enumerate(events)]
    return Reply(chunks=sse(*numbered, done=done, named=True))
