"""Why a model stopped, in the words of the conventions. The span and the output message get theirs from here.

Providers spell the same reason in many ways: ``tool_calls``, ``tool_use``, ``end_turn``, ``MAX_TOKENS``. What none of
the conventions' words stands for, such as ``refusal`` or ``pause_turn``, is recorded as the provider spells it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..content.encoding import Json

#: Where the call failed before the model gave a reason: the conventions' word.
ERROR = "error"
#: In a message of a call that went well, if the provider gives no reason. The schema of messages may ask for one.
UNKNOWN = "unknown"

#: The providers' words in lower case.
_WORDS = {
    "stop": (
        "stop",
        "end_turn",  # Anthropic, Bedrock
        "stop_sequence",  # Anthropic, Bedrock, TGI
        "eos_token",  # TGI, LMI
        "complete",  # Cohere
    ),
    "length": (
        "length",
        "max_tokens",  # Anthropic, Bedrock, Cohere, Gemini
        "max_output_tokens",  # OpenAI's Responses API
        "model_length",  # Mistral
        "model_context_window_exceeded",  # Anthropic, Bedrock
        "context_exceeded",  # LangChain
    ),
    "content_filter": (
        "content_filter",
        "content_filtered",  # Bedrock
        "guardrail_intervened",  # Bedrock
        "safety",  # Gemini, and the three below
        "blocklist",
        "prohibited_content",
        "spii",
    ),
    "tool_call": ("tool_call", "tool_calls", "tool_use", "function_call"),
    "compaction": ("compaction",),
    ERROR: (ERROR,),
}
_KNOWN = {theirs: word for word, theirs_all in _WORDS.items() for theirs in theirs_all}


def normalized(reason: str) -> str:
    """``reason`` in the conventions' words; as it is if they have none for it."""
    return _KNOWN.get(reason) or _KNOWN.get(reason.lower(), reason)


def recorded(reasons: Sequence[str | None], failed: bool) -> tuple[str, ...]:
    """``reasons`` as a span has them: a missing one is ``error`` if the call has ``failed``, otherwise left out."""
    told = []
    for reason in reasons:
        if reason:
            told.append(_KNOWN.get(reason) or normalized(reason))
        elif failed:
            told.append(ERROR)
    return tuple(told)


def as_given(reasons: Sequence[str | None], failed: bool) -> tuple[str, ...]:
    """:func:`recorded` in the provider's own words."""
    if failed:
        return tuple(reason or ERROR for reason in reasons)
    return tuple(reason for reason in reasons if reason)


def in_messages(messages: Iterable[Json], failed: bool) -> list[Json]:
    """Output ``messages``, each with its reason as a message has it. A missing one is ``error`` if the call has
    ``failed``, and ``unknown`` otherwise."""
    missing = ERROR if failed else UNKNOWN
    return [
        {**message, "finish_reason": normalized(reason) if (reason := message.get("finish_reason")) else missing}
        for message in messages
    ]
