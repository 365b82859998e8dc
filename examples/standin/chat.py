"""POST /chat/completions and POST /completions, whole and streamed."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from standin import text
from standin.wire import Reply, Request, sse

Json = dict[str, Any]
_EFFORT = {"none": 0, "minimal": 16, "low": 64, "medium": 192, "high": 512}
BROKEN = ("error-cut", "error-stream")  # models whose streams end early: by a dropped connection, by an error event
FINGERPRINT = "fp_44709d6fcb"


def chat(request: Request, model: str) -> Reply:
    body: Json = request.json
    prompt = text.tokens(body.get("messages", [])) + text.tokens(body.get("tools") or "")
    choices = [_choice(body, index) for index in range(body.get("n") or 1)]
    base = {
        "id": text.new_id("chatcmpl-"),
        "created": int(time.time()),
        "model": text.dated(model),
        "service_tier": tier(body),
        "system_fingerprint": FINGERPRINT,
    }
    usage = _usage(body, model, prompt, choices)
    if body.get("stream"):
        chunks = sse(*_chunks(body, model, base, choices, usage), done=model not in BROKEN)
        return Reply(chunks=chunks, abort=model == "error-cut")
    return Reply(body={**base, "object": "chat.completion", "choices": choices, "usage": usage})


def completion(request: Request, model: str) -> Reply:
    body: Json = request.json
    prompts = body.get("prompt", "")
    prompts = prompts if isinstance(prompts, list) and prompts and not isinstance(prompts[0], int) else [prompts]
    choices: list[Json] = []
    for number, prompt in enumerate(prompts):
        for variant in range(body.get("n") or 1):
            said, short = text.cut(text.answer(str(prompt), variant), body.get("max_tokens", 16))
            reason = "length" if short else "stop"
            index = number * (body.get("n") or 1) + variant
            choices.append({"index": index, "text": said, "finish_reason": reason, "logprobs": None})
    usage = counted(text.tokens(str(prompts)), sum(text.tokens(choice["text"]) for choice in choices))
    base: Json = {
        "id": text.new_id("cmpl-"),
        "object": "text_completion",
        "created": int(time.time()),
        "model": text.dated(model),
        "system_fingerprint": FINGERPRINT,
    }
    if not body.get("stream"):
        return Reply(body={**base, "choices": choices, "usage": usage})
    counts = bool((body.get("stream_options") or {}).get("include_usage"))
    if counts:
        base["usage"] = None
    events = []
    for choice in choices:
        parts = list(text.pieces(choice["text"]))
        for place, part in enumerate(parts):
            last = place == len(parts) - 1
            piece = {**choice, "text": part, "finish_reason": choice["finish_reason"] if last else None}
            events.append({**base, "choices": [piece]})
    if counts:
        events.append({**base, "choices": [], "usage": usage})
    return Reply(chunks=sse(*events))


def counted(prompt: int, completion: int, cached: int = 0, reasoning: int = 0, audio: int = 0) -> Json:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning,
            "audio_tokens": audio,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def cached_part(prompt: int) -> int:
    """The tokens read from the cache: all complete blocks of 128 tokens of a long prompt."""
    return (prompt - 1) // 128 * 128 if prompt >= 1024 else 0


def tier(body: Json) -> str:
    asked = body.get("service_tier")
    return "default" if asked in (None, "auto") else str(asked)


def reasoning_tokens(model: str, effort: Any) -> int:
    thinks = effort or model.startswith(("o1", "o3", "o4", "gpt-5"))
    return _EFFORT.get(str(effort or "medium"), 192) if thinks else 0


def arguments(function: Json) -> str:
    return json.dumps(text.fitting(function.get("parameters") or {"type": "object"}))


def structured(response_format: Json | None, said: str) -> str:
    """The answer as JSON if the request asks for it, otherwise as it is."""
    kind = (response_format or {}).get("type")
    if kind == "json_schema":
        described = response_format or {}
        return json.dumps(text.fitting(described.get("json_schema", described).get("schema", {})))
    return json.dumps({"answer": said}) if kind == "json_object" else said


def called(tools: list[Json], choice: Any, parallel: bool) -> list[Json]:
    """The tools that the model calls: the one in the request, else the first, or the first two if that is allowed."""
    if choice == "none":
        return []
    if isinstance(choice, dict):
        name = choice.get("name") or (choice.get("function") or choice.get("custom") or {}).get("name")
        return [tool for tool in tools if name in (tool.get("name"), tool.get(tool["type"], {}).get("name"))]
    return tools[: 2 if parallel else 1]


def _choice(body: Json, index: int) -> Json:
    messages = body.get("messages") or [{}]
    last = messages[-1]
    message: Json = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
    tools = [tool for tool in body.get("tools") or () if tool.get("type") in ("function", "custom")]
    calls = called(tools, body.get("tool_choice"), body.get("parallel_tool_calls") is not False)
    reason = "stop"
    if calls and last.get("role") != "tool":
        message["tool_calls"] = [_tool_call(tool) for tool in calls]
        reason = "tool_calls"
    elif body.get("functions") and last.get("role") != "function":
        function = body["functions"][0]
        message["function_call"] = {"name": function["name"], "arguments": arguments(function)}
        reason = "function_call"
    else:
        said = structured(body.get("response_format"), text.answer(_said(last), index))
        said, short = text.cut(said, body.get("max_completion_tokens") or body.get("max_tokens"))
        reason = "length" if short else "stop"
        if "audio" in (body.get("modalities") or ()):
            sound = base64.b64encode(b"RIFF standin sound").decode()
            expires = int(time.time()) + 3600
            message["audio"] = {"id": text.new_id("audio_"), "data": sound, "expires_at": expires, "transcript": said}
        else:
            message["content"] = said
    return {"index": index, "message": message, "logprobs": None, "finish_reason": reason}


def _tool_call(tool: Json) -> Json:
    call_id, kind = text.new_id("call_"), tool["type"]
    if kind == "custom":
        return {"id": call_id, "type": kind, "custom": {"name": tool["custom"]["name"], "input": "example"}}
    function = tool["function"]
    return {"id": call_id, "type": kind, "function": {"name": function["name"], "arguments": arguments(function)}}


def _said(message: Json) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)


def _usage(body: Json, model: str, prompt: int, choices: list[Json]) -> Json:
    reasoning = reasoning_tokens(model, body.get("reasoning_effort"))
    audio = sum(50 for choice in choices if choice["message"].get("audio"))
    words = sum(
        text.tokens(choice["message"]["content"] or choice["message"].get("tool_calls") or "") for choice in choices
    )
    return counted(prompt, words + audio + reasoning, cached_part(prompt), reasoning, audio)


def _chunks(body: Json, model: str, base: Json, choices: list[Json], usage: Json) -> Iterator[Json]:
    counts = bool((body.get("stream_options") or {}).get("include_usage"))
    base = {**base, "object": "chat.completion.chunk", **({"usage": None} if counts else {})}
    rows = zip_longest(*(_deltas(choice["message"]) for choice in choices))
    deltas = [(index, delta) for row in rows for index, delta in enumerate(row) if delta is not None]
    for index, delta in deltas[:3] if model in BROKEN else deltas:
        yield {**base, "choices": [{"index": index, "delta": delta, "logprobs": None, "finish_reason": None}]}
    if model == "error-stream":
        yield {"error": {"message": "The server had an error while answering.", "type": "server_error", "code": None}}
    if model in BROKEN:
        return
    for choice in choices:
        end = {"index": choice["index"], "delta": {}, "logprobs": None, "finish_reason": choice["finish_reason"]}
        yield {**base, "choices": [end]}
    if counts:
        yield {**base, "choices": [], "usage": usage}


def _deltas(message: Json) -> Iterator[Json]:
    """The message as chunks: the role first, text in pieces, the name of a tool call before its arguments."""
    calls, function, audio = message.get("tool_calls"), message.get("function_call"), message.get("audio")
    yield {"role": "assistant", "content": None if calls or function or audio else "", "refusal": None}
    for piece in text.pieces(message["content"] or ""):
        if piece:
            yield {"content": piece}
    if audio:
        for piece in text.pieces(audio["transcript"]):
            yield {"audio": {"id": audio["id"], "transcript": piece}}
        yield {"audio": {"id": audio["id"], "data": audio["data"], "expires_at": audio["expires_at"]}}
    if function:
        yield {"function_call": {"name": function["name"], "arguments": ""}}
        for piece in text.pieces(function["arguments"], 1):
            yield {"function_call": {"arguments": piece}}
    for index, call in enumerate(calls or ()):
        kind = call["type"]
        field = "arguments" if kind == "function" else "input"
        head = {"name": call[kind]["name"], field: ""}
        yield {"tool_calls": [{"index": index, "id": call["id"], "type": kind, kind: head}]}
        for piece in text.pieces(call[kind][field], 1):
            yield {"tool_calls": [{"index": index, kind: {field: piece}}]}
