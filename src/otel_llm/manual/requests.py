"""What the application says of an operation as the request of a call, by the names of the conventions.

Any value is taken: it is converted, or left out with a warning, so that a wrong type fails no call that was paid for.
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
#: The name of what was given none.
UNNAMED = "_OTHER"
#: So many entries of a sequence are kept.
_MAX_SEQUENCE = 1024


def description_of(value: object) -> str | None:
    return text_of("description", value, _MAX_DESCRIPTION)


def whole(what: str, value: object) -> int | None:
    """``value`` as a whole number of 64 bits; ``None`` if it is none."""
    if type(value) is not int:
        if value is None:
            return None
        number = _whole(value)
        notices.tell(what, value, "left out: it must be a whole number" if number is None else "recorded as a number")
        if number is None:
            return None
        value = number
    if -(2**63) <= value < 2**63:
        return value
    notices.tell(what, value, "left out: it has more than 64 bits")
    return None


def _whole(value: Any) -> int | None:
    """``value`` as an int, if it is exactly one."""
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, SupportsIndex):
            return value.__index__()
        number = float(value)
        return int(number) if number.is_integer() else None
    except Exception:
        return None


def number(what: str, value: object) -> float | None:
    """``value`` as a finite number; ``None`` if it is none."""
    if value is None:
        return None
    known = _finite(value)
    if known is None:
        notices.tell(what, value, "left out: it must be a finite number")
    elif type(value) not in (int, float):
        notices.tell(what, value, "recorded as a number")
    return known


def _finite(value: Any) -> float | None:
    try:
        known = None if isinstance(value, bool) else float(cast("SupportsFloat", value))
    except Exception:
        return None
    return known if known is not None and math.isfinite(known) else None


def truth(value: object) -> bool:
    """Whether ``value`` is true; what can't say so is not."""
    try:
        return bool(value)
    except Exception:
        return False


def server(address: object, port: object) -> dict[str, AttributeValue | None]:
    known = identifier("server_address", address)
    return {s.SERVER_ADDRESS: known, s.SERVER_PORT: whole("server_port", port) if known else None}


def parameters(given: Mapping[str, Any]) -> dict[str, AttributeValue | None]:
    choices = whole("choices", given["choices"])
    return {
        s.REQUEST_TEMPERATURE: number("temperature", given["temperature"]),
        s.REQUEST_TOP_P: number("top_p", given["top_p"]),
        s.REQUEST_TOP_K: whole("top_k", given["top_k"]),
        s.REQUEST_MAX_TOKENS: whole("max_tokens", given["max_tokens"]),
        s.REQUEST_STOP_SEQUENCES: strings("stop", given["stop"]),
        s.REQUEST_SEED: whole("seed", given["seed"]),
        s.REQUEST_CHOICE_COUNT: choices if choices != 1 else None,
        s.REQUEST_FREQUENCY_PENALTY: number("frequency_penalty", given["frequency_penalty"]),
        s.REQUEST_PRESENCE_PENALTY: number("presence_penalty", given["presence_penalty"]),
        s.REQUEST_REASONING_LEVEL: identifier("reasoning_level", given["reasoning_level"]),
        s.OUTPUT_TYPE: identifier("output_type", given["output_type"]),
    }


def choice_count(value: object) -> int:
    """How many choices are asked for: at least one, at most as many as are told apart."""
    return max(1, min(whole("choices", value) or 1, MAX_CHOICES))


def several(value: object) -> list[Any]:
    """The entries of ``value``, if it is a sequence or another iterable, else ``value`` alone."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        return [value]
    try:
        return list(islice(value, _MAX_SEQUENCE))
    except Exception:
        return []


def strings(what: str, values: object) -> list[str] | None:
    """``values`` as texts, a single one as a list of one; ``None`` if there are none."""
    if values is None:
        return None
    return [text for one in several(values) if (text := identifier(what, one)) is not None] or None


def known_arguments(method: Callable[..., Any], given: object) -> dict[str, Any]:
    """Those entries of ``given`` that ``method`` takes; a warning tells of others once."""
    if not isinstance(given, Mapping):
        notices.tell("response", given, "left out: it must be a mapping")
        return {}
    takes = inspect.signature(method).parameters
    entries = {name: value for name, value in given.items() if isinstance(name, str)}
    for name in entries.keys() - takes.keys():
        notices.tell(f"response[{name[:64]!r}]", entries[name], f"left out; it takes {', '.join(takes)}")
    return {name: entries[name] for name in takes if name in entries}


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
    """``value`` as the name that an operation can't do without; :data:`UNNAMED` if it is none."""
    name = identifier(what, value)
    if name is None:
        notices.tell(what, value, f"empty; it is called {UNNAMED}")
        return UNNAMED
    return name


def plain_attributes(attributes: Mapping[str, AttributeValue] | None) -> dict[str, AttributeValue]:
    """``attributes`` as a span takes them, less those that are ``None``."""
    return {} if attributes is None else _plain_attributes(attributes) or {}


@guard.never_raise
def _plain_attributes(attributes: Any) -> dict[str, AttributeValue]:
    if not isinstance(attributes, Mapping):
        notices.tell("attributes", attributes, "left out: they must be a mapping")
        return {}
    known: dict[str, AttributeValue] = {}
    for key, value in attributes.items():
        name = identifier("the name of an attribute", key)
        if name is None or value is None:
            continue
        if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
            known[name] = _sequence(value)
        else:
            known[name] = attribute("the value of an attribute", value)
    return known


def _sequence(values: Sequence[Any]) -> AttributeValue:
    """``values`` of one type, as a span takes only such: those of several become texts."""
    known = [attribute("a value of a sequence", one) for one in values[:_MAX_SEQUENCE] if one is not None]
    if len({type(one) for one in known}) > 1:
        known = [one if isinstance(one, str) else str(one) for one in known]
    return cast("list[str]", known)
