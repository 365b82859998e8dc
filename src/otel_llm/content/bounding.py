"""Encodes content as JSON of a limited size, as the content policy has it, and marks what it cuts."""

from __future__ import annotations

import json
from collections.abc import Callable

from . import boundary
from .encoding import Json, dumps

#: Strings shorter than this are never cut (types, roles, ids, names): whole messages are left out first.
_SHORTEST_CUT = 64


def encode(
    items: list[Json] | dict[str, Json] | str,
    max_bytes: int,
    attribute: str = "",
    whole: Callable[[str], object] = lambda encoded: None,
) -> tuple[str | None, bool]:
    """``items`` as JSON, or the text it is, of at most ``max_bytes`` bytes, and whether anything was cut.

    The policy is applied first, as to what becomes ``attribute``. ``None``: it dropped all. ``whole`` gets the text
    before anything is cut.
    """
    if isinstance(items, str):
        text = boundary.clean_text(items, attribute)
        whole(text)
        shortened = _shorten(text, max_bytes)
        return shortened, shortened != text
    try:
        encoded = boundary.clean_json(items, attribute)
        if encoded is None:
            return None, False
        whole(encoded)
        return _within(encoded, items, max_bytes)
    except RecursionError:
        return _left_out(items), True


def _within(encoded: str, items: list[Json] | dict[str, Json], max_bytes: int) -> tuple[str, bool]:
    """``encoded``, the JSON of ``items``, within ``max_bytes``."""
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
