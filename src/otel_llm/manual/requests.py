"""What the application says of an operation as the request of a call: checked, by the names of the conventions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from opentelemetry.trace import SpanKind

from .. import semconv as s
from ..core.request import AttributeValue, Request
from ..propagation.validation import exportable, identifier

_MAX_DESCRIPTION = 1024


def description_of(value: str | None) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"description must be a string, not {type(value).__name__}")
    return value[:_MAX_DESCRIPTION] if value else None


def whole(what: str, value: int | None) -> int | None:
    """``value`` as a whole number.

    :raises TypeError: if it is none.
    """
    if value is not None and type(value) is not int:
        raise TypeError(f"{what} must be a whole number, not {type(value).__name__}")
    return value


def server(address: str | None, port: int | None) -> dict[str, AttributeValue | None]:
    known = identifier("server_address", address)
    return {s.SERVER_ADDRESS: known, s.SERVER_PORT: whole("server_port", port) if known else None}


def parameters(given: Mapping[str, Any]) -> dict[str, AttributeValue | None]:
    stop, choices = given["stop"], whole("choices", given["choices"])
    return {
        s.REQUEST_TEMPERATURE: _number("temperature", given["temperature"]),
        s.REQUEST_TOP_P: _number("top_p", given["top_p"]),
        s.REQUEST_TOP_K: whole("top_k", given["top_k"]),
        s.REQUEST_MAX_TOKENS: whole("max_tokens", given["max_tokens"]),
        s.REQUEST_STOP_SEQUENCES: strings("stop", [stop] if isinstance(stop, str) else stop),
        s.REQUEST_SEED: whole("seed", given["seed"]),
        s.REQUEST_CHOICE_COUNT: choices if choices != 1 else None,
        s.REQUEST_FREQUENCY_PENALTY: _number("frequency_penalty", given["frequency_penalty"]),
        s.REQUEST_PRESENCE_PENALTY: _number("presence_penalty", given["presence_penalty"]),
        s.REQUEST_REASONING_LEVEL: identifier("reasoning_level", given["reasoning_level"]),
        s.OUTPUT_TYPE: identifier("output_type", given["output_type"]),
    }


def _number(what: str, value: float | None) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{what} must be a number, not {type(value).__name__}")
    return float(value)


def strings(what: str, values: Sequence[str] | None) -> list[str] | None:
    if values is None:
        return None
    if isinstance(values, str) or not isinstance(values, Iterable) or not all(isinstance(one, str) for one in values):
        raise TypeError(f"{what} must be a list of strings")
    return list(values) or None


def request(
    operation: str,
    subject: str | None,
    attributes: Mapping[str, AttributeValue | None],
    extra: Mapping[str, AttributeValue] | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    choices: int = 0,
) -> Request:
    """A request with those ``attributes`` that are not ``None``, and the application's ``extra`` ones."""
    known = {name: value for name, value in attributes.items() if value is not None}
    known[s.OPERATION_NAME] = operation
    return Request(operation, subject, {**plain_attributes(extra), **known}, choices, kind=kind)


def named(what: str, value: object) -> str:
    """``value`` as the name that an operation can't do without.

    :raises TypeError: if it is no string.
    :raises ValueError: if it is empty.
    """
    name = identifier(what, value)
    if name is None:
        raise ValueError(f"{what} must not be empty")
    return name


_SCALARS = (str, bool, int, float)


def plain_attributes(attributes: Mapping[str, AttributeValue] | None) -> dict[str, AttributeValue]:
    """``attributes`` that a span takes, less those that are ``None``.

    :raises TypeError: for names that are no strings, and for values that are neither scalars nor lists of them.
    """
    if attributes is None:
        return {}
    if not isinstance(attributes, Mapping):
        raise TypeError(f"attributes must be a mapping, not {type(attributes).__name__}")
    plain: dict[str, AttributeValue] = {}
    for name, value in attributes.items():
        if not isinstance(name, str):
            raise TypeError(f"the name of an attribute must be a string, not {type(name).__name__}: {name!r}")
        if isinstance(value, _SCALARS):
            plain[name] = exportable(value)
        elif isinstance(value, Sequence) and all(isinstance(one, _SCALARS) for one in value):
            plain[name] = cast("list[str]", [exportable(one) for one in value])
        elif value is not None:
            raise TypeError(f"attribute {name!r} can't be {type(value).__name__}; spans take scalars and lists of them")
    return plain
