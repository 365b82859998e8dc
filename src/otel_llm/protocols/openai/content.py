"""Messages, parts and tools of Chat Completions as the conventions' JSON."""

from __future__ import annotations

from typing import Any

from ...content.encoding import Json, dumped
from ...content.messages import blob, media, parsed, reasoning, text, tool_call, tool_call_response
from .fields import count, get, items, mapping, string

#: The fields of a message that become parts.
_FIELDS = ("reasoning_content", "reasoning", "content", "refusal", "audio", "tool_calls", "function_call")


class MessageConverter:
    """Converts messages and their parts to the conventions' JSON.

    ``capture_media``: images, audio and files are recorded with their data; otherwise their size and hash are.
    """

    def __init__(self, capture_media: bool = False) -> None:
        self.capture_media = capture_media

    def media(self, modality: str, url: str) -> Json:
        """What a URL, ``data:`` or other, points to."""
        return media(modality, url, self.capture_media)

    def blob(self, modality: str, mime_type: str | None, data: str) -> Json:
        """Base64 ``data``."""
        return blob(modality, mime_type, data, self.capture_media)

    def message(self, message: Any) -> Json:
        """One message of a request."""
        fields = mapping(message)
        role = string(fields.get("role")) or "unknown"
        if role == "tool":
            parts = [tool_call_response(fields.get("tool_call_id"), self.tool_result(fields.get("content")))]
        elif role == "function":
            parts = [tool_call_response(None, fields.get("content"))]
        else:
            parts = self.parts(fields)
        made: Json = {"role": role, "parts": parts}
        if (name := string(fields.get("name"))) is not None:
            made["name"] = name
        return made

    def tool_result(self, value: Any) -> Json:
        """A tool's result: several text parts are joined, media is described like that of any message."""
        texts = [get(one, "text") for one in items(value)]
        if texts and all(isinstance(one, str) for one in texts):
            return "".join(texts)
        if isinstance(value, list):
            return [self._known_part(one) or self.without_media(one) for one in value]
        return self._known_part(value) or self.without_media(value)

    def without_media(self, value: Any) -> Json:
        """``value``, of whatever shape, with the media that its ``data:`` URLs hold described."""
        if self.capture_media:
            return value
        if isinstance(value, str):
            kind = value[5:].partition("/")[0]
            return self.media(kind, value) if value.startswith("data:") and ";base64," in value[:200] else value
        if isinstance(value, list):
            return [self.without_media(one) for one in value]
        if hasattr(value, "model_dump"):
            value = dumped(value)
        if isinstance(value, dict):
            return {name: self.without_media(one) for name, one in value.items()}
        return value

    def choice(self, choice: Any) -> Json:
        """One choice of an answer as an output message."""
        fields = mapping(choice)
        message = mapping(fields.get("message"))
        return {
            "role": string(message.get("role")) or "assistant",
            "parts": self.parts(message),
            "finish_reason": string(fields.get("finish_reason")),
        }

    def parts(self, message: Any) -> list[Json]:
        parts: list[Json] = []
        fields = mapping(message)
        # DeepSeek, vLLM and OpenRouter answer with their reasoning in one of these.
        thought, thought_too, value, refusal, audio, calls, function = map(fields.get, _FIELDS)
        if thought := string(thought) or string(thought_too):
            parts.append(reasoning(thought))
        if isinstance(value, str):
            parts.append(text(value))
        elif isinstance(value, list):
            parts.extend([self.part(one) for one in value])
        if refusal := string(refusal):
            parts.append({"type": "refusal", "content": refusal})
        if audio is not None:
            parts.append(self._audio(audio))
        if isinstance(calls, list):
            parts.extend([_tool_call(call) for call in calls])
        if function is not None:
            parts.append(tool_call(None, get(function, "name"), get(function, "arguments")))
        return parts

    def part(self, value: Any) -> Json:
        """One part of a message's content, of either API."""
        if (known := self._known_part(value)) is not None:
            return known
        if isinstance(value, dict) and isinstance(value.get("type"), str):
            return self.without_media(value)
        return {"type": string(get(value, "type")) or "unknown"}

    def _known_part(self, value: Any) -> Json | None:
        kind = get(value, "type")
        if kind in ("text", "input_text", "output_text"):
            return text(get(value, "text"))
        if kind == "refusal":
            return {"type": "refusal", "content": get(value, "refusal")}
        # vLLM and others take video and audio the way images are given.
        if (
            kind in ("image_url", "video_url", "audio_url")
            and (url := string(get(get(value, kind), "url"))) is not None
        ):
            return self.media(kind.removesuffix("_url"), url)
        if kind in ("input_image", "computer_screenshot"):
            if (url := string(get(value, "image_url"))) is not None:
                return self.media("image", url)
            return {"type": "file", "modality": "image", "file_id": string(get(value, "file_id")) or ""}
        if kind == "input_audio" and (data := string(get(get(value, kind), "data"))) is not None:
            return self.blob("audio", f"audio/{get(get(value, kind), 'format')}", data)
        if kind in ("file", "input_file"):
            return self._file(get(value, "file") or value)
        return None

    def _file(self, value: Any) -> Json:
        """A file by its id, its URL or its data."""
        if (data := string(get(value, "file_data"))) is not None:
            data = data if data.startswith("data:") else f"data:;base64,{data}"
            return {**self.media("document", data), "name": get(value, "filename")}
        if (url := string(get(value, "file_url"))) is not None:
            return self.media("document", url)
        return {"type": "file", "modality": "document", "file_id": string(get(value, "file_id")) or ""}

    def _audio(self, audio: Any) -> Json:
        """Audio of an answer; in a request it is a reference to an earlier answer's."""
        if (data := string(get(audio, "data"))) is None:
            return {"type": "file", "modality": "audio", "file_id": string(get(audio, "id")) or ""}
        return {**self.blob("audio", None, data), "transcript": get(audio, "transcript")}


