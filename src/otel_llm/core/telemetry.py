"""What calls are written to: a tracer, the instruments and a logger, by the settings in force."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from opentelemetry import _logs, metrics, trace

from ..config import ContentCapture, Settings
from ..content import capture
from ..version import __version__
from .foreign import ForeignScopes
from .instruments import Instruments
from .listeners import SHARED, Listeners
from .scopes import SCOPES

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

#: Where the API keeps the global provider of each signal: the variables of a module, and the name among them.
_TRACER = (trace.get_tracer_provider.__globals__, "_TRACER_PROVIDER")
_METER = (metrics.get_meter_provider.__globals__, "_METER_PROVIDER")
_LOGGER = (_logs.get_logger_provider.__globals__, "_LOGGER_PROVIDER")


def _is_set(signal: tuple[Mapping[str, object], str]) -> bool:
    """Whether a global provider is set. The public getters look into the environment first, which takes longer than
    all else of a call that nobody listens to; a variable that an API of the future lacks counts as set."""
    variables, name = signal
    return variables.get(name, signal) is not None


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
        listeners: Listeners = SHARED,
    ) -> None:
        self.settings = Settings.from_environment() if settings is None else settings
        #: They are told of the end of each call.
        self.listeners = listeners
        self.tracer = trace.get_tracer(scope, __version__, tracer_provider)
        self.logger = _logs.get_logger(scope, __version__, logger_provider)
        meter = metrics.get_meter(scope, __version__, meter_provider)
        state = SCOPES.of(scope)
        make_instruments = partial(Instruments, generation=self.settings.metrics, dimensions=state.dimensions)
        self.instruments = make_instruments(meter)
        #: What becomes of calls that another library makes spans of.
        self.foreign = ForeignScopes(self.settings.foreign_spans, make_instruments, meter, meter_provider)
        state.active_calls.observed_by(meter)
        #: The attributes of the requests of the calls under way, by the identity of the call.
        self.under_way = state.active_calls.under_way
        #: Whether content is captured of every call.
        self.captures_all = self.settings.capture_content is not ContentCapture.NO_CONTENT
        #: Whether the operation-details event is to be emitted, if anyone takes it.
        self.wants_event = bool(self.settings.emit_event)
        self.traced = tracer_provider is not None
        self.measured = meter_provider is not None
        self._logged = logger_provider is not None

    @property
    def captures_content(self) -> bool:
        """Whether content is captured: of every call, or of those that are sampled for evaluation."""
        return self.captures_all or bool(capture.wanting)

    def enabled(self) -> bool:
        """Whether anything listens. Where no SDK is configured a call costs this check and nothing else."""
        # A provider set once stays; until then each call asks anew, as it may come any time.
        if not self.traced:
            self.traced = _is_set(_TRACER)
        if not self.measured:
            self.measured = _is_set(_METER)
        return self.traced or self.measured or self.logged or bool(self.listeners.all)

    @property
    def logged(self) -> bool:
        """Whether anyone takes log records."""
        if not self._logged:
            self._logged = _is_set(_LOGGER)
        return self._logged
