"""Cleans names and values at the boundary: before they become attributes of a span, a metric or an event.

Clean means valid UTF-8, without credentials. Exporters lose a whole batch by one lone surrogate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from .encoding import Json, dumps, utf8
from .scrubbing import SHORTEST, without_secrets

_V = TypeVar("_V")
_TEXTS = (str, list, tuple)


def clean_text(text: str) -> str:
    """``text`` as valid UTF-8 without credentials."""
    return without_secrets(text if text.isascii() else utf8(text))


def clean_value(value: _V) -> _V:
    """``value`` of an attribute: a text, or a sequence of texts, is cleaned; anything else stays as it is."""
    if isinstance(value, str):
        return cast("_V", clean_text(value))
    if isinstance(value, list | tuple):
        return cast("_V", type(value)(clean_text(one) if isinstance(one, str) else one for one in value))
    return value


def clean(attributes: dict[str, Any]) -> None:
    """Clean the names and values of ``attributes`` in place. On the path of every call: most have nothing to clean."""
    changed: dict[str, Any] = {}
    for name, value in attributes.items():
        if type(value) is str:
            if len(value) < SHORTEST and value.isascii():
                continue
        elif not isinstance(value, _TEXTS):
            continue
        if (known := clean_value(value)) != value:
            changed[name] = known
    if changed:
        attributes.update(changed)
    if not all(map(str.isascii, attributes)):
        for name in [name for name in attributes if utf8(name) != name]:
            attributes[utf8(name)] = attributes.pop(name)


def cleaned(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of ``attributes`` with clean names and values."""
    copy = dict(attributes)
    clean(copy)
    return copy


def clean_json(value: Json) -> str:
    """``value`` as one line of JSON without credentials."""
    return without_secrets(dumps(value))