def _tool_call(call: Any) -> Json:
    if (custom := get(call, "custom")) is not None:
        return tool_call(get(call, "id"), get(custom, "name"), get(custom, "input"))
    function = get(call, "function")
    return tool_call(get(call, "id"), get(function, "name"), get(function, "arguments"))


def tools(definitions: list[Any]) -> list[Json] | None:
    """Tool definitions, flat: Chat Completions nests a tool's fields in ``function`` or ``custom``."""
    result = []
    for definition in definitions:
        kind = string(get(definition, "type")) or "function"
        inner = get(definition, kind)
        fields = definition if inner is None else inner
        flat: dict[str, Json] = {
            "type": kind,
            "name": string(get(fields, "name")) or string(get(fields, "server_label")) or kind,
        }
        for field in ("description", "parameters"):
            if (value := get(fields, field)) is not None:
                flat[field] = value
        result.append(flat)
    return result or None


class ChoicePieces:
    """The pieces of one streamed choice: text, reasoning, refusal, audio, and tool calls by their index."""

    def __init__(self) -> None:
        self._role: str | None = None
        self._texts: dict[str, list[str]] = {}
        self._calls: list[dict[str, Any]] = []

    def add(self, choice: Any) -> None:
        fields = mapping(choice)
        if (piece := string(fields.get("text"))) is not None:  # a legacy completion's
            self._texts.setdefault("content", []).append(piece)
        delta = mapping(fields.get("delta"))
        self._role = self._role or string(delta.get("role"))
        for name in ("content", "reasoning_content", "reasoning", "refusal"):
            if piece := string(delta.get(name)):
                self._texts.setdefault(name, []).append(piece)
        if (audio := delta.get("audio")) is not None:
            for name in ("data", "transcript"):
                if piece := string(get(audio, name)):
                    self._texts.setdefault(name, []).append(piece)
        for call in items(delta.get("tool_calls")):
            self._add_call(count(get(call, "index")), call)
        if (function := delta.get("function_call")) is not None:
            self._add_call(-1, {"function": function})

    def _add_call(self, index: int | None, call: Any) -> None:
        function = get(call, "function")
        source = get(call, "custom") if function is None else function
        identifier, name = string(get(call, "id")), string(get(source, "name"))
        if index is None:  # some servers number no calls
            index = len(self._calls) if name or not self._calls else self._calls[-1]["index"]
        known = next((one for one in reversed(self._calls) if one["index"] == index), None)
        if known is None or _begins_another(known, identifier, name):
            known = {"index": index, "id": None, "name": None, "arguments": []}
            self._calls.append(known)
        known["id"] = known["id"] or identifier
        known["name"] = known["name"] or name
        piece = string(get(source, "arguments")) or string(get(source, "input"))
        if piece:
            known["arguments"].append(piece)

    def message(self, reason: str | None, converter: MessageConverter) -> Json:
        """What the pieces add up to."""
        joined: dict[str, Any] = {name: "".join(pieces) for name, pieces in self._texts.items()}
        if "data" in joined or "transcript" in joined:
            joined["audio"] = {"data": joined.pop("data", ""), "transcript": joined.pop("transcript", None)}
        joined["tool_calls"] = [
            {"id": call["id"], "function": {"name": call["name"], "arguments": "".join(call["arguments"])}}
            for call in sorted(self._calls, key=lambda call: call["index"])
        ]
        return {
            "role": self._role or "assistant",
            "parts": converter.parts(joined),
            "finish_reason": reason,
        }


def _begins_another(known: dict[str, Any], identifier: str | None, name: str | None) -> bool:
    """Whether a piece begins a call of its own, though it has the index of the call ``known``.

    Some servers give all calls one index, some of those no ids. A server may also repeat the name in each piece.
    """
    if not name or not known["name"]:
        return False
    if identifier and known["id"]:
        return bool(identifier != known["id"])
    if name != known["name"]:
        return True
    # The same tool again: another call if the arguments of the first are complete.
    return isinstance(parsed("".join(known["arguments"])), dict)
