"""What is recorded of the results of guardrails: an event and metrics, and a span where a check calls a service.

Which names that takes is said in :mod:`otel_llm.semconv` alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics
from opentelemetry._logs import LogRecord
from opentelemetry.trace import Status, StatusCode, set_span_in_context

from .. import guard
from .. import semconv as s
from ..background import deferred, finalizers
from ..background.forks import ForkLock
from ..content import boundary
from ..content.bounding import encode
from ..core.call import Call
from ..core.recording import Recording, start_span
from ..core.request import AttributeValue, Request, Response
from ..core.scopes import SCOPES
from ..core.telemetry import Telemetry
from ..manual.scope import manual_telemetry
from ..propagation import state
from ..version import __version__
from .result import Result

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from .check import Check

SCOPE = "otel_llm.guardrails"
#: What a result is, in the words of this package: another library's keep their own.
ACTION = "action"
#: Where content is hidden, by what was checked.
_HIDDEN_AS = {
    "input": s.INPUT_MESSAGES,
    "output": s.OUTPUT_MESSAGES,
    "tool_input": s.TOOL_CALL_ARGUMENTS,
    "tool_output": s.TOOL_CALL_RESULT,
}
#: What the metrics are split by.
_DIMENSIONS = (
    s.GUARDRAIL_COMPONENT_NAME,
    s.GUARDRAIL_RESULT_TYPE,
    s.GUARDRAIL_RESULT_VALUE,
    s.GUARDRAIL_SOURCE,
    s.ERROR_TYPE,
)


class GuardrailCall(Call):
    """The call of a service by a check: a span whose metrics are those of the guardrail."""

    __slots__ = ("result",)

    counted = False

    def __init__(self, recording: Recording, request: Request, context: Context) -> None:
        super().__init__(recording, request, context)
        self.result: Mapping[str, AttributeValue] = {}

    def _complete(
        self, response: Response, attributes: dict[str, AttributeValue], error: BaseException | None = None
    ) -> None:
        recording = self._recording
        ends_at = recording.started_at + recording.duration_ns
        try:
            attributes.update(self.result)
            if s.ERROR_TYPE in attributes:
                text = None if error is None else recording.error_text(error)
                recording.span.set_status(Status(StatusCode.ERROR, text))
            recording.span.set_attributes(attributes)
            recording.span.end(ends_at)
        except Exception as failure:
            guard.report("GuardrailCall._complete", failure)


class Reporter:
    """Records results, by the telemetry of some settings."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self.telemetry = Telemetry(SCOPE, **arguments)
        meter_provider = arguments.get("meter_provider")
        scope = SCOPES.of(SCOPE)
        self._dimensions = scope.dimensions
        meter = scope.series.on(metrics.get_meter(SCOPE, __version__, meter_provider))
        self._results = meter.create_counter(
            s.METRIC_LLM_GUARDRAIL_RESULTS, "{result}", "Results of guardrails, by what they did."
        )
        self._seconds = meter.create_histogram(
            s.METRIC_LLM_GUARDRAIL_DURATION,
            "s",
            "Time that a check took.",
            explicit_bucket_boundaries_advisory=s.GUARDRAIL_BUCKETS,
        )

    # --- spans -----------------------------------------------------------------------------------

    @guard.never_raise
    def begin(self, check: Check, source: str, policy: Mapping[str, str], parent: Context) -> GuardrailCall:
        """Start the span of a ``check`` that calls a service."""
        attributes: dict[str, AttributeValue] = {
            s.OPERATION_NAME: s.APPLY_GUARDRAIL,
            s.PROVIDER_NAME: str(check.provider),
            s.GUARDRAIL_COMPONENT_NAME: check.name,
            s.GUARDRAIL_SOURCE: source,
            **policy,
        }
        if (around := state.of(parent)) is not None:
            around.describe(attributes)
        boundary.clean(attributes)
        request = Request(s.APPLY_GUARDRAIL, check.name, attributes)
        telemetry = self.telemetry
        recording = Recording(
            telemetry, *start_span(telemetry, f"{s.APPLY_GUARDRAIL} {check.name}", request, attributes, parent)
        )
        call = GuardrailCall(recording, request, set_span_in_context(recording.span, parent))
        telemetry.add(call)
        return call

    @guard.never_raise
    def end(self, call: GuardrailCall, result: Result) -> None:
        """End the span of a check with its ``result``."""
        call.result = boundary.cleaned(_told(result))
        call.finish()

    # --- events and metrics ------------------------------------------------------------------------

    def ours(
        self, check: Check, result: Result, text: str | None, seconds: float, policy: Mapping[str, str], where: Context
    ) -> None:
        """Record the ``result`` of a check of ``text``; ``None``: what was checked is not at hand as a whole."""
        attributes: dict[str, Any] = {
            s.GUARDRAIL_COMPONENT_NAME: check.name,
            s.GUARDRAIL_SOURCE: result.source or "input",
            **_told(result),
            **policy,
        }
        if check.provider is not None:
            attributes[s.PROVIDER_NAME] = check.provider
        found = dict.fromkeys(place.category for place in result.found)
        categories: list[str | None] = [*found] or [result.category]
        self.record(attributes, categories, self._content(result, text) if text is not None else {}, seconds, where)

    @guard.never_raise
    def record(
        self,
        attributes: dict[str, Any],
        categories: Iterable[str | None],
        content: Mapping[str, str],
        seconds: float | None,
        where: Context,
    ) -> None:
        """Record a result: an event for each of ``categories``, and one measurement."""
        if self.telemetry.logged:
            for category in categories:
                told = dict(attributes) if category is None else {**attributes, s.GUARDRAIL_RISK_CATEGORY: category}
                boundary.clean(told)
                self._emit({**told, **content}, where)
        if self.telemetry.measured:
            dimensions = {name: attributes[name] for name in _DIMENSIONS if name in attributes}
            deferred.do(self._measure, seconds, dimensions, where)

    def _measure(self, seconds: float | None, dimensions: dict[str, Any], where: Context) -> None:
        bounded = self._dimensions.bounded(dimensions)
        self._results.add(1, bounded, where)
        if seconds is not None:
            self._seconds.record(seconds, bounded, where)

    def _emit(self, attributes: dict[str, Any], where: Context) -> None:
        self.telemetry.logger.emit(
            LogRecord(timestamp=time_ns(), context=where, event_name=s.EVENT_GUARDRAIL_RESULT, attributes=attributes)
        )

    def _content(self, result: Result, text: str) -> dict[str, str]:
        """What was checked and what is passed on, if content is captured: without what was found in it."""
        settings = self.telemetry.settings
        if not (settings.capture_content.on_event and self.telemetry.logged):
            return {}
        hiding = boundary.SHARED.hiding
        if hiding is not None and hiding.hides(_HIDDEN_AS.get(result.source or "", s.INPUT_MESSAGES)):
            return {}
        values = {s.GUARDRAIL_CONTENT_INPUT: result.shown(text)}
        if result.text and result.text != text:
            values[s.GUARDRAIL_CONTENT_OUTPUT] = result.text
        encoded = {name: encode(value, settings.content_max_bytes, name)[0] for name, value in values.items()}
        return {name: value for name, value in encoded.items() if value is not None}


