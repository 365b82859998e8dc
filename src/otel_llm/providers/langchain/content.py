"""Converts LangChain's messages, tool calls and documents to the JSON of the conventions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...content.encoding import Json
from ...content.messages import blob, media, parsed, reasoning, text, tool_call, tool_call_response
from ...core.finish_reasons import normalized
from .reasons import reasons

_ROLES = {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant", "HumanMessageChunk": "user"}
MEDIA = ("image", "audio", "video", "file")


def messages(values: Iterable[Any], capture_media: bool) -> list[Json]:
    return [message(value, capture_media) for value in values]


def message(value: Any, capture_media: bool) -> Json:
    """A message object, or another value that LangChain accepts as a message: a text, a pair, a dict."""
    if isinstance(value, str):
        return {"role": "user", "parts": [text(value)]}
    if isinstance(value, tuple | list) and len(value) == 2:
        value = {"role": value[0], "content": value[1]}
    if isinstance(value, Mapping):
        given = str(value.get("role") or value.get("type") or "unknown")
        return {"role": _ROLES.get(given, given), "parts": _parts(value.get("content"), capture_media)}
    kind = str(getattr(value, "type", "unknown"))
    role = getattr(value, "role", None) if kind == "chat" else None
    if kind == "tool":
        answered = _plain_content(getattr(value, "content", None))
        parts = [tool_call_response(getattr(value, "tool_call_id", None), answered)]
    else:
        parts = _parts(getattr(value, "content", None), capture_media)
        # Some providers' adapters keep the reasoning, or a refusal, beside the content.
        beside = getattr(value, "additional_kwargs", None) or {}
        if isinstance(thought := beside.get("reasoning_content"), str) and thought:
            parts.insert(0, reasoning(thought))
        if isinstance(refused := beside.get("refusal"), str) and refused:
            parts.append({"type": "refusal", "content": refused})
        known = {part.get("id") for part in parts if part["type"] == "tool_call"}
        parts += [
            tool_call(call.get("id"), call.get("name"), call.get("args"))
            for call in getattr(value, "tool_calls", None) or ()
            if call.get("id") not in known
        ]
        parts += [
            tool_call(call.get("id"), call.get("name"), call.get("args"))
            for call in getattr(value, "invalid_tool_calls", None) or ()
        ]
    made: Json = {"role": role or _ROLES.get(kind, kind), "parts": parts}
    if isinstance(name := getattr(value, "name", None), str):
        made["name"] = name
    return made


def _plain_content(content: Any) -> Json:
    """The answer of a tool: text blocks are joined, JSON text is parsed."""
    if isinstance(content, list) and all(isinstance(one, dict) and one.get("type") == "text" for one in content):
        content = "".join(str(one.get("text")) for one in content)
    return parsed(content)


def _parts(content: Any, capture_media: bool) -> list[Json]:
    if isinstance(content, str):
        return [text(content)] if content else []
    return [part(block, capture_media) for block in content] if isinstance(content, list) else []


def part(block: Any, capture_media: bool) -> Json:
    if isinstance(block, str):
        return text(block)
    if not isinstance(block, dict):
        return {"type": "unknown"}
    kind = str(block.get("type") or "unknown")
    if kind in ("text", "input_text", "output_text"):
        return text(block.get("text"))
    if kind in ("reasoning", "thinking"):
        return reasoning(str(block.get("reasoning") or block.get("thinking") or ""))
    if kind in ("tool_call", "tool_use", "function_call"):
        arguments = next((block[key] for key in ("args", "input", "arguments") if key in block), None)
        return tool_call(block.get("call_id") or block.get("id"), block.get("name"), arguments)
    if kind == "refusal":
        return {"type": "refusal", "content": str(block.get("refusal") or "")}
    if kind in ("image_url", "audio_url", "video_url"):
        inner = block.get(kind)
        url = inner.get("url") if isinstance(inner, dict) else inner
        return media(kind.removesuffix("_url"), str(url), capture_media)
    if kind in MEDIA:
        return _media(kind, block, capture_media)
    return {"type": kind} if not capture_media else block


def _media(kind: str, block: dict[str, Any], capture_media: bool) -> Json:
    """An image, audio, video or file block in either of LangChain's formats, or in Anthropic's."""
    modality = "document" if kind == "file" else kind
    nested = block.get("source")
    source: dict[str, Any] = nested if isinstance(nested, dict) else block
    mime = source.get("mime_type") or source.get("media_type")
    if isinstance(url := source.get("url"), str):
        return media(modality, url, capture_media)
    if isinstance(data := source.get("base64") or source.get("data"), str):
        return blob(modality, mime if isinstance(mime, str) else None, data, capture_media)
    return {"type": "file", "modality": modality, "file_id": str(source.get("file_id") or source.get("id") or "")}


def state(value: Any, capture_media: bool) -> list[Json]:
    """The input or output of a chain or graph: its messages, or the whole value as one message."""
    if isinstance(value, Mapping) and isinstance(found := value.get("messages"), list | tuple):
        return messages(found, capture_media)
    if isinstance(value, list) and value and all(hasattr(one, "content") for one in value):
        return messages(value, capture_media)
    if hasattr(value, "content") and hasattr(value, "type"):
        return [message(value, capture_media)]
    # The input of a stream is not known at the start.
    nothing = value is None or (isinstance(value, Mapping) and value == {"input": ""})
    return [] if nothing else [{"role": "user", "parts": [text(value)]}]


def answer(value: Any, capture_media: bool) -> list[Json]:
    """:func:`state` of what came out: the last message, with the reason that the model gave for its end."""
    said = state(value, capture_media)[-1:]
    reason = reasons(_last(value))[0]
    ended = "stop" if reason is None else normalized(reason)  # the chain itself has ended normally
    return [
        {**one, "role": "assistant" if one["role"] == "user" else one["role"], "finish_reason": ended} for one in said
    ]


def _last(value: Any) -> Any:
    found = value.get("messages") if isinstance(value, Mapping) else value
    return found[-1] if isinstance(found, list | tuple) and found else found


def arguments(value: Any) -> Json:
    """The arguments or the result of a tool, as a JSON object."""
    found = parsed(value)
    return found if isinstance(found, dict) else {"value": found}


def tool_result(value: Any) -> Json:
    return arguments(_plain_content(value.content) if hasattr(value, "content") else value)


def documents(values: Iterable[Any]) -> list[Json]:
    found = []
    for document in values:
        about = getattr(document, "metadata", None) or {}
        one: dict[str, Json] = {"content": getattr(document, "page_content", None)}
        if (identifier := getattr(document, "id", None) or about.get("id")) is not None:
            one["id"] = str(identifier)
        for key in ("score", "relevance_score", "_score"):
            if isinstance(score := about.get(key), int | float) and not isinstance(score, bool):
                one["score"] = float(score)
                break
        if about:
            one["metadata"] = about
        found.append(one)
    return found


def tools(definitions: Any) -> list[Json] | None:
    """The tool definitions bound to a model, in OpenAI's nested form or Anthropic's flat form."""
    result = []
    for definition in definitions if isinstance(definitions, list) else ():
        if not isinstance(definition, dict):
            continue
        kind = definition.get("type") if isinstance(definition.get("type"), str) else "function"
        inner = definition.get(kind)
        fields = inner if isinstance(inner, dict) else definition
        flat: dict[str, Json] = {"type": kind, "name": str(fields.get("name") or kind)}
        if (description := fields.get("description")) is not None:
            flat["description"] = description
        if (schema := fields.get("parameters") or fields.get("input_schema")) is not None:
            flat["parameters"] = schema
        result.append(flat)
    return result or None
