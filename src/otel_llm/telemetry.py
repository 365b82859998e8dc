"""What calls are written to: a tracer, the instruments and a logger, by the settings in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import _logs, metrics, trace

from .config import ContentCapture, Settings
from .metrics import Instruments
from .version import __version__

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

#: Where the API defines its own providers, the ones that do nothing; an SDK's come from elsewhere.
_API_MODULES = frozenset(
    provider.__module__ for provider in (trace.TracerProvider, metrics.MeterProvider, _logs.LoggerProvider)
)


class Telemetry:
    """The tracer, instruments and logger of one instrumentation scope.

    Providers that are not given are the global ones, also when they are set later.
    """

    def __init__(
        self,
        scope: str,
        settings: Settings | None = None,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        logger_provider: LoggerProvider | None = None,
    ) -> None:
        self.settings = Settings.from_environment() if settings is None else settings
        self.tracer = trace.get_tracer(scope, __version__, tracer_provider)
        self.logger = _logs.get_logger(scope, __version__, logger_provider)
        self.instruments = Instruments(metrics.get_meter(scope, __version__, meter_provider), self.settings.metrics)
        self.captures_content = self.settings.capture_content is not ContentCapture.NO_CONTENT
        self._emit_event = self.settings.emit_event
        self.traced = tracer_provider is not None
        self.measured = meter_provider is not None
        self.logged = logger_provider is not None

    def enabled(self) -> bool:
        """Whether anything listens. Where no SDK is configured a call costs this check and nothing else."""
        # A provider set once stays; until then each call asks anew, as it may come any time.
        if not self.traced:
            self.traced = type(trace.get_tracer_provider()).__module__ not in _API_MODULES
        if not self.measured:
            self.measured = type(metrics.get_meter_provider()).__module__ not in _API_MODULES
        if not self.logged:
            self.logged = type(_logs.get_logger_provider()).__module__ not in _API_MODULES
        return self.traced or self.measured or self.logged

    @property
    def emits_event(self) -> bool:
        """Whether the operation-details event is wanted and anyone takes it."""
        return self._emit_event and self.logged
