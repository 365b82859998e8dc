"""Checks what goes into a model and what comes out of it, and reports the results as telemetry.

A check passes a text, redacts it or blocks it. :class:`Guardrails` runs the checks of an input and of an output.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .check import Check
    from .checks import json_schema, max_length, pii, regex, secrets, topic
    from .decorator import guarded
    from .guardrails import Guardrails
    from .injection import prompt_injection
    from .recording import record_result
    from .result import Action, Blocked, Result

__all__ = [
    "Action",
    "Blocked",
    "Check",
    "Guardrails",
    "Result",
    "guarded",
    "json_schema",
    "max_length",
    "pii",
    "prompt_injection",
    "record_result",
    "regex",
    "secrets",
    "topic",
]

_PLACES = {
    "Action": ".result",
    "Blocked": ".result",
    "Check": ".check",
    "Guardrails": ".guardrails",
    "Result": ".result",
    "guarded": ".decorator",
    "json_schema": ".checks",
    "max_length": ".checks",
    "pii": ".checks",
    "prompt_injection": ".injection",
    "record_result": ".recording",
    "regex": ".checks",
    "secrets": ".checks",
    "topic": ".checks",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_PLACES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
