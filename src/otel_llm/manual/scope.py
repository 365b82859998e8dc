"""Which telemetry manual spans are written to, and which manual span encloses the current code."""

from __future__ import annotations

from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from ..background.forks import ForkLock
from ..config import Settings
from ..core.telemetry import Telemetry
from ..prompts.steps import NEAREST_STEP
from ..providers._botocore import errors as botocore_errors
from ..providers._stainless import errors as stainless_errors

#: The application may call any SDK inside a manual span.
_ERROR_READERS = (stainless_errors.read, botocore_errors.read)
_OUTERMOST = otel_context.create_key("otel_llm-outermost-operation")


class ManualTelemetry:
    """The telemetry of manual spans. It is made when the first span needs it, and again after :meth:`configure`."""

    __slots__ = ("_lock", "_telemetry", "arguments")

    def __init__(self) -> None:
        #: The settings and providers in force; another object after each change.
        self.arguments: dict[str, Any] = {}
        self._telemetry: Telemetry | None = None
        self._lock = ForkLock()

    def configure(self, **arguments: Any) -> None:
        """Use these settings and providers from now on.

        ``arguments`` are those of :class:`.Telemetry`. What is not given comes from the environment and from the
        global providers.
        """
        with self._lock.lock:
            self.arguments, self._telemetry = arguments, None

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return (self._telemetry or self._make()).settings

    def listening(self, context: Context) -> Telemetry | None:
        """The telemetry to write to; ``None`` if nothing listens or ``context`` suppresses instrumentation."""
        telemetry = self._telemetry or self._make()
        return telemetry if telemetry.traces(context) else None

    def _make(self) -> Telemetry:
        with self._lock.lock:  # the first spans may come from several threads at once
            if self._telemetry is None:
                self._telemetry = Telemetry("otel_llm.manual", error_readers=_ERROR_READERS, **self.arguments)
            return self._telemetry


#: One for the process, because manual spans are opened anywhere.
manual_telemetry = ManualTelemetry()


def inside(operation: object, context: Context) -> Context:
    """A copy of ``context`` in which ``operation`` is the nearest manual span."""
    outermost = context.get(_OUTERMOST, operation)
    return Context({**context, NEAREST_STEP: operation, _OUTERMOST: outermost})


def nearest(context: Context | None = None, outermost: bool = False) -> Any:
    """The nearest (or the outermost) :class:`.Operation` of ``context``; ``None`` if there is none or it has ended.

    The default context is the current one.
    """
    context = otel_context.get_current() if context is None else context
    found: Any = context.get(_OUTERMOST if outermost else NEAREST_STEP)
    return found if found is not None and found.under_way else None
