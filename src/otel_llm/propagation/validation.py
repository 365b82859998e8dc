"""Converts, cleans and limits the ids, tags and metadata that the application gives, and makes attributes of them.

Nothing here raises: what can't be converted is left out, and a warning says so once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from .. import guard
from .. import semconv as s
from ..content.values import Scalar, is_plain, notices, scalar, text_of

Value = Scalar

#: Longer ids, tags, names and texts are cut.
MAX_LENGTH = 256
#: More tags, and more entries of metadata, are left out: a span has room for 128 attributes.
MAX_ENTRIES = 32


def identifier(what: str, value: object, attribute: str = "") -> str | None:
    """``value`` as an id of at most 256 characters, as it may be recorded as ``attribute``.

    ``None`` and the empty string are none.
    """
    return None if value is None else text_of(what, value, MAX_LENGTH, attribute)


def tag_list(tags: Iterable[object] | None) -> tuple[str, ...]:
    """``tags`` as texts without repetition. A single value is one tag."""
    return () if tags is None else _tag_list(tags) or ()


@guard.never_raise
def _tag_list(tags: Any) -> tuple[str, ...]:
    if isinstance(tags, str | bytes) or not isinstance(tags, Iterable):
        notices.tell("tags", tags, "recorded as one tag")
        tags = (tags,)
    # A few more than are kept, as some may be empty or repeated.
    return union((), tuple(identifier("a tag", tag, s.LLM_TAGS) or "" for tag in islice(tags, 8 * MAX_ENTRIES)))


def union(tags: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(tag for tag in dict.fromkeys((*tags, *more)) if tag)[:MAX_ENTRIES]


def metadata_of(metadata: Mapping[Any, Any] | None) -> dict[str, Value]:
    """``metadata`` with texts as names, and values that attributes can hold, less those that are ``None``."""
    return {} if metadata is None else _metadata_of(metadata) or {}


@guard.never_raise
def _metadata_of(metadata: Any) -> dict[str, Value]:
    if not isinstance(metadata, Mapping):
        notices.tell("metadata", metadata, "left out: it must be a mapping")
        return {}
    known: dict[str, Value] = {}
    for key, value in metadata.items():
        if value is None or (name := identifier("a key of metadata", key)) is None:
            continue
        if isinstance(value, str):
            known[name] = text_of("metadata", value, MAX_LENGTH, s.LLM_METADATA_PREFIX + name) or ""
        else:
            known[name] = attribute("a value of metadata", value, s.LLM_METADATA_PREFIX + name)
        if len(known) == MAX_ENTRIES:
            break
    return known


def attribute(what: str, value: object, name: str = "") -> Value:
    """``value`` as the attribute ``name`` can hold it; a warning says once what was converted."""
    if not is_plain(value):
        notices.tell(what, value, "recorded as a plain value or JSON")
    return scalar(value, name)


def merged(metadata: Mapping[str, Value], more: Mapping[str, Value]) -> dict[str, Value]:
    return dict(list({**metadata, **more}.items())[:MAX_ENTRIES])


_DESCRIBING = {
    "prompt": "left out: it must be a Prompt of otel_llm or a text that one made",
    "experiment": "left out: it must be what .assignment(key) of an Experiment of otel_llm gives",
}


def describing(what: str, value: Any) -> Any:
    """``value``, if it has attributes to give, else ``None``."""
    return None if value is None else _describing(what, value)


@guard.never_raise
def _describing(what: str, value: Any) -> Any:
    other = what == "experiment" and hasattr(value, "template")  # a prompt that it has assigned
    if other or isinstance(value, type) or not callable(getattr(value, "attributes", None)):
        notices.tell(what, value, _DESCRIBING[what])
        return None
    return getattr(value, "use", value)  # the text that a prompt made also has the variables


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
