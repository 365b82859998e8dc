"""What calls are written to: a tracer, the instruments and a logger, by the settings in force."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry import _logs, metrics, trace

from ..config import Settings
from ..config.choices import ContentCapture
from ..content import boundary, capture
from ..propagation.global_providers import LOGGER_PROVIDER, METER_PROVIDER, TRACER_PROVIDER
from ..propagation.suppression import suppresses
from ..version import __version__
from . import content_metrics
from .errors import ErrorReader
from .foreign import ForeignScopes
from .instruments import Instruments
from .listeners import SHARED, Listeners
from .scopes import SCOPES

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from ..content.upload import Upload
    from .active_calls import UnderWay


def _upload(url: str | None) -> Upload | None:
    if url is None:
        return None
    from ..content import upload

    return upload.SHARED.to(url)


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
        error_readers: Sequence[ErrorReader] = (),
    ) -> None:
        self.settings = Settings.from_environment() if settings is None else settings
        if settings is not None:
            boundary.SHARED.use(settings)
        boundary.SHARED.prepare()
        #: They are told of the end of each call.
        self.listeners = listeners
        #: They read what only the errors of certain SDKs have.
        self.error_readers = error_readers
        self.tracer = trace.get_tracer(scope, __version__, tracer_provider)
        self.logger = _logs.get_logger(scope, __version__, logger_provider)
        meter = metrics.get_meter(scope, __version__, meter_provider)
        state = SCOPES.of(scope)
        SCOPES.budget.limit = self.settings.metrics_max_series
        bounded = state.series.on(meter)
        make_instruments = partial(Instruments, generation=self.settings.metrics, dimensions=state.dimensions)
        self.instruments = make_instruments(bounded)
        #: What becomes of calls that another library makes spans of.
        self.foreign = ForeignScopes(self.settings.foreign_spans, make_instruments, bounded, meter_provider)
        state.active_calls.observed_by(meter)
        content_metrics.observed_by(metrics.get_meter(content_metrics.SCOPE, __version__, meter_provider))
        #: The calls under way, by their identity.
        self.under_way = state.active_calls.under_way
        #: The listeners whose own exit handlers run after the calls under way have ended. ``None`` if that is not
        #: ensured yet: at first, and after a provider has been set.
        self._served_at_exit: tuple[Any, ...] | None = None
        #: Whether texts of errors, which may quote content, are recorded on every call.
        self.tells_errors = self.settings.capture_content is not ContentCapture.NO_CONTENT
        #: Where the whole content is stored, if it is.
        self.upload = _upload(self.settings.upload)
        #: Whether content is captured of every call.
        self.captures_all = self.tells_errors or self.upload is not None
        #: Whether the operation-details event is to be emitted, if anyone takes it.
        self.wants_event = bool(self.settings.emit_event)
        #: Whether calls are traced at all: wrappers that could not be taken out are switched off by it.
        self.on = True
        self.traced = tracer_provider is not None
        self.measured = meter_provider is not None
        self._logged = logger_provider is not None

    @property
    def captures_content(self) -> bool:
        """Whether content is captured: of every call, or of those that are sampled for evaluation."""
        return self.captures_all or bool(capture.WANTED.all)

    @property
    def keeps_content(self) -> bool:
        """Whether the content of answers has to be kept until their end: to be captured, or to count its tokens."""
        return self.captures_content or self.listeners.estimator is not None

    def traces(self, context: Context) -> bool:
        """Whether a call that starts in ``context`` is traced.

        It is if it is switched on, something listens, and ``context`` does not suppress instrumentation. Where no SDK
        is configured, a call costs this check and nothing else.
        """
        # A provider that is set stays. Until then each call asks again, as it may be set at any time.
        if not self.traced and TRACER_PROVIDER.is_set():
            self.traced, self._served_at_exit = True, None
        if not self.measured and METER_PROVIDER.is_set():
            self.measured, self._served_at_exit = True, None
        # Where nobody asks for events, a logger matters only if nothing else listens.
        if not self._logged and (self.wants_event or not (self.traced or self.measured)) and LOGGER_PROVIDER.is_set():
            self._logged, self._served_at_exit = True, None
        if not (self.traced or self.measured or self._logged or self.listeners.all):
            return False
        return self.on and not (context and suppresses(context))

    @property
    def logged(self) -> bool:
        """Whether anyone takes log records."""
        if not self._logged and LOGGER_PROVIDER.is_set():
            self._logged, self._served_at_exit = True, None
        return self._logged

    def add(self, call: UnderWay) -> None:
        """Note that ``call`` is under way."""
        self.under_way[id(call)] = call
        if self._served_at_exit is not self.listeners.all:
            # A provider or a listener is new, and may close at exit: calls under way have to end before that.
            self._served_at_exit = self.listeners.all
            SCOPES.abandon_at_exit()
