"""What calls can be grouped by, and the values that a call has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from otel_llm import semconv as s

_METADATA = "metadata."

#: The values of a dimension that one call has. Only tags may have several.
Values = tuple[str, ...]


def _attribute(*names: str) -> Callable[[Mapping[str, Any]], Values]:
    """The first of the attributes `names` that is there."""

    def values(attributes: Mapping[str, Any]) -> Values:
        return next(((str(attributes[name]),) for name in names if attributes.get(name) not in (None, "")), ())

    return values


def _pair(first: str, separator: str, second: str) -> Callable[[Mapping[str, Any]], Values]:
    def values(attributes: Mapping[str, Any]) -> Values:
        name, more = attributes.get(first), attributes.get(second)
        if name in (None, ""):
            return ()
        return (str(name) if more in (None, "") else f"{name}{separator}{more}",)

    return values


def _tags(attributes: Mapping[str, Any]) -> Values:
    tags = attributes.get(s.LLM_TAGS)
    return tuple(dict.fromkeys(map(str, tags))) if isinstance(tags, list) else ()


#: Dimension -> a function that reads its values from attributes: a call's own and those of the spans above it.
#: `day` and `service` are no attributes, and `metadata.NAME` is any metadata that the application sets.
_BY_ATTRIBUTES: dict[str, Callable[[Mapping[str, Any]], Values]] = {
    "model": _attribute(s.RESPONSE_MODEL, s.REQUEST_MODEL),
    "provider": _attribute(s.PROVIDER_NAME),
    "operation": _attribute(s.LLM_OPERATION_NAME, s.OPERATION_NAME),
    "prompt": _pair(s.PROMPT_NAME, "@", s.PROMPT_VERSION),
    "variant": _pair(s.LLM_EXPERIMENT_ID, ": ", s.LLM_EXPERIMENT_VARIANT),
    "user": _attribute(s.USER_ID),
    "session": _attribute(s.SESSION_ID),
    "conversation": _attribute(s.CONVERSATION_ID),
    "tag": _tags,
    "tenant": _attribute(s.LLM_TENANT_ID, s.LLM_METADATA_PREFIX + "tenant"),
    "source": _attribute(s.LLM_USAGE_COST_SOURCE),
}
DIMENSIONS = (*_BY_ATTRIBUTES, "service", "day")


def is_dimension(name: str) -> bool:
    return name in DIMENSIONS or (name.startswith(_METADATA) and len(name) > len(_METADATA))


def day_of(started: int | None) -> Values:
    """The day in UTC, as invoices have it."""
    try:
        return () if started is None else (datetime.fromtimestamp(started / 1e9, UTC).strftime("%Y-%m-%d"),)
    except (ValueError, OverflowError, OSError):
        return ()


def lookup(attributes: Mapping[str, Any], service: str, started: int | None) -> Callable[[str], Values]:
    """A function that returns the values of a dimension for a call with these attributes."""

    def values(dimension: str) -> Values:
        if dimension == "day":
            return day_of(started)
        if dimension == "service":
            return (service,) if service else ()
        if dimension.startswith(_METADATA):
            return _attribute(s.LLM_METADATA_PREFIX + dimension.removeprefix(_METADATA))(attributes)
        return _BY_ATTRIBUTES[dimension](attributes)

    return values
