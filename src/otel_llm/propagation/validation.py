"""What the application gives in its own words (ids, tags, metadata), checked, bounded, and as attributes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .. import semconv as s

Value = str | bool | int | float

#: Longer ids, tags, names and values are cut.
MAX_LENGTH = 256
#: More tags, and more entries of metadata, are left out: a span has room for 128 attributes.
MAX_ENTRIES = 32


def identifier(what: str, value: object) -> str | None:
    """``value`` as an id; ``None`` and the empty string are none."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a string, not {type(value).__name__}")
    return _cut(value)


def _cut(value: str) -> str:
    text: Any = exportable(value)
    return text[:MAX_LENGTH]  # type: ignore[no-any-return]


def exportable(value: Value) -> Value:
    """``value`` as exporters take it: text without lone surrogates, whole numbers of 64 bits, longer ones as text. All
    else they would lose, with an error for each span it is on."""
    if isinstance(value, str):
        if value.isascii():
            return value
        from ..content.encoding import utf8  # when it is used: this module is loaded at the start of every program

        return utf8(value)
    return value if isinstance(value, float) or -(2**63) <= value < 2**63 else str(value)


def tag_list(tags: Iterable[str] | None) -> tuple[str, ...]:
    """``tags`` without repetition.

    :raises TypeError: for a single string, whose letters would each be a tag, and for tags that are no strings.
    """
    if tags is None:
        return ()
    if isinstance(tags, str):
        raise TypeError(f"tags must be a list of strings, not one string: tags=[{tags!r}]")
    if not isinstance(tags, Iterable):
        raise TypeError(f"tags must be a list of strings, not {type(tags).__name__}")
    return union((), tuple(identifier("a tag", tag) or "" for tag in tags))


def union(tags: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(tag for tag in dict.fromkeys((*tags, *more)) if tag)[:MAX_ENTRIES]


def metadata_of(metadata: Mapping[str, Value] | None) -> dict[str, Value]:
    """``metadata`` with plain values, less those that are ``None``.

    :raises TypeError: for anything but a mapping of strings to strings, numbers and booleans.
    """
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise TypeError(f"metadata must be a mapping, not {type(metadata).__name__}")
    plain: dict[str, Value] = {}
    for key, value in metadata.items():
        name = identifier("a key of metadata", key)
        if name is None or value is None:
            continue
        if isinstance(value, str):
            plain[name] = _cut(value)
        elif isinstance(value, bool | int | float):
            plain[name] = exportable(value)
        else:
            kind = type(value).__name__
            raise TypeError(f"metadata[{key!r}] must be a string, a number or a boolean, not {kind}")
    return merged({}, plain)


def merged(metadata: Mapping[str, Value], more: Mapping[str, Value]) -> dict[str, Value]:
    return dict(list({**metadata, **more}.items())[:MAX_ENTRIES])


_DESCRIBING = {
    "prompt": "a Prompt of otel_llm or a text that one made",
    "experiment": "what .assignment(key) of an Experiment of otel_llm gives",
}


def describing(what: str, value: Any) -> Any:
    """``value``, if it has attributes to give.

    :raises TypeError: if it has not.
    """
    if value is not None:
        other = what == "experiment" and hasattr(value, "template")  # a prompt that it has assigned
        if other or isinstance(value, type) or not callable(getattr(value, "attributes", None)):
            raise TypeError(f"{what} must be {_DESCRIBING[what]}, not {type(value).__name__}")
    return getattr(value, "use", value)  # of a text that a prompt made: it knows the words, too


def described(tags: tuple[str, ...], metadata: Mapping[str, Value]) -> dict[str, Any]:
    """Tags and metadata as attributes."""
    attributes: dict[str, Any] = {s.LLM_METADATA_PREFIX + name: value for name, value in metadata.items()}
    if tags:
        attributes[s.LLM_TAGS] = tags
    return attributes


def added(known: Mapping[str, Any], tags: tuple[str, ...], metadata: Mapping[str, Value]) -> dict[str, Any]:
    """Tags and metadata as attributes, as far as a span that has the attributes ``known`` has room for them."""
    attributes = described(union(known.get(s.LLM_TAGS, ()), tags) if tags else (), metadata)
    has = sum(name.startswith(s.LLM_METADATA_PREFIX) for name in known)
    new = [name for name in attributes if name not in known and name != s.LLM_TAGS]
    for name in new[max(MAX_ENTRIES - has, 0) :]:
        del attributes[name]
    return attributes
