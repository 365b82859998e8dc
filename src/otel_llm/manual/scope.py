"""Where the application's own spans are written to, and which of them is the nearest."""

from __future__ import annotations

from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from ..background.forks import ForkLock
from ..core.telemetry import Telemetry
from ..prompts.steps import NEAREST_STEP

_OUTERMOST = otel_context.create_key("otel_llm-outermost-operation")

_given: dict[str, Any] = {}
_telemetry: Telemetry | None = None
_lock = ForkLock()


def configure(**given: Any) -> None:
    """Write to these providers by these settings from now on; none given: to the global ones, by the environment's."""
    global _given, _telemetry
    with _lock.lock:
        _given, _telemetry = given, None


def telemetry(context: Context) -> Telemetry | None:
    """What to write to; ``None`` if nobody listens, or ``context`` says to be quiet."""
    found = _telemetry or _make_telemetry()
    if not found.enabled() or (context and not is_instrumentation_enabled()):
        return None
    return found


def _make_telemetry() -> Telemetry:
    global _telemetry
    with _lock.lock:  # the first calls may come from several threads at once
        if _telemetry is None:
            _telemetry = Telemetry("otel_llm.manual", **_given)
        return _telemetry


def inside(operation: object, context: Context) -> Context:
    """``context`` inside of ``operation``."""
    outermost = context.get(_OUTERMOST, operation)
    return Context({**context, NEAREST_STEP: operation, _OUTERMOST: outermost})


def nearest(context: Context | None = None, outermost: bool = False) -> Any:
    """The :class:`.Operation` under way that ``context`` (default: the current one) is inside of, or ``None``."""
    context = otel_context.get_current() if context is None else context
    found: Any = context.get(_OUTERMOST if outermost else NEAREST_STEP)
    return found if found is not None and found.under_way else None
