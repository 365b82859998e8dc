"""Reads the finish reason of a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...content.encoding import utf8

_REASONS = ("finish_reason", "finishReason", "stop_reason", "stopReason", "done_reason")
#: Normalized reasons that say less than the provider's own.
_VAGUE = ("other",)


def reasons(message: Any, info: Any = None) -> tuple[str | None, str | None]:
    """The finish reason of ``message``, and the provider's own. ``info`` is the ``generation_info``."""
    about = getattr(message, "response_metadata", None)
    given = next(
        (reason for told in (info, about) for key in _REASONS if (reason := _string(_get(told, key))) is not None), None
    )
    # From langchain-core 1.8.4 on, integrations set a normalized reason and the provider's own.
    normal = _string(_get(about, "normalized_finish_reason"))
    if normal is not None and normal not in _VAGUE:
        return _corrected(normal, message), given or normal
    if given is None:  # OpenAI's Responses API has a status instead
        status = _string(_get(about, "status"))
        given = {"completed": "stop", "incomplete": "length"}.get(status or "")
        given = "tool_call" if given == "stop" and getattr(message, "tool_calls", None) else given
    return given, given


def _corrected(reason: str, message: Any) -> str:
    """The normalized ``reason``, corrected: the last chunk of a stream doesn't know the refusals and calls before."""
    blocks = getattr(message, "content", None)
    if isinstance(blocks, list) and any(_get(block, "type") == "refusal" for block in blocks):
        return "refusal"
    return "tool_call" if reason == "stop" and getattr(message, "tool_calls", None) else reason


def _get(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


def _string(value: Any) -> str | None:
    return utf8(value) if isinstance(value, str) and value else None
