"""Reading fields of what OpenAI sends: SDK models, plain dicts, and whatever a server made of them.

Every reader takes the wrong type for absent: a malformed body must leave out attributes, nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv as s
from ...call import AttributeValue
from ...messages import utf8

Body = Mapping[str, Any]


def get(value: Any, name: str) -> Any:
    """Field ``name`` of a dict or a model, ``None`` if it has none."""
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


def items(value: Any) -> list[Any]:
    """A list as it is, anything else as an empty one."""
    return value if isinstance(value, list) else []


def string(value: Any) -> str | None:
    return utf8(value) if isinstance(value, str) else None


def count(value: Any) -> int | None:
    """A count: a non-negative integer that is no bool."""
    return value if type(value) is int and value >= 0 else None


#: Request fields that every kind of inference shares.
_NUMBERS = (
    ("temperature", s.REQUEST_TEMPERATURE),
    ("top_p", s.REQUEST_TOP_P),
    ("frequency_penalty", s.REQUEST_FREQUENCY_PENALTY),
    ("presence_penalty", s.REQUEST_PRESENCE_PENALTY),
)
#: ``top_k`` is what OpenAI-compatible servers (vLLM) take by ``extra_body``.
_INTEGERS = (("seed", s.REQUEST_SEED), ("top_k", s.REQUEST_TOP_K))


def sampling(body: Body, attributes: dict[str, AttributeValue]) -> None:
    """Add the sampling parameters of ``body`` to ``attributes``, in the conventions' types."""
    for name, attribute in _NUMBERS:
        value = body.get(name)
        if value is not None and type(value) in (int, float):
            attributes[attribute] = float(value)
    for name, attribute in _INTEGERS:
        value = body.get(name)
        if type(value) is int:
            attributes[attribute] = value


def service_tier(body: Body, attributes: dict[str, AttributeValue]) -> None:
    tier = string(body.get("service_tier"))
    if tier is not None and tier != "auto":
        attributes[s.OPENAI_REQUEST_SERVICE_TIER] = tier


#: Details of a usage object -> our attributes. Chat Completions says ``prompt``/``completion``, Responses and the
#: Images API ``input``/``output``; all of them are subsets of the totals.
_INPUT_DETAILS = (
    ("cached_tokens", s.USAGE_CACHE_READ_INPUT_TOKENS),
    ("cache_write_tokens", s.USAGE_CACHE_WRITE_INPUT_TOKENS),
    ("text_tokens", "gen_ai.usage.text.input_tokens"),
    ("image_tokens", "gen_ai.usage.image.input_tokens"),
    ("audio_tokens", "gen_ai.usage.audio.input_tokens"),
)
_OUTPUT_DETAILS = (
    ("reasoning_tokens", s.USAGE_REASONING_OUTPUT_TOKENS),
    ("text_tokens", "gen_ai.usage.text.output_tokens"),
    ("image_tokens", "gen_ai.usage.image.output_tokens"),
    ("audio_tokens", "gen_ai.usage.audio.output_tokens"),
    ("accepted_prediction_tokens", s.LLM_USAGE_ACCEPTED_PREDICTION_TOKENS),
    ("rejected_prediction_tokens", s.LLM_USAGE_REJECTED_PREDICTION_TOKENS),
)


def usage(value: Any, has_output: bool = True) -> dict[str, int]:
    """Token counts by attribute. OpenAI's totals include cached and reasoning tokens, as the conventions want them.

    A breakdown is left out where it is zero, which is what it is for most calls.
    """
    if value is None:
        return {}
    tokens: dict[str, int] = {}
    total = count(get(value, "prompt_tokens"))
    if total is None:
        total = count(get(value, "input_tokens"))
    if total is not None:
        tokens[s.USAGE_INPUT_TOKENS] = total
    details = (
        get(value, "prompt_tokens_details") or get(value, "input_tokens_details") or get(value, "input_token_details")
    )
    if details is not None:
        for name, attribute in _INPUT_DETAILS:
            if detail := count(get(details, name)):
                tokens[attribute] = detail
    if has_output:
        total = count(get(value, "completion_tokens"))
        if total is None:
            total = count(get(value, "output_tokens"))
        if total is not None:
            tokens[s.USAGE_OUTPUT_TOKENS] = total
        details = get(value, "completion_tokens_details") or get(value, "output_tokens_details")
        if details is not None:
            for name, attribute in _OUTPUT_DETAILS:
                if detail := count(get(details, name)):
                    tokens[attribute] = detail
    return tokens


def metric_attributes(answer: Any) -> dict[str, str]:
    """Service tier and system fingerprint of an answer or a chunk: the refinement puts them on metrics too."""
    attributes: dict[str, str] = {}
    if (tier := string(get(answer, "service_tier"))) is not None:
        attributes[s.OPENAI_RESPONSE_SERVICE_TIER] = tier
    if (fingerprint := string(get(answer, "system_fingerprint"))) is not None:
        attributes[s.OPENAI_RESPONSE_SYSTEM_FINGERPRINT] = fingerprint
    return attributes
