"""Content as the conventions' JSON: bounded in bytes, without credentials, always valid, marked where it was cut.

The shapes are those of the conventions' schemas (``gen-ai-input-messages.json`` and its neighbours).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import itertools
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from .. import semconv as s

Json = Any

#: Strings shorter than this are never cut (types, roles, ids, names): whole messages go first.
_SHORTEST_CUT = 64
#: The SDK keeps 128 attributes a span, the newest ones.
_MAX_VARIABLES = 32
#: Nesting of content on an event. Protocol buffers, two messages a level, are read to a depth of 100.
_MAX_DEPTH = 32
#: Credentials, by how they begin. Providers echo them, prompts may hold them; no setting lets them out.
_SECRETS = tuple(
    # The beginning comes first, which is what makes a search fast; then, that it is one: the start of a word, also
    # behind the escape of a line break in JSON.
    (start, re.compile(rf"{start}(?:(?<=\b{start})|(?<=\\[nrt]{start})){rest}"))
    for start, rest in (
        ("sk-", r"[\w*-]{12,}"),
        ("rk-", r"[\w*-]{12,}"),
        ("pk-", r"[\w*-]{12,}"),
        ("Bearer ", r"[\w.~+/=-]{8,}"),
        ("AKIA", r"[A-Z0-9]{16}\b"),
        ("ASIA", r"[A-Z0-9]{16}\b"),
        ("eyJ", r"[\w-]{10,}\.[\w.-]{10,}"),
        ("API key provided: ", r"[^\s\"',\\]+"),
    )
)


@dataclass(slots=True)
class Content:
    """What went into a call: messages, instructions given beside them, tools, and the variables of the prompt template
    they came of, with its text unless the provider has it. ``None``: there were none."""

    messages: list[Json] | None = None
    instructions: list[Json] | None = None
    tools: list[Json] | None = None
    variables: Mapping[str, Json] | None = None
    template: str | None = None

    def by_attribute(self) -> dict[str, Json]:
        named: dict[str, Json] = {
            s.INPUT_MESSAGES: self.messages,
            s.SYSTEM_INSTRUCTIONS: self.instructions,
            s.TOOL_DEFINITIONS: self.tools,
            s.LLM_PROMPT_TEMPLATE: self.template,
        }
        return {name: value for name, value in named.items() if value} | variables(self.variables or {})


def variables(values: Mapping[str, Json]) -> dict[str, str]:
    """Variables of a prompt template by attribute, as text; so many as a span surely has room for."""
    return {
        s.PROMPT_VARIABLE_PREFIX + name: value if isinstance(value, str) else dumps(value)
        for name, value in itertools.islice(values.items(), _MAX_VARIABLES)
    }


# --- parts -----------------------------------------------------------------------------------


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


# --- encoding ------------------------------------------------------------------------------------


def _plain(value: Any) -> Json:
    """What ``json`` can't encode: models and dataclasses by their fields, bytes by their size, the rest by its type."""
    if isinstance(value, bytes | bytearray):
        return f"[{len(value)} bytes]"
    try:
        if hasattr(value, "model_dump"):
            return dumped(value)
        if isinstance(value, Mapping):
            return dict(value)
        if isinstance(value, set | frozenset):
            return list(value)
        if is_dataclass(value):
            return {field.name: getattr(value, field.name) for field in fields(value)}
    except Exception:
        # Somebody else's object that can't be read; the rest of the content still can.
        return f"[{type(value).__qualname__}]"
    return f"[{type(value).__qualname__}]"


def dumped(model: Any, by_alias: bool = False) -> Json:
    """The fields of an SDK's ``model``, by the names the API has for them if ``by_alias``."""
    try:
        # A model that a malformed answer was put into would warn that it is one.
        return model.model_dump(mode="json", exclude_none=True, by_alias=by_alias, warnings=False)
    except ValueError:  # the SDKs' stand-in for it over pydantic 1 does not take `warnings`
        return model.model_dump(mode="json", exclude_none=True, by_alias=by_alias)


_encode = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain, skipkeys=True
).encode


def dumps(value: Json) -> str:
    """Compact JSON that is valid, also as UTF-8, whatever ``value`` holds."""
    try:
        encoded = _encode(value)
    except ValueError:
        encoded = _encode(_writable(value, ()))
    return utf8(encoded)


def _writable(value: Any, around: tuple[int, ...]) -> Json:
    """``value`` without what JSON can't say: numbers that are none are told by name, what holds itself by its type."""
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)
    if value is None or isinstance(value, str | int | float):
        return value
    if id(value) in around:
        return f"[{type(value).__qualname__}]"
    around = (*around, id(value))
    if isinstance(value, dict):
        return {_writable(key, ()) if isinstance(key, float) else key: _writable(value[key], around) for key in value}
    if isinstance(value, list | tuple):
        return [_writable(one, around) for one in value]
    return _writable(_plain(value), around)


def utf8(value: str) -> str:
    """``value`` without lone surrogates: one of them would make an exporter lose its whole batch."""
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace").decode()
    return value


