"""Reads the answers of chat models and text LLMs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv as s
from ...content.encoding import Json, utf8
from ...content.messages import text
from ...core.request import Billed, Response
from . import content
from .reasons import reasons

#: Names of token counts that integrations pass on from their provider. OpenAI's input is the total. Anthropic's and
#: Bedrock's input does not include tokens that were read from the cache or written to it.
_TOTAL_INPUT = ("prompt_tokens",)
_FRESH_INPUT = ("input_tokens", "inputTokens")
_OUTPUT = ("completion_tokens", "output_tokens", "outputTokens")
_CACHE_READ = ("cache_read_input_tokens", "cacheReadInputTokens")
_CACHE_WRITE = ("cache_creation_input_tokens", "cacheWriteInputTokens")


def response(result: Any, capture_media: bool) -> Response:
    """The response of one run, from its ``LLMResult``."""
    batches = getattr(result, "generations", None) or []
    generations = [one for batch in batches[:1] for one in batch]
    told = getattr(result, "llm_output", None) or {}
    ends = [reasons(getattr(one, "message", None), getattr(one, "generation_info", None)) for one in generations]
    made = Response(
        finish_reasons=[reason for reason, _ in ends] or None, provider_reasons=[given for _, given in ends]
    )
    reported: dict[str, int] = {}
    for generation in generations:
        message = getattr(generation, "message", None)
        about = {
            **(getattr(generation, "generation_info", None) or {}),
            **(getattr(message, "response_metadata", None) or {}),
        }
        made.id = made.id or _response_id(message, about)
        made.model = made.model or _string(about.get("model_name") or about.get("model"))
        for name, count in usage(getattr(message, "usage_metadata", None)).items():
            made.usage.setdefault(name, count)  # each choice has the usage of the whole answer
        reported = reported or _reported(about)
        made.billed = made.billed or _billed(about)
    if not made.usage and not _was_cached(generations):
        made.usage = reported or _reported(told)
    made.billed = made.billed or _billed(told)
    made.id = made.id or _string(told.get("id"))
    made.model = made.model or _string(told.get("model_name") or told.get("model"))

    def output() -> list[Json]:
        said = [_output(one, reason, capture_media) for one, (reason, _) in zip(generations, ends, strict=True)]
        return [message for message in said if message["parts"]]

    made.output = output
    return made


def _output(generation: Any, reason: str | None, capture_media: bool) -> Json:
    message = getattr(generation, "message", None)
    made = (
        content.message(message, capture_media)
        if message is not None
        else {"role": "assistant", "parts": [text(getattr(generation, "text", ""))]}
    )
    return {**made, "finish_reason": reason}


def _response_id(message: Any, about: Mapping[str, Any]) -> str | None:
    """The id that the provider gave, not one that LangChain generated."""
    found = _string(about.get("id")) or _string(getattr(message, "id", None))
    return None if found is None or found.startswith(("run-", "lc_run-", "lc_")) else found


def usage(told: Any) -> dict[str, int]:
    """The usage in LangChain's ``usage_metadata``. Its totals include cached and reasoning tokens."""
    if not isinstance(told, dict) or told.get("total_cost") == 0:  # an answer from LangChain's cache costs nothing
        return {}
    counts = {s.USAGE_INPUT_TOKENS: told.get("input_tokens"), s.USAGE_OUTPUT_TOKENS: told.get("output_tokens")}
    given, came = told.get("input_token_details"), told.get("output_token_details")
    details = {
        s.USAGE_CACHE_READ_INPUT_TOKENS: _in_any_tier(given, "cache_read"),
        s.USAGE_CACHE_WRITE_INPUT_TOKENS: _in_any_tier(given, "cache_creation") or _written(given),
        "gen_ai.usage.audio.input_tokens": _get(given, "audio"),
        s.USAGE_REASONING_OUTPUT_TOKENS: _in_any_tier(came, "reasoning"),
        "gen_ai.usage.audio.output_tokens": _get(came, "audio"),
    }
    return _known(counts, details)


def _in_any_tier(details: Any, name: str) -> Any:
    """A detail, which langchain-openai keeps under another name in two service tiers."""
    return next((found for tier in ("", "flex_", "priority_") if (found := _get(details, tier + name))), None)


def _written(details: Any) -> int:
    """Tokens written to a cache, which langchain-anthropic keeps by how long they are held."""
    told = (_get(details, f"ephemeral_{held}_input_tokens") for held in ("5m", "1h"))
    return sum(count for count in told if type(count) is int)


def _was_cached(generations: list[Any]) -> bool:
    return any(
        _get(getattr(getattr(one, "message", None), "usage_metadata", None), "total_cost") == 0 for one in generations
    )


def _reported(about: Mapping[str, Any]) -> dict[str, int]:
    """The usage in ``about``, the metadata of an answer, in the form of OpenAI, Anthropic or Bedrock."""
    told = next((found for key in ("token_usage", "usage") if (found := about.get(key))), None)
    if not isinstance(told, Mapping):
        return {}
    given = _get(told, "prompt_tokens_details") or _get(told, "input_tokens_details")
    came = _get(told, "completion_tokens_details") or _get(told, "output_tokens_details")
    read, written = _count(told, _CACHE_READ), _count(told, _CACHE_WRITE)
    total, fresh = _count(told, _TOTAL_INPUT), _count(told, _FRESH_INPUT)
    if total is None and fresh is not None:
        total = fresh + (read or 0) + (written or 0)
    counts = {s.USAGE_INPUT_TOKENS: total, s.USAGE_OUTPUT_TOKENS: _count(told, _OUTPUT)}
    details = {
        s.USAGE_CACHE_READ_INPUT_TOKENS: read or _get(given, "cached_tokens"),
        s.USAGE_CACHE_WRITE_INPUT_TOKENS: written,
        s.USAGE_REASONING_OUTPUT_TOKENS: _get(came, "reasoning_tokens"),
    }
    return _known(counts, details)


def _billed(about: Mapping[str, Any]) -> tuple[Billed, ...]:
    """The usage in ``about`` as the provider sent it, with the service tier."""
    told = about.get("token_usage") or about.get("usage")
    return ((told, about.get("service_tier") or _get(told, "service_tier")),) if isinstance(told, Mapping) else ()


def _count(told: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    return next((count for name in names if type(count := told.get(name)) is int and count >= 0), None)


def _known(counts: Mapping[str, Any], details: Mapping[str, Any]) -> dict[str, int]:
    """The ``counts`` that are known, and the ``details`` that are not zero."""
    found = {name: count for name, count in counts.items() if type(count) is int and count >= 0}
    return found | {name: count for name, count in details.items() if type(count) is int and count > 0}


def _get(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


def _string(value: Any) -> str | None:
    return utf8(value) if isinstance(value, str) and value else None
