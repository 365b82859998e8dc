"""Keeps SDKs that make spans themselves from making a second span of a call that we trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...core import nesting
from ...instrumentation.patching import Target


def targets() -> list[Target]:
    """What makes those spans, for the provider whose calls pass such an SDK."""
    return [Target("anthropic._base_client", "start_api_call_span", _unless_enclosed)]


def _unless_enclosed(wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
    return wrapped(*args, **kwargs) if nesting.enclosing() is None else None