def without_secrets(text: str) -> str:
    """``text``, which may be JSON, without credentials."""
    for start, secret in _SECRETS:
        if start in text:
            text = secret.sub("[secret]", text)
    return text


def encode(items: list[Json] | dict[str, Json] | str, max_bytes: int) -> tuple[str, bool]:
    """``items`` as JSON, or the text it is, of at most ``max_bytes`` bytes, and whether anything was cut."""
    if isinstance(items, str):
        text = without_secrets(utf8(items))
        shortened = _shorten(text, max_bytes)
        return shortened, shortened != text
    try:
        return _encode_within(items, max_bytes)
    except RecursionError:
        return _left_out(items), True


def structure(encoded: str) -> Json:
    """What ``encoded`` says. What lies deeper than exporters, which work recursively, can follow stays JSON text."""
    return _shallow(json.loads(encoded), _MAX_DEPTH)


def _shallow(value: Json, depth: int) -> Json:
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        return dumps(value)
    if isinstance(value, dict):
        return {key: _shallow(child, depth - 1) for key, child in value.items()}
    return [_shallow(child, depth - 1) for child in value]


def _encode_within(items: list[Json] | dict[str, Json], max_bytes: int) -> tuple[str, bool]:
    encoded = without_secrets(dumps(items))
    if len(encoded) <= max_bytes and (encoded.isascii() or len(encoded.encode()) <= max_bytes):
        return encoded, False
    # A private copy in plain types, so that cutting touches nothing of the caller's.
    copy = json.loads(encoded)
    room = max_bytes
    while room >= _SHORTEST_CUT and (limit := _string_limit(copy, len(encoded.encode()) - room)) >= _SHORTEST_CUT:
        shortened = _shorten(copy, limit)
        result = dumps(shortened)
        if len(result.encode()) <= max_bytes:
            return result, True
        room = room * 3 // 4  # escapes and marks took more than was reckoned
    return _drop_items(_shorten(copy, _SHORTEST_CUT), max_bytes)


def _string_limit(value: Json, excess: int) -> int:
    """The length in bytes to which the longest strings must come down to save ``excess`` bytes."""
    lengths = sorted(_string_lengths(value), reverse=True)
    total = 0
    for position, length in enumerate(lengths, 1):
        total += length
        following = lengths[position] if position < len(lengths) else 0
        # Cutting the first `position` strings to `following` bytes each would save enough.
        if total - position * following >= excess or not following:
            return (total - excess) // position
        if length < _SHORTEST_CUT:
            break
    return 0


def _string_lengths(value: Json) -> list[int]:
    if isinstance(value, str):
        return [len(value.encode())]
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [length for child in children for length in _string_lengths(child)]


def _shorten(value: Json, limit: int) -> Json:
    if isinstance(value, str):
        raw = value.encode()
        if len(raw) <= limit:
            return value
        mark = f"…[truncated {len(raw)} bytes]"
        return raw[: max(limit - len(mark.encode()), 0)].decode(errors="ignore") + mark
    if isinstance(value, list):
        return [_shorten(item, limit) for item in value]
    if isinstance(value, dict):
        if value.get("type") == "blob" and len(str(value.get("content"))) > limit:
            return {**value, "content": "", "truncated": True}  # half a picture is none
        return {key: _shorten(item, limit) for key, item in value.items()}
    return value


def _drop_items(items: list[Json], max_bytes: int) -> tuple[str, bool]:
    """Leave out items from the middle: the first ones (instructions) and the last ones (the question) tell most."""
    kept = len(items) if isinstance(items, list) else 0
    while kept > 1:
        kept = kept * 3 // 4
        head, tail = kept // 2, kept - kept // 2
        shortened = [*items[:head], _gap(len(items) - kept), *items[len(items) - tail :]]
        encoded = dumps(shortened)
        if len(encoded.encode()) <= max_bytes:
            return encoded, True
    # One item alone is too large, by the number of its parts or the keys of its arguments.
    last = items[-1] if isinstance(items, list) else None
    if isinstance(last, dict) and isinstance(parts := last.get("parts"), list) and len(parts) > 1:
        rest = [_gap(len(items) - 1)] if len(items) > 1 else []
        taken = len(dumps([*rest, {**last, "parts": []}]).encode())
        fewer, _ = _drop_items(parts, max_bytes - taken)
        encoded = dumps([*rest, {**last, "parts": json.loads(fewer)}])
        if len(encoded.encode()) <= max_bytes:
            return encoded, True
    return _left_out(items), True


def _gap(count: int) -> Json:
    """What stands for ``count`` items; valid as a message, as a part and as a tool definition."""
    mark = f"[{count} left out]"
    return {
        "type": "truncated",
        "name": mark,
        "content": mark,
        "role": "truncated",
        "parts": [{"type": "truncated"}],
        "finish_reason": "truncated",
    }


def _left_out(items: list[Json] | dict[str, Json]) -> str:
    mark = f"[{len(items)} left out]"
    if isinstance(items, dict):
        return dumps({"truncated": mark})
    only = [{"type": "truncated", "name": mark, "role": "truncated", "parts": [], "finish_reason": "truncated"}]
    return dumps(only)
