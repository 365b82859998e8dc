"""Reading fields of what OpenAI sends: SDK models, plain dicts, and whatever a server made of them.

Every reader takes the wrong type for absent: a malformed body must leave out attributes, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ... import semconv as s
from ...content.encoding import utf8
from ...core.request import AttributeValue, Billed, Response, real

Body = Mapping[str, Any]


def mapping(value: Any) -> Mapping[str, Any]:
    """The fields of a dict or a model; no fields for anything else."""
    if isinstance(value, dict):
        return value
    if value is None:
        return _NOTHING
    try:
        # A model's fields are in its __dict__; its own lookup of one it lacks is slow, as it raises.
        fields, extra = value.__dict__, value.__pydantic_extra__
    except AttributeError:
        return getattr(value, "__dict__", _NOTHING)
    return {**fields, **extra} if extra else fields


_NOTHING: Mapping[str, Any] = {}


def declared(value: Any) -> Mapping[str, Any]:
    """:func:`mapping` without the fields of a model that its class does not declare. They come with every chunk."""
    return value if isinstance(value, dict) else getattr(value, "__dict__", _NOTHING)


def get(value: Any, name: str) -> Any:
    """Field ``name`` of a dict or a model, ``None`` if it has none."""
    return mapping(value).get(name)


def items(value: Any) -> list[Any]:
    """A list as it is, anything else as an empty one."""
    return value if isinstance(value, list) else []


def string(value: Any) -> str | None:
    if isinstance(value, str):
        return value if value.isascii() else utf8(value)
    return None


#: What the exporters' 64 bits don't hold.
_TOO_MANY = 2**63


def count(value: Any) -> int | None:
    """A count: a non-negative integer that is no bool."""
    return value if type(value) is int and 0 <= value < _TOO_MANY else None


def _number(value: Any) -> float | None:
    return real(value) if type(value) in (int, float) else None


def _integer(value: Any) -> int | None:
    return value if type(value) is int and -_TOO_MANY <= value < _TOO_MANY else None


def _several(value: Any) -> int | None:
    """The number of choices, if there are several."""
    return (count(value) or None) if value != 1 else None


def _stop_sequences(value: Any) -> list[str] | None:
    if isinstance(value, str):
        return [value]
    return list(value) if value and all(isinstance(one, str) for one in items(value)) and items(value) else None


def _tier(value: Any) -> str | None:
    return None if value == "auto" else string(value)


#: How a field of a request is read: its attribute, the reader, and whether it gives way to another field's.
Readers = Mapping[str, tuple[str, Callable[[Any], AttributeValue | None], bool]]

#: Fields that every kind of inference shares; ``top_k`` is what compatible servers (vLLM) take by ``extra_body``.
INFERENCE: Readers = {
    "temperature": (s.REQUEST_TEMPERATURE, _number, False),
    "top_p": (s.REQUEST_TOP_P, _number, False),
    "frequency_penalty": (s.REQUEST_FREQUENCY_PENALTY, _number, False),
    "presence_penalty": (s.REQUEST_PRESENCE_PENALTY, _number, False),
    "seed": (s.REQUEST_SEED, _integer, False),
    "top_k": (s.REQUEST_TOP_K, _integer, False),
    "n": (s.REQUEST_CHOICE_COUNT, _several, False),
    "stop": (s.REQUEST_STOP_SEQUENCES, _stop_sequences, False),
    "max_tokens": (s.REQUEST_MAX_TOKENS, count, True),
}
#: A field that only OpenAI's own API has.
SERVICE_TIER: Readers = {"service_tier": (s.OPENAI_REQUEST_SERVICE_TIER, _tier, False)}


def read(body: Body, readers: Readers, attributes: dict[str, AttributeValue]) -> None:
    """Add the attributes that ``readers`` read from ``body``."""
    for name, value in body.items():
        reader = readers.get(name)
        if reader is not None:
            attribute, reads, gives_way = reader
            found = reads(value)
            if found is not None and not (gives_way and attribute in attributes):
                attributes[attribute] = found


#: Details of a usage object -> our attributes; all of them are subsets of the totals.
_INPUT_DETAILS = {
    "cached_tokens": s.USAGE_CACHE_READ_INPUT_TOKENS,
    "cache_write_tokens": s.USAGE_CACHE_WRITE_INPUT_TOKENS,
    "text_tokens": "gen_ai.usage.text.input_tokens",
    "image_tokens": "gen_ai.usage.image.input_tokens",
    "audio_tokens": "gen_ai.usage.audio.input_tokens",
}
_OUTPUT_DETAILS = {
    "reasoning_tokens": s.USAGE_REASONING_OUTPUT_TOKENS,
    "text_tokens": "gen_ai.usage.text.output_tokens",
    "image_tokens": "gen_ai.usage.image.output_tokens",
    "audio_tokens": "gen_ai.usage.audio.output_tokens",
    "accepted_prediction_tokens": s.LLM_USAGE_ACCEPTED_PREDICTION_TOKENS,
    "rejected_prediction_tokens": s.LLM_USAGE_REJECTED_PREDICTION_TOKENS,
}
#: Totals, as Chat Completions and as Responses and the Images API name them, and what their details are in.
_TOTALS = {
    "prompt_tokens": s.USAGE_INPUT_TOKENS,
    "input_tokens": s.USAGE_INPUT_TOKENS,
    "completion_tokens": s.USAGE_OUTPUT_TOKENS,
    "output_tokens": s.USAGE_OUTPUT_TOKENS,
}
_DETAILS = {
    "prompt_tokens_details": _INPUT_DETAILS,
    "input_tokens_details": _INPUT_DETAILS,
    "input_token_details": _INPUT_DETAILS,
    "completion_tokens_details": _OUTPUT_DETAILS,
    "output_tokens_details": _OUTPUT_DETAILS,
}


def usage(value: Any, has_output: bool = True) -> dict[str, int]:
    """Token counts by attribute. OpenAI's totals include cached and reasoning tokens, as the conventions want them.

    A breakdown is left out where it is zero, which is what it is for most calls.
    """
    tokens: dict[str, int] = {}
    if value is None:
        return tokens
    for name, found in mapping(value).items():
        if type(found) is int:
            total = _TOTALS.get(name)
            if total is not None and 0 <= found < _TOO_MANY and total not in tokens:
                tokens[total] = found
        elif found and (parts := _DETAILS.get(name)) is not None:
            for detail, part in mapping(found).items():
                if part and (attribute := parts.get(detail)) is not None and type(part) is int and 0 < part < _TOO_MANY:
                    tokens[attribute] = part
    return tokens if has_output else {name: tokens[name] for name in tokens if name.endswith("input_tokens")}


def billed(fields: Mapping[str, Any]) -> tuple[Billed, ...]:
    """The usage among the fields of an answer, as it came, with the service tier."""
    told = fields.get("usage")
    return () if told is None else ((told, fields.get("service_tier")),)


def answered_error(answer: Any) -> str | None:
    """The code of the error that ``answer`` holds in its field ``error``; ``None`` if it holds none."""
    fields = mapping(answer)
    error = fields.get("error")
    if not error:
        return None
    known = (get(error, "code"), get(error, "type"), fields.get("error_type"), fields.get("code"))
    return next((str(code) for code in known if type(code) in (str, int) and code), "_OTHER")


def served_by(fields: Mapping[str, Any]) -> dict[str, AttributeValue]:
    """Service tier and system fingerprint among the fields of an answer or a chunk."""
    attributes: dict[str, AttributeValue] = {}
    if (tier := string(fields.get("service_tier"))) is not None:
        attributes[s.OPENAI_RESPONSE_SERVICE_TIER] = tier
    if (fingerprint := string(fields.get("system_fingerprint"))) is not None:
        attributes[s.OPENAI_RESPONSE_SYSTEM_FINGERPRINT] = fingerprint
    return attributes


def metered(fields: Mapping[str, Any], is_openai: bool) -> Response:
    """Read of an answer's fields only what metrics need."""
    tier = fields.get("service_tier") if is_openai else None
    return Response(
        model=string(fields.get("model")),
        usage=usage(fields.get("usage")),
        metric_attributes={} if tier is None or tier == "default" else dimensions(served_by(fields)),
        billed=billed(fields),
    )


def dimensions(served: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
    """The part of :func:`served_by` that metrics carry: a tier other than the default, as it has another price.

    The refinement recommends both attributes there. The fingerprint changes with every deployment of OpenAI's, so as a
    dimension it splits series for no one's use; it is on the span.
    """
    tier = served.get(s.OPENAI_RESPONSE_SERVICE_TIER, "default")
    return {} if tier == "default" else {s.OPENAI_RESPONSE_SERVICE_TIER: tier}
