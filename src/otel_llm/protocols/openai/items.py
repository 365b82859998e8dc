"""Input and output items of the Responses API as the conventions' messages."""

from __future__ import annotations

from typing import Any

from ...content.encoding import Json
from ...content.messages import reasoning, text, tool_call, tool_call_response
from .content import MessageConverter
from .fields import get, string
from .fields import items as as_list

#: Calls the application answers.
CLIENT_CALLS = frozenset(
    {"function_call", "custom_tool_call", "computer_call", "local_shell_call", "shell_call", "apply_patch_call"}
)
#: Where the result of a tool that OpenAI ran stands in its item.
_SERVER_RESULTS = ("results", "outputs", "output", "result", "error")
#: The fields that are recorded of items that are neither messages nor calls (approvals, references, programs, ...).
_OTHER_FIELDS = ("id", "name", "server_label", "arguments", "approval_request_id", "approve", "reason", "code", "error")
#: Pieces of calls in a stream, and the field of the item they make up.
_STREAMED_FIELDS = (
    ("call_arguments", "arguments"),
    ("custom_tool_call_input", "input"),
    ("code_interpreter_call_code", "code"),
)


class ItemConverter(MessageConverter):
    """Converts input and output items as well."""

    def input_messages(self, value: Any) -> list[Json]:
        """``input``: a text, or a list of messages and other items."""
        if isinstance(value, str):
            return [{"role": "user", "parts": [text(value)]}]
        return [self._input_message(item) for item in as_list(value)]

    def _input_message(self, item: Any) -> Json:
        kind = string(get(item, "type")) or "message"
        if kind == "message":
            return {"role": string(get(item, "role")) or "unknown", "parts": self._content(get(item, "content"))}
        role = "tool" if kind.endswith("_output") else "assistant"
        return {"role": role, "parts": self.item_parts(item)}

    def output_messages(self, output: list[Any], reason: str | None) -> list[Json]:
        """Convert all output items to one message."""
        parts = [part for item in output for part in self.item_parts(item)]
        return [{"role": "assistant", "parts": parts, "finish_reason": reason}] if parts else []

    def item_parts(self, item: Any) -> list[Json]:
        """One item as parts of a message."""
        kind = string(get(item, "type")) or "unknown"
        if kind == "message":
            return self._content(get(item, "content"))
        if kind == "reasoning":
            thoughts = [*as_list(get(item, "summary")), *as_list(get(item, "content"))]
            return [reasoning(words) for thought in thoughts if (words := string(get(thought, "text")))]
        if kind == "compaction":
            return [{"type": "compaction", "id": string(get(item, "id"))}]
        if kind in CLIENT_CALLS:
            return [_client_call(item, kind)]
        if kind.endswith("_call"):
            return self._server_call(item, kind)
        if kind.endswith("_output"):
            given = next(
                (value for field in ("output", "result", "tools") if (value := get(item, field)) is not None), None
            )
            return [tool_call_response(get(item, "call_id") or get(item, "id"), self.tool_result(given))]
        return [{"type": kind, **{field: value for field in _OTHER_FIELDS if (value := get(item, field)) is not None}}]

    def _content(self, value: Any) -> list[Json]:
        if isinstance(value, str):
            return [text(value)]
        return [self.part(one) for one in as_list(value)]

    def _server_call(self, item: Any, kind: str) -> list[Json]:
        """A tool that OpenAI ran: what was called, and what it gave if the item says so."""
        name = kind.removesuffix("_call")
        identifier = string(get(item, "id"))
        called: dict[str, Json] = {"type": name}
        for field in ("status", "action", "queries", "code", "container_id", "server_label", "name", "arguments"):
            if (value := get(item, field)) is not None:
                called[field] = value
        parts = [{"type": "server_tool_call", "id": identifier, "name": name, "server_tool_call": called}]
        if kind == "image_generation_call" and (data := string(get(item, "result"))) is not None:
            return [*parts, self.blob("image", f"image/{string(get(item, 'output_format')) or 'png'}", data)]
        given = {field: value for field in _SERVER_RESULTS if (value := get(item, field)) is not None}
        if given:
            answer = {"type": name, **self.without_media(given)}
            parts.append({"type": "server_tool_call_response", "id": identifier, "server_tool_call_response": answer})
        return parts


#: Converters by whether they capture media; they have no state besides.
CONVERTERS = {capture_media: ItemConverter(capture_media) for capture_media in (False, True)}


def awaits_result(output: list[Any]) -> bool:
    """Whether ``output`` has a tool call that the application has to answer."""
    answered = {string(get(item, "call_id")) for item in output if str(get(item, "type")).endswith("_output")}
    return any(
        string(get(item, "type")) in CLIENT_CALLS and string(get(item, "call_id")) not in answered for item in output
    )


def partial_item(begun: Any, kind: str, words: str) -> Json:
    """Build the item ``begun`` from the text that events of ``kind`` had brought when the stream broke off."""
    if "reasoning" in kind:
        return {"type": "reasoning", "summary": [{"text": words}]}
    for name, field in _STREAMED_FIELDS:
        if name in kind:
            known = {name: get(begun, name) for name in ("type", "id", "call_id", "name", "server_label")}
            return {**known, "type": known["type"] or "function_call", field: words}
    if "refusal" in kind:
        return {"type": "message", "content": [{"type": "refusal", "refusal": words}]}
    return {"type": "message", "content": [{"type": "output_text", "text": words}]}


def _client_call(item: Any, kind: str) -> Json:
    name = string(get(item, "name")) or kind.removesuffix("_call")
    for field in ("arguments", "input", "action", "actions", "operation"):
        if (value := get(item, field)) is not None:
            return tool_call(get(item, "call_id") or get(item, "id"), name, value)
    return tool_call(get(item, "call_id") or get(item, "id"), name, None)
