"""Brings verdicts back to the trace that was judged: an event, a short span and metrics for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry import _logs, metrics, trace
from opentelemetry._logs import LogRecord
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, StatusCode, TraceFlags

from ... import semconv as s
from ...config import Settings
from ...content import boundary
from ...content.bounding import encode
from ...core.scopes import SCOPES
from ...version import __version__
from ..exclusion import excluded
from .measures import Measures
from .verdict import Verdict

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

SCOPE = "otel_llm.evaluation"
#: The mechanism that decided, by the source of a verdict.
TYPES = {"judge": "llm_judge", "human": "human_feedback", "code": "code"}
_LOW_64_BITS = 2**64 - 1


class VerdictEmitter:
    """Emits verdicts as telemetry, in any process: it needs the ids of the judged span, not the span.

    :param settings: default: those of the environment.
    :param tracer_provider: default: the global one.
    :param meter_provider: default: the global one.
    :param logger_provider: default: the global one.
    :param explanations: whether explanations are recorded. They are content, as they quote what was judged; the default
        is what the settings say of content. The content policy applies in any case.
    :param linked: whether the span begins a trace of its own with a link to the judged span, rather than being a late
        child of it.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        logger_provider: LoggerProvider | None = None,
        explanations: bool | None = None,
        linked: bool = False,
    ) -> None:
        if settings is not None:
            boundary.SHARED.use(settings)
        settings = settings or Settings.from_environment()
        self._on_span = settings.capture_content.on_span if explanations is None else explanations
        self._on_event = settings.capture_content.on_event if explanations is None else explanations
        self._max_bytes = settings.content_max_bytes
        self._linked = linked
        self._tracer = trace.get_tracer(SCOPE, __version__, tracer_provider)
        self._logger = _logs.get_logger(SCOPE, __version__, logger_provider)
        SCOPES.budget.limit = settings.metrics_max_series
        self._measures = Measures(SCOPES.of(SCOPE), metrics.get_meter(SCOPE, __version__, meter_provider))

    def emit(self, verdict: Verdict, links: Sequence[SpanContext] = ()) -> None:
        """Emit the event, the span and the metrics of ``verdict``. ``links`` are spans to link to, such as the judge's.

        The span is never sampled for evaluation. As a child it counts as sampled by the head sampler, whatever became
        of the judged trace; a sampler that decides by the trace id alone decides as it did of that trace.
        """
        operation = s.FEEDBACK if verdict.source == "human" else s.EVALUATE
        ended = int(verdict.at * 1e9)
        judged = _judged(verdict)
        context = excluded(Context() if judged is None else trace.set_span_in_context(NonRecordingSpan(judged)))
        attributes = boundary.cleaned(_attributes(verdict))
        explanation = self._explanation(verdict) if self._on_span or self._on_event else None
        explained = {} if explanation is None else {s.EVALUATION_EXPLANATION: explanation}
        self._logger.emit(
            LogRecord(
                timestamp=ended,
                context=context,
                event_name=s.EVENT_EVALUATION_RESULT,
                attributes={**attributes, **(explained if self._on_event else {})},
            )
        )
        alone = self._linked or judged is None
        linked = [*([judged] if self._linked and judged is not None else []), *links]
        span = self._tracer.start_span(
            boundary.clean_text(f"{operation} {verdict.name}"),
            excluded(Context()) if alone else context,
            attributes={s.LLM_OPERATION_NAME: operation, **attributes, **(explained if self._on_span else {})},
            links=[Link(one) for one in linked],
            start_time=ended - int(verdict.seconds * 1e9),
        )
        if verdict.error_type is not None:
            span.set_status(StatusCode.ERROR)
        span.end(ended)
        self._measures.record(verdict, TYPES[verdict.source], context)

    def _explanation(self, verdict: Verdict) -> str | None:
        """The explanation as it may be recorded. It may quote any content, as the text of an error may."""
        if not verdict.explanation or not boundary.SHARED.shows_errors:
            return None
        return encode(verdict.explanation, self._max_bytes, s.EVALUATION_EXPLANATION)[0]


def _judged(verdict: Verdict) -> SpanContext | None:
    """The judged span, as the parent of what is said of it. It counts as sampled: a verdict is not to be lost because
    the judged trace was. Where only the trace is known, a span id is made of it, which is the same each time."""
    if verdict.trace_id is None:
        return None
    trace_id = int(verdict.trace_id, 16)
    span_id = int(verdict.span_id, 16) if verdict.span_id is not None else trace_id & _LOW_64_BITS or 1
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _attributes(verdict: Verdict) -> dict[str, Any]:
    attributes = {
        s.EVALUATION_NAME: verdict.name,
        s.EVALUATION_SCORE_VALUE: None if verdict.score is None else float(verdict.score),
        s.EVALUATION_SCORE_LABEL: verdict.label,
        s.RESPONSE_ID: verdict.response_id,
        s.ERROR_TYPE: verdict.error_type,
        s.LLM_EVALUATION_EVALUATOR_ID: verdict.evaluator_id,
        s.LLM_EVALUATION_EVALUATOR_VERSION: verdict.revision,
        s.LLM_EVALUATION_EVALUATOR_TYPE: TYPES[verdict.source],
        s.LLM_EVALUATION_SCALE: None if verdict.score is None else verdict.scale,
        s.LLM_EVALUATION_PASSED: verdict.passed,
        s.USER_ID: verdict.submitter,
        **verdict.attributes,
    }
    return {name: value for name, value in attributes.items() if value is not None}
