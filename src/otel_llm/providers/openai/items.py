"""Input and output items of the Responses API as the conventions' messages."""

from __future__ import annotations

from typing import Any

from ...messages import Json, blob, media, reasoning, text, tool_call, tool_call_response
from .content import file
from .fields import get, string
from .fields import items as as_list

#: Calls the application answers.
CLIENT_CALLS = frozenset(
    {"function_call", "custom_tool_call", "computer_call", "local_shell_call", "shell_call", "apply_patch_call"}
)
#: Where the result of a tool that OpenAI ran stands in its item.
_SERVER_RESULTS = ("results", "outputs", "output", "result", "tools", "error")


def input_messages(value: Any, capture_media: bool) -> list[Json]:
    """``input``: a text, or a list of messages and other items."""
    if isinstance(value, str):
        return [{"role": "user", "parts": [text(value)]}]
    return [_input_message(item, capture_media) for item in as_list(value)]


def _input_message(item: Any, capture_media: bool) -> Json:
    kind = string(get(item, "type")) or "message"
    if kind == "message":
        return {"role": string(get(item, "role")) or "unknown", "parts": _content(get(item, "content"), capture_media)}
    if kind.endswith("_output"):
        return {"role": "tool", "parts": [tool_call_response(get(item, "call_id"), _plain_output(item))]}
    return {"role": "assistant", "parts": item_parts(item, capture_media)}


def _plain_output(item: Any) -> Json:
    output = get(item, "output")
    texts = [get(part, "text") for part in as_list(output)]
    return "".join(texts) if texts and all(isinstance(one, str) for one in texts) else output


def output_messages(output: list[Any], reason: str | None, capture_media: bool) -> list[Json]:
    """All output items as the one message they are to the caller."""
    parts = [part for item in output for part in item_parts(item, capture_media)]
    return [{"role": "assistant", "parts": parts, "finish_reason": reason or "unknown"}] if parts else []


def item_parts(item: Any, capture_media: bool) -> list[Json]:
    """One item as parts of a message."""
    kind = string(get(item, "type")) or "unknown"
    if kind == "message":
        return _content(get(item, "content"), capture_media)
    if kind == "reasoning":
        thoughts = [*as_list(get(item, "summary")), *as_list(get(item, "content"))]
        return [reasoning(words) for thought in thoughts if (words := string(get(thought, "text")))]
    if kind == "compaction":
        return [{"type": "compaction", "id": string(get(item, "id"))}]
    if kind in CLIENT_CALLS:
        return [_client_call(item, kind)]
    if kind.endswith("_call"):
        return _server_call(item, kind, capture_media)
    return [{"type": kind, "id": string(get(item, "id"))}]


def partial_item(kind: str, words: str) -> Json:
    """The item whose streamed pieces, events of ``kind``, had come when the stream broke off."""
    if "reasoning" in kind:
        return {"type": "reasoning", "summary": [{"text": words}]}
    if "arguments" in kind:
        return {"type": "function_call", "arguments": words}
    return {"type": "message", "content": [{"type": "output_text", "text": words}]}


def _content(value: Any, capture_media: bool) -> list[Json]:
    if isinstance(value, str):
        return [text(value)]
    return [_part(part, capture_media) for part in as_list(value)]


def _part(part: Any, capture_media: bool) -> Json:
    kind = string(get(part, "type")) or "unknown"
    if kind in ("input_text", "output_text", "text"):
        return text(get(part, "text"))
    if kind == "refusal":
        return {"type": "refusal", "content": get(part, "refusal")}
    if kind == "input_image":
        if (url := string(get(part, "image_url"))) is not None:
            return media("image", url, capture_media)
        return {"type": "file", "modality": "image", "file_id": string(get(part, "file_id")) or ""}
    if kind == "input_audio" and (data := string(get(get(part, "input_audio"), "data"))) is not None:
        return blob("audio", f"audio/{get(get(part, 'input_audio'), 'format')}", data, capture_media)
    if kind == "input_file":
        return file(part, capture_media)
    return {"type": kind}


def _client_call(item: Any, kind: str) -> Json:
    name = string(get(item, "name")) or kind.removesuffix("_call")
    for field in ("arguments", "input", "action", "operation"):
        if (value := get(item, field)) is not None:
            return tool_call(get(item, "call_id") or get(item, "id"), name, value)
    return tool_call(get(item, "call_id") or get(item, "id"), name, None)


def _server_call(item: Any, kind: str, capture_media: bool) -> list[Json]:
    """A tool that OpenAI ran: what was called, and what it gave if the item says so."""
    name = kind.removesuffix("_call")
    identifier = string(get(item, "id"))
    called: dict[str, Json] = {"type": name}
    for field in ("status", "action", "queries", "code", "container_id", "server_label", "name", "arguments"):
        if (value := get(item, field)) is not None:
            called[field] = value
    parts = [{"type": "server_tool_call", "id": identifier, "name": name, "server_tool_call": called}]
    if kind == "image_generation_call" and (data := string(get(item, "result"))) is not None:
        return [*parts, blob("image", f"image/{string(get(item, 'output_format')) or 'png'}", data, capture_media)]
    given = {field: value for field in _SERVER_RESULTS if (value := get(item, field)) is not None}
    if given:
        answer = {"type": name, **given}
        parts.append({"type": "server_tool_call_response", "id": identifier, "server_tool_call_response": answer})
    return parts