def _told(result: Result) -> dict[str, Any]:
    """``result`` as attributes. A reason that may quote content is left out."""
    attributes: dict[str, Any] = {s.GUARDRAIL_RESULT_TYPE: ACTION, s.GUARDRAIL_RESULT_VALUE: result.action.value}
    if result.label is not None:
        attributes[s.GUARDRAIL_RESULT_REASON] = result.label
    if result.score is not None:
        attributes[s.GUARDRAIL_RISK_SCORE] = float(result.score)
    if result.rule is not None:
        attributes[s.GUARDRAIL_POLICY_RULE_ID] = result.rule
    if result.error is not None:
        attributes[s.ERROR_TYPE] = result.error
    return attributes


class Reporters:
    """The reporter for the settings and providers in force, which :func:`otel_llm.instrument` may change."""

    def __init__(self) -> None:
        self._lock = ForkLock()
        self._made: tuple[object, Reporter] | None = None

    def listening(self, context: Context) -> Reporter | None:
        """The reporter; ``None`` if nothing listens or ``context`` suppresses instrumentation. Never raises."""
        try:
            if finalizers.SHARED.postponed:
                finalizers.catch_up()
            made = self._made
            if made is None or made[0] is not manual_telemetry.arguments:
                made = self._make()
            return made[1] if made[1].telemetry.traces(context) else None
        except Exception as error:
            guard.report("Reporters.listening", error)
            return None

    def _make(self) -> tuple[object, Reporter]:
        with self._lock.lock:
            arguments = manual_telemetry.arguments
            made = self._made
            if made is None or made[0] is not arguments:
                self._made = made = (arguments, Reporter(arguments))
            return made


#: One for the process, as the settings are.
SHARED = Reporters()
