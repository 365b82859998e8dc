"""Cleans names and values at the boundary: before they become attributes of a span, a metric or an event.

Clean means valid UTF-8, without credentials. Exporters lose a whole batch by one lone surrogate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, cast

from .encoding import Json, dumps, utf8
from .scrubbing import without_secrets

_V = TypeVar("_V")
_TEXTS = (str, list, tuple)


_NUMBERS = frozenset({int, float, bool})


class _CleanTexts:
    """Short texts that are known to be clean, at most ``MOST``. Names of models and servers come with every call."""

    MOST = 4096
    LONGEST = 64

    def __init__(self) -> None:
        self.known: set[str] = set()
        #: Names of attributes, which need to be valid UTF-8 only.
        self.names: set[str] = set()

    def add(self, text: str) -> None:
        if len(text) <= self.LONGEST and type(text) is str:
            if len(self.known) >= self.MOST:
                self.known.clear()
            self.known.add(text)

    def add_names(self, names: Iterable[str]) -> None:
        if len(self.names) >= self.MOST:
            self.names.clear()
        self.names.update(name for name in names if len(name) <= self.LONGEST and type(name) is str)


_clean = _CleanTexts()


def clean_text(text: str) -> str:
    """``text`` as valid UTF-8 without credentials."""
    # Only of a plain string it is certain that a look-up calls no code of the application's.
    if type(text) is str and text in _clean.known:
        return text
    cleaned = without_secrets(text if text.isascii() else utf8(text))
    if cleaned == text:
        _clean.add(text)
    return cleaned


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
    known_clean = _clean.known
    for name, value in attributes.items():
        kind = type(value)
        if kind is str:
            if value in known_clean:
                continue
        elif kind in _NUMBERS:
            continue
        elif kind is list or kind is tuple:
            for one in value:
                if type(one) is not str or one not in known_clean:
                    break
            else:
                continue
        elif not isinstance(value, _TEXTS):
            continue
        if (known := clean_value(value)) != value:
            changed[name] = known
    if changed:
        attributes.update(changed)
    if not _clean.names.issuperset(attributes):
        for name in [name for name in attributes if utf8(name) != name]:
            attributes[utf8(name)] = attributes.pop(name)
        _clean.add_names(attributes)


def cleaned(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of ``attributes`` with clean names and values."""
    copy = dict(attributes)
    clean(copy)
    return copy


def clean_json(value: Json) -> str:
    """``value`` as one line of JSON without credentials."""
    return without_secrets(dumps(value))
