"""Makes a :class:`.Request` of what the application says of an operation, with the conventions' attribute names.

Every value is accepted. One of a wrong type is converted or left out, with a warning, so that no call fails by it that
the application has already paid for.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, SupportsFloat, SupportsIndex, cast

from opentelemetry.trace import SpanKind

from .. import guard
from .. import semconv as s
from ..content.values import notices, text_of
from ..core.request import MAX_CHOICES, AttributeValue, Request
from ..propagation.validation import attribute, identifier

_MAX_DESCRIPTION = 1024
#: The name of an operation that has none.
UNNAMED = "_OTHER"
#: The maximum number of entries that are read of a sequence.
_MAX_SEQUENCE = 1024


def description_of(value: object) -> str | None:
    """``value`` as text of at most 1024 characters."""
    return text_of("description", value, _MAX_DESCRIPTION)


def integer(what: str, value: object) -> int | None:
    """``value`` as an integer of 64 bits; ``None`` if it isn't one."""
    if type(value) is not int:
        if value is None:
            return None
        converted = _integer(value)
        if converted is None:
            notices.tell(what, value, "left out: it must be a whole number")
            return None
        notices.tell(what, value, "recorded as a number")
        value = converted
    if -(2**63) <= value < 2**63:
        return value
    notices.tell(what, value, "left out: it has more than 64 bits")
    return None


def _integer(value: Any) -> int | None:
    """``value`` as an int if nothing is lost; ``None`` otherwise, and for booleans."""
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, SupportsIndex):
            return value.__index__()
        converted = float(value)
        return int(converted) if converted.is_integer() else None
    except Exception:
        return None


def number(what: str, value: object) -> float | None:
    """``value`` as a finite number; ``None`` if it isn't one."""
    if value is None:
        return None
    converted = _finite(value)
    if converted is None:
        notices.tell(what, value, "left out: it must be a finite number")
    elif type(value) not in (int, float):
        notices.tell(what, value, "recorded as a number")
    return converted


def currency(value: object) -> str | None:
    """``value`` as a code of ISO 4217; ``None`` if it isn't one."""
    if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isalpha():
        return value.upper()
    notices.tell("currency", value, "left out, with the cost: it must be an ISO 4217 code such as EUR")
    return None


def _finite(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        converted = float(cast("SupportsFloat", value))
    except Exception:
        return None
    return converted if math.isfinite(converted) else None


def boolean(value: object) -> bool:
    """Whether ``value`` is true. A value whose truth can't be determined is false."""
    try:
        return bool(value)
    except Exception:
        return False


def server(address: object, port: object) -> dict[str, AttributeValue | None]:
    """The attributes of a server. A port without an address is left out."""
    known = identifier("server_address", address, s.SERVER_ADDRESS)
    return {s.SERVER_ADDRESS: known, s.SERVER_PORT: integer("server_port", port) if known else None}


def parameters(arguments: Mapping[str, Any]) -> dict[str, AttributeValue | None]:
    """The attributes of a model's parameters, which are entries of ``arguments``; ``None`` where one is unset."""
    choices = integer("choices", arguments["choices"])
    return {
        s.REQUEST_TEMPERATURE: number("temperature", arguments["temperature"]),
        s.REQUEST_TOP_P: number("top_p", arguments["top_p"]),
        s.REQUEST_TOP_K: integer("top_k", arguments["top_k"]),
        s.REQUEST_MAX_TOKENS: integer("max_tokens", arguments["max_tokens"]),
        s.REQUEST_STOP_SEQUENCES: strings("stop", arguments["stop"], s.REQUEST_STOP_SEQUENCES),
        s.REQUEST_SEED: integer("seed", arguments["seed"]),
        s.REQUEST_CHOICE_COUNT: choices if choices != 1 else None,
        s.REQUEST_FREQUENCY_PENALTY: number("frequency_penalty", arguments["frequency_penalty"]),
        s.REQUEST_PRESENCE_PENALTY: number("presence_penalty", arguments["presence_penalty"]),
        s.REQUEST_REASONING_LEVEL: identifier(
            "reasoning_level", arguments["reasoning_level"], s.REQUEST_REASONING_LEVEL
        ),
        s.OUTPUT_TYPE: identifier("output_type", arguments["output_type"], s.OUTPUT_TYPE),
    }


def choice_count(value: object) -> int:
    """The number of choices that are requested, from 1 to :data:`.MAX_CHOICES`."""
    return max(1, min(integer("choices", value) or 1, MAX_CHOICES))


def as_list(value: object) -> list[Any]:
    """The entries of an iterable, at most 1024. Any other value, a text or a mapping is the only entry."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        return [value]
    try:
        return list(islice(value, _MAX_SEQUENCE))
    except Exception:
        return []


def strings(what: str, values: object, name: str) -> list[str] | None:
    """``values`` of the attribute ``name``, one or several, as a list of texts; ``None`` if there are none."""
    if values is None:
        return None
    return [text for one in as_list(values) if (text := identifier(what, one, name)) is not None] or None


def accepted_arguments(method: Callable[..., Any], given: object) -> dict[str, Any]:
    """The entries of ``given`` that are parameters of ``method``. The others are left out, with a warning."""
    if not isinstance(given, Mapping):
        notices.tell("response", given, "left out: it must be a mapping")
        return {}
    accepted = inspect.signature(method).parameters
    entries = {name: value for name, value in given.items() if isinstance(name, str)}
    for name in entries.keys() - accepted.keys():
        notices.tell(f"response[{name[:64]!r}]", entries[name], f"left out; it takes {', '.join(accepted)}")
    return {name: entries[name] for name in accepted if name in entries}


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


def required_name(what: str, value: object) -> str:
    """``value`` as the name of an operation; :data:`UNNAMED`, with a warning, if it is empty."""
    name = identifier(what, value)
    if name is None:
        notices.tell(what, value, f"empty; it is called {UNNAMED}")
        return UNNAMED
    return name


def plain_attributes(attributes: Mapping[str, AttributeValue] | None) -> dict[str, AttributeValue]:
    """``attributes`` converted to what a span accepts, without those that are ``None``."""
    return {} if attributes is None else _plain_attributes(attributes) or {}


@guard.never_raise
def _plain_attributes(attributes: Any) -> dict[str, AttributeValue]:
    if not isinstance(attributes, Mapping):
        notices.tell("attributes", attributes, "left out: they must be a mapping")
        return {}
    converted: dict[str, AttributeValue] = {}
    for key, value in attributes.items():
        name = identifier("the name of an attribute", key)
        if name is None or value is None:
            continue
        if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
            converted[name] = _sequence(value, name)
        else:
            converted[name] = attribute("the value of an attribute", value, name)
    return converted


def _sequence(values: Sequence[Any], name: str) -> AttributeValue:
    """``values`` converted to one type, because a span accepts no others: values of several types become texts."""
    converted = [attribute("a value of a sequence", one, name) for one in values[:_MAX_SEQUENCE] if one is not None]
    if len({type(one) for one in converted}) > 1:
        converted = [one if isinstance(one, str) else str(one) for one in converted]
    return cast("list[str]", converted)
