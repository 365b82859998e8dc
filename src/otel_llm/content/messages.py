"""Messages and their parts in the shapes of the conventions' schemas (``gen-ai-input-messages.json`` and others)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass

from .. import semconv as s
from .encoding import Json, dumps

#: The SDK keeps 128 attributes a span, the newest ones.
_MAX_VARIABLES = 32


@dataclass(slots=True)
class Content:
    """The input of a call. ``variables`` are those of a prompt template that the provider keeps, ``None`` if there is
    no such template. Of the others, ``None`` says that there are none."""

    messages: list[Json] | None = None
    instructions: list[Json] | None = None
    tools: list[Json] | None = None
    variables: Mapping[str, Json] | None = None

    def by_attribute(self) -> dict[str, Json]:
        named: dict[str, Json] = {
            s.INPUT_MESSAGES: self.messages,
            s.SYSTEM_INSTRUCTIONS: self.instructions,
            s.TOOL_DEFINITIONS: self.tools,
        }
        return {name: value for name, value in named.items() if value} | variables(self.variables or {})


def variables(values: Mapping[str, Json]) -> dict[str, str]:
    """Variables of a prompt template by attribute, as text; so many as a span surely has room for."""
    return {
        s.PROMPT_VARIABLE_PREFIX + name: value if isinstance(value, str) else dumps(value)
        for name, value in itertools.islice(values.items(), _MAX_VARIABLES)
    }


def text(content: Json) -> Json:
    return {"type": "text", "content": content if isinstance(content, str) else dumps(content)}


def reasoning(content: str) -> Json:
    return {"type": "reasoning", "content": content}


def tool_call(call_id: Json, name: Json, arguments: Json) -> Json:
    """``arguments`` as an object where they are the JSON text of one."""
    return {"type": "tool_call", "id": _string(call_id), "name": _string(name) or "", "arguments": parsed(arguments)}


def tool_call_response(call_id: Json, response: Json) -> Json:
    return {"type": "tool_call_response", "id": _string(call_id), "response": response}


def media(modality: str, url: str, capture_media: bool) -> Json:
    """A ``data:`` URL as a blob, any other as a reference."""
    if not url.startswith("data:"):
        return {"type": "uri", "modality": modality, "uri": url}
    header, _, data = url[5:].partition(",")
    return blob(modality, header.partition(";")[0] or None, data, capture_media)


def blob(modality: str, mime_type: str | None, data: str, capture_media: bool) -> Json:
    """Base64 ``data``: carried if ``capture_media``, else described by its size in bytes and SHA-256."""
    part: dict[str, Json] = {"type": "blob", "modality": modality, "mime_type": mime_type}
    if capture_media:
        return {**part, "content": data}
    try:
        raw = base64.b64decode(data)
    except (ValueError, binascii.Error):
        return {**part, "content": "", "byte_size": len(data)}
    return {**part, "content": "", "byte_size": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}


def _string(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def parsed(value: Json) -> Json:
    """JSON text as what it says; anything else, and text that is no JSON, as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
