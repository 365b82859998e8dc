"""The Responses API: create (whole, streamed, in the background), retrieve, cancel, delete."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

from standin import text
from standin.chat import BROKEN, Json, arguments, cached_part, called, reasoning_tokens, structured, tier
from standin.wire import Reply, Request, sse

_DEFAULTS: Json = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
_SHORT = {"incomplete": {"reason": "max_output_tokens"}}
_FAILED = {"code": "server_error", "message": "The model failed to answer."}


class Responses:
    """The stored responses: the final one, and the progress of a background one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._final: dict[str, Json] = {}
        self._pending: dict[str, list[str]] = {}

    def create(self, request: Request, model: str) -> Reply:
        body: Json = request.json
        final = _response(body, model)
        with self._lock:
            self._final[final["id"]] = final
            if body.get("background"):
                self._pending[final["id"]] = ["in_progress"]
        if body.get("stream"):
            return _streamed(final, broken=model if model in BROKEN else None)
        return Reply(body=_unfinished(final, "queued") if body.get("background") else final)

    def stored(self, request: Request, response_id: str, action: str) -> Reply:
        with self._lock:
            final = self._final.get(response_id)
            if final is None:
                message = f"Response with id '{response_id}' not found."
                error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
                return Reply(status=404, body={"error": error})
            if request.method == "DELETE":
                del self._final[response_id]
                return Reply(body={"id": response_id, "object": "response", "deleted": True})
            if action == "cancel":
                self._pending.pop(response_id, None)
                self._final[response_id] = _unfinished(final, "cancelled")
                return Reply(body=self._final[response_id])
            pending = self._pending.get(response_id)
            if request.query.get("stream") == "true":
                return _streamed(final, after=int(request.query.get("starting_after", -1)))
            return Reply(body=_unfinished(final, pending.pop(0)) if pending else final)


def _response(body: Json, model: str) -> Json:
    said = structured((body.get("text") or {}).get("format"), text.answer(_question(body.get("input"))))
    said, short = text.cut(said, body.get("max_output_tokens"))
    asked = body.get("reasoning") or {}
    thought = reasoning_tokens(model, asked.get("effort"))
    output = list(_output(body, asked, said, "incomplete" if short else "completed"))
    prompt = sum(text.tokens(body.get(key) or "") for key in ("input", "instructions", "tools"))
    wrote = thought + sum(text.tokens(_words(item)) for item in output)
    failed = model == "error-failed"
    status = "failed" if failed else "incomplete" if short else "completed"
    conversation = body.get("conversation")
    created = time.time()
    return {
        **{key: default if body.get(key) is None else body[key] for key, default in _DEFAULTS.items()},
        "id": text.new_id("resp_"),
        "object": "response",
        "created_at": int(created),
        "completed_at": int(created) if status == "completed" else None,
        "status": status,
        "background": bool(body.get("background")),
        "error": _FAILED if failed else None,
        "incomplete_details": _SHORT.get(status),
        "model": text.dated(model),
        "output": [] if failed else output,
        "reasoning": {"effort": asked.get("effort"), "summary": asked.get("summary")},
        "service_tier": tier(body),
        "text": {"format": {"type": "text"}, **(body.get("text") or {})},
        "tools": [{"strict": True, **tool} if tool["type"] == "function" else tool for tool in body.get("tools") or ()],
        "usage": None if failed else _usage(prompt, wrote, thought),
        "conversation": {"id": conversation} if isinstance(conversation, str) else conversation,
    }


def _usage(prompt: int, wrote: int, thought: int) -> Json:
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": cached_part(prompt), "cache_write_tokens": 0},
        "output_tokens": wrote,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": prompt + wrote,
    }


def _output(body: Json, asked: Json, said: str, status: str) -> Iterator[Json]:
    tools = body.get("tools") or []
    if asked:
        summary = [{"type": "summary_text", "text": "Weighing what was asked."}] if asked.get("summary") else []
        item: Json = {"id": text.new_id("rs_"), "type": "reasoning", "summary": summary}
        if "reasoning.encrypted_content" in (body.get("include") or ()):
            item["encrypted_content"] = "gAAAAAB-standin"
        yield item
    if any(tool["type"].startswith("web_search") for tool in tools):
        action = {"type": "search", "query": _question(body.get("input"))[:80] or "news"}
        yield {"id": text.new_id("ws_"), "type": "web_search_call", "status": "completed", "action": action}
    functions = [tool for tool in tools if tool["type"] in ("function", "custom")]
    if functions and not _answers_a_call(body.get("input")):
        calls = called(functions, body.get("tool_choice"), body.get("parallel_tool_calls") is not False)
        yield from (_call(tool) for tool in calls)
        if calls:
            return
    part = {"type": "output_text", "text": said, "annotations": [], "logprobs": []}
    yield {"id": text.new_id("msg_"), "type": "message", "role": "assistant", "status": status, "content": [part]}


