"""Encodes any value as JSON that every exporter can write.

The result is valid JSON and valid UTF-8, whatever the value holds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

Json = Any

#: Modules whose objects are encoded as their text: exact numbers, ids, paths, durations. Few programs import them all.
_AS_TEXT = frozenset({"datetime", "decimal", "fractions", "pathlib", "uuid"})
#: The deepest nesting of content on an event. Protocol buffers use two messages a level and are read to a depth of 100.
_MAX_DEPTH = 32


def plain(value: Any) -> Json:
    """``value`` in the types of JSON, one level deep.

    Models and dataclasses become objects, sets lists, enumerations' members their values, times ISO 8601, ids and exact
    numbers text. Bytes are told by their size, and what can't be read by its type.
    """
    try:
        return _read(value)
    except Exception:
        # Somebody else's object that can't be read; the rest of the content still can.
        return f"[{type(value).__qualname__}]"


def _read(value: Any) -> Json:
    if isinstance(value, Enum):
        return value.value if _is_plain(value.value) else plain(value.value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool | int | float):
        return float.__float__(value) if isinstance(value, float) else int(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if callable(iso := getattr(value, "isoformat", None)):
        return iso()
    if any(base.__module__.partition(".")[0] in _AS_TEXT for base in type(value).__mro__):
        return str(value)
    if hasattr(value, "model_dump"):
        return dumped(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if getattr(value, "shape", None) == () and _is_plain(item := getattr(value, "item")()):  # noqa: B009
        return item  # a scalar of numpy's, or an array of one
    return f"[{type(value).__qualname__}]"


def _is_plain(value: object) -> bool:
    return type(value) in (str, bool, int, float)


def dumped(model: Any, by_alias: bool = False) -> Json:
    """The fields of an SDK's ``model``, by the names the API has for them if ``by_alias``."""
    try:
        # A model that a malformed answer was put into would warn that it is one.
        return model.model_dump(mode="json", exclude_none=True, by_alias=by_alias, warnings=False)
    except ValueError:  # the SDKs' stand-in for it over pydantic 1 does not take `warnings`
        return model.model_dump(mode="json", exclude_none=True, by_alias=by_alias)


_encode = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=plain, skipkeys=True
).encode


def dumps(value: Json) -> str:
    """Compact JSON that is valid, also as UTF-8, whatever ``value`` holds."""
    try:
        encoded = _encode(value)
    except ValueError:
        encoded = _encode(_writable(value, ()))
    return utf8(encoded)


def _writable(value: Any, around: tuple[int, ...]) -> Json:
    """``value`` without what JSON lacks: NaN and infinities become their names, a container inside itself its type."""
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
    return _writable(plain(value), around)


def utf8(value: str) -> str:
    """``value`` without lone surrogates: one of them would make an exporter lose its whole batch."""
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace").decode()
    return value


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
