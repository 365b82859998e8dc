"""Records the results of the guardrails of the OpenAI Agents SDK: of inputs, outputs, and calls of tools.

The results keep the words of the SDK. Nothing about a run changes.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from time import perf_counter
from typing import Any

import wrapt
from opentelemetry.instrumentation.utils import unwrap

from .. import guard
from .recording import record_result

#: The classes whose method ``run`` applies a guardrail: module, class, and what it checks.
_GUARDRAILS = (
    ("agents.guardrail", "InputGuardrail", "input"),
    ("agents.guardrail", "OutputGuardrail", "output"),
    ("agents.tool_guardrails", "ToolInputGuardrail", "tool_input"),
    ("agents.tool_guardrails", "ToolOutputGuardrail", "tool_output"),
)


def instrument() -> None:
    """Record the result of each guardrail that the SDK applies from now on. A second call does nothing.

    :raises ImportError: if the SDK is not installed.
    """
    for module, name, source in _GUARDRAILS:
        kind = getattr(import_module(module), name)
        if not isinstance(kind.run, wrapt.BoundFunctionWrapper | wrapt.FunctionWrapper):
            wrapt.wrap_function_wrapper(module, f"{name}.run", _recorded(source))


def uninstrument() -> None:
    """Restore the methods of the SDK."""
    for module, name, _ in _GUARDRAILS:
        unwrap(getattr(import_module(module), name), "run")


def _recorded(source: str) -> Callable[..., Any]:
    async def run(wrapped: Any, guardrail: Any, args: Any, kwargs: Any) -> Any:
        started = perf_counter()
        try:
            result = await wrapped(*args, **kwargs)
        except Exception as error:
            _record(guardrail, None, source, error, perf_counter() - started)
            raise
        _record(guardrail, result, source, None, perf_counter() - started)
        return result

    return run


@guard.never_raise
def _record(guardrail: Any, result: Any, source: str, error: Exception | None, seconds: float) -> None:
    kind, value = None, None
    output = getattr(result, "output", result)
    if hasattr(output, "tripwire_triggered"):
        kind, value = "tripwire_triggered", bool(output.tripwire_triggered)
    elif hasattr(output, "behavior"):
        kind, value = "behavior", output.behavior["type"]
    record_result(guardrail.get_name(), type=kind, value=value, source=source, error=error, seconds=seconds)