def _call(tool: Json) -> Json:
    call_id = text.new_id("call_")
    if tool["type"] == "custom":
        item_id = text.new_id("ctc_")
        return {"id": item_id, "type": "custom_tool_call", "call_id": call_id, "name": tool["name"], "input": "example"}
    said = {"arguments": arguments(tool), "call_id": call_id, "name": tool["name"], "status": "completed"}
    return {"id": text.new_id("fc_"), "type": "function_call", **said}


def _question(given: Any) -> str:
    if isinstance(given, str) or not given:
        return given or ""
    last = given[-1]
    content = last.get("content") or last.get("output") or ""
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content) if isinstance(content, list) else ""


def _answers_a_call(given: Any) -> bool:
    return isinstance(given, list) and bool(given) and str(given[-1].get("type", "")).endswith("call_output")


def _words(item: Json) -> str:
    return str(item.get("arguments") or item.get("input") or "".join(part["text"] for part in item.get("content", ())))


def _unfinished(final: Json, status: str) -> Json:
    cleared: Json = {"output": [], "usage": None, "completed_at": None, "incomplete_details": None, "error": None}
    return {**final, **cleared, "status": status}


def _streamed(final: Json, *, after: int = -1, broken: str | None = None) -> Reply:
    events = [{**event, "sequence_number": number} for number, event in enumerate(_events(final))]
    if broken:
        events = events[:6]
    if broken == "error-stream":
        error = {"type": "error", "code": "server_error", "message": "The server had an error.", "param": None}
        events.append({**error, "sequence_number": len(events)})
    chunks = sse(*events[after + 1 :], done=False, named=True)
    return Reply(chunks=chunks, abort=broken == "error-cut")


def _events(final: Json) -> Iterator[Json]:
    started = _unfinished(final, "in_progress")
    if final["background"]:
        yield {"type": "response.created", "response": _unfinished(final, "queued")}
        yield {"type": "response.queued", "response": _unfinished(final, "queued")}
    else:
        yield {"type": "response.created", "response": started}
    yield {"type": "response.in_progress", "response": started}
    for place, item in enumerate(final["output"]):
        yield from _item_events(item, {"item_id": item["id"], "output_index": place})
    yield {"type": f"response.{final['status']}", "response": final}


def _item_events(item: Json, where: Json) -> Iterator[Json]:
    place = {"output_index": where["output_index"]}
    opened = _OPENED.get(item["type"], {})
    yield {"type": "response.output_item.added", **place, "item": {**item, **opened}}
    if item["type"] == "reasoning":
        for number, part in enumerate(item["summary"]):
            at, head = {**where, "summary_index": number}, "response.reasoning_summary"
            yield {"type": f"{head}_part.added", **at, "part": {**part, "text": ""}}
            for piece in text.pieces(part["text"]):
                yield {"type": f"{head}_text.delta", **at, "delta": piece}
            yield {"type": f"{head}_text.done", **at, "text": part["text"]}
            yield {"type": f"{head}_part.done", **at, "part": part}
    elif item["type"] == "web_search_call":
        for step in ("in_progress", "searching", "completed"):
            yield {"type": f"response.web_search_call.{step}", **where}
    elif item["type"] == "function_call":
        for piece in text.pieces(item["arguments"], 1):
            yield {"type": "response.function_call_arguments.delta", **where, "delta": piece}
        ended = {"arguments": item["arguments"], "name": item["name"]}
        yield {"type": "response.function_call_arguments.done", **where, **ended}
    elif item["type"] == "custom_tool_call":
        yield {"type": "response.custom_tool_call_input.delta", **where, "delta": item["input"]}
        yield {"type": "response.custom_tool_call_input.done", **where, "input": item["input"]}
    else:
        for number, part in enumerate(item["content"]):
            at, head = {**where, "content_index": number}, "response.content_part"
            yield {"type": f"{head}.added", **at, "part": {**part, "text": ""}}
            for piece in text.pieces(part["text"]):
                yield {"type": "response.output_text.delta", **at, "delta": piece, "logprobs": []}
            yield {"type": "response.output_text.done", **at, "text": part["text"], "logprobs": []}
            yield {"type": f"{head}.done", **at, "part": part}
    yield {"type": "response.output_item.done", **place, "item": item}


# The first state of an item, before its content.
_OPENED: dict[str, Json] = {
    "message": {"content": [], "status": "in_progress"},
    "function_call": {"arguments": "", "status": "in_progress"},
    "custom_tool_call": {"input": ""},
    "web_search_call": {"status": "in_progress"},
    "reasoning": {"summary": []},
}
