"""One GenAI operation: its span, metrics, event and content; started once and ended exactly once.

A provider maps its SDK's request to :class:`.Request` and its answer to :class:`.Response`; everything telemetry is
here. Times are seconds of one monotonic clock, so that the duration metric equals the span's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from .. import guard
from .. import semconv as s
from ..background import deferred, finalizers
from ..content import boundary, capture
from ..content.bounding import encode
from ..content.encoding import Json, structure, utf8
from ..content.messages import Content
from ..propagation import state
from . import errors
from .request import AttributeValue, Request, Response

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from .telemetry import Telemetry

#: Called at the end of every call with it, what was answered, its duration in seconds, the type of its error, and
#: attributes of its end: those of the error at the least.
on_end: list[Callable[[Call, Response, float, str | None, Mapping[str, AttributeValue]], None]] = []

_MOMENT_NS = 20_000


def moment() -> tuple[int, int]:
    """Nanoseconds since the epoch and those of ``perf_counter_ns`` now. Whoever is interrupted between the two looks
    again: its span would seem to end before what is inside of it."""
    for _ in range(3):
        start = perf_counter_ns()
        since_epoch = time_ns()
        if perf_counter_ns() - start < _MOMENT_NS:
            break
    return since_epoch, start


class Call:
    """An operation under way. Not reusable; every method after the end does nothing."""

    __slots__ = (
        "_agent",
        "_content",
        "_end_ns",
        "_first_chunk_ns",
        "_last_chunk_ns",
        "_open",
        "_start_ns",
        "_started_at",
        "_telemetry",
        "context",
        "recording",
        "request",
        "span",
    )

    def __init__(self, telemetry: Telemetry, request: Request, parent: Context | None = None) -> None:
        """Start the span in ``parent`` (default: the current context). ``context`` is that with the span in it."""
        if finalizers.postponed:
            finalizers.catch_up()
        self._telemetry = telemetry
        self.request = request
        self._open = [None]  # popped by whoever ends the call: atomic, unlike a flag
        self._first_chunk_ns = 0
        self._last_chunk_ns = 0
        self._end_ns = 0
        self._content: dict[str, Json] = {}
        if parent is None:
            parent = otel_context.get_current()
        around = state.of(parent) if parent else None
        prompt = None if around is None else around.describe(request.attributes)
        self._agent = None if around is None else around.agent
        boundary.clean(request.attributes)
        name = f"{request.operation} {request.subject}" if request.subject else request.operation
        self._started_at, self._start_ns = moment()
        self.span = telemetry.tracer.start_span(
            boundary.clean_text(name), parent, request.kind, request.attributes, start_time=self._started_at
        )
        self.context: Context = set_span_in_context(self.span, parent)
        if parent and request.kind is SpanKind.CLIENT and request.operation != s.RETRIEVAL:
            self.context = state.private(self.context)
        self.recording = self.span.is_recording()
        if (telemetry.captures_all or capture.wanting) and request.content is not None:
            self._record_input(request.content)
        if prompt is not None:
            self._record_prompt(prompt)
        telemetry.active[id(self)] = request.attributes

    # --- content ---------------------------------------------------------------------------

    @guard.never_raise
    def _record_input(self, content: Callable[[], Content]) -> None:
        if self._wants_content():
            # Now, not at the end: the caller may change its messages while the answer streams.
            self._record_content(content().by_attribute())

    @guard.never_raise
    def record_content(self, parts: Callable[[], Mapping[str, Json]]) -> None:
        """Record more content, by attribute, if any is wanted; a string is recorded as it is, all else as JSON."""
        if self._telemetry.captures_content and self._wants_content():
            self._record_content(parts())

    def _record_prompt(self, prompt: Any) -> None:
        """The words of a prompt that knows how it was filled in."""
        if callable(words := getattr(prompt, "content", None)):
            self.record_content(words)

    def _wants_content(self) -> bool:
        return self._content_on_span() or (self._telemetry.logged and self._telemetry.settings.capture_content.on_event)

    def _content_on_span(self) -> bool:
        return self.recording and (self._telemetry.settings.capture_content.on_span or capture.wants_content(self.span))

    def _error_text(self, error: BaseException) -> str | None:
        """For the span's status, if content is captured: it may hold words of the prompt."""
        return _message(error) if self._telemetry.captures_all or self._content_on_span() else None

    def _record_content(self, parts: Mapping[str, Json]) -> None:
        settings = self._telemetry.settings
        on_span = self._content_on_span()
        truncated = []
        for told, value in parts.items():
            name = utf8(told)
            encoded, cut = encode(value, settings.content_max_bytes)
            if cut:
                truncated.append(name)
            if on_span:
                self.span.set_attribute(name, encoded)
            if settings.capture_content.on_event:
                # What is on the span, in plain types: ``value`` holds the caller's own objects.
                self._content[name] = encoded if isinstance(value, str) else structure(encoded)
        if truncated and on_span:
            self.span.set_attribute(s.LLM_CONTENT_TRUNCATED, truncated)

    @guard.never_raise
    def _record_output(self, output: Callable[[], list[Json]]) -> None:
        if self._wants_content() and (messages := output()):
            self._record_content({s.OUTPUT_MESSAGES: messages})

    # --- where only the answer tells what the call is -----------------------------------------------

    @guard.never_raise
    def settle(self, operation: str, content: Callable[[], Content] | None = None) -> None:
        """The operation turns out to be ``operation``, with that content, which was not recorded at the start."""
        request = self.request
        if operation != request.operation and self._open:
            request.operation = request.attributes[s.OPERATION_NAME] = operation
            around = state.of(self.context)
            prompt = None if around is None else around.describe(request.attributes)
            boundary.clean(request.attributes)
            if self.recording:
                self.span.set_attributes(request.attributes)
                name = f"{operation} {request.subject}" if request.subject else operation
                self.span.update_name(boundary.clean_text(name))
            if prompt is not None:
                self._record_prompt(prompt)
        if self._telemetry.captures_content and content is not None and self._open:
            self._record_input(content)

    def discard(self) -> None:
        """It turns out to be none of ours: the call is over, and its span, which never ends, is never exported."""
        self._open.clear()
        self._telemetry.active.pop(id(self), None)

    # --- chunks of a stream ----------------------------------------------------------------------

    def chunk(self, now_ns: int) -> None:
        """Note that a chunk of the answer has come at ``now_ns`` of ``perf_counter_ns``."""
        self._last_chunk_ns = now_ns
        if not self._first_chunk_ns:
            self._first_chunk_ns = now_ns

    @property
    def ended(self) -> bool:
        return not self._open

    @property
    def started_at(self) -> int:
        """Nanoseconds since the epoch."""
        return self._started_at

    @property
    def time_to_first_chunk(self) -> float | None:
        """In seconds; ``None`` while there is none."""
        return (self._first_chunk_ns - self._start_ns) / 1e9 if self._first_chunk_ns else None

    @property
    def recorded_content(self) -> Mapping[str, Any]:
        """Content by attribute, as it is for the event or else, among all else, on the span; none unless it is captured
        of every call."""
        if not self._telemetry.captures_all:
            return {}
        return self._content or getattr(self.span, "attributes", None) or {}

    # --- the end -------------------------------------------------------------------------------

    def finish(self, response: Response | None = None, outcome: str | None = None) -> None:
        """End the call with the provider's answer. ``outcome`` says how a stream ended, other than by its end."""
        self._end(response or Response(), {s.LLM_STREAM_OUTCOME: outcome} if outcome else {})

    def stop_clock(self) -> None:
        """The operation is over now, though its end is told later."""
        self._end_ns = perf_counter_ns()

    @guard.never_raise
    def fail(self, error: BaseException, response: Response | None = None) -> None:
        """End the call with ``error``; ``response`` is what had come of the answer before."""
        ended = self._end(response or Response(), {**(_provider_attributes(error) or {})}, error)
        if ended and self._telemetry.logged:
            with_message = self._telemetry.captures_all
            self._emit(s.EVENT_OPERATION_EXCEPTION, SeverityNumber.WARN, errors.event_attributes(error, with_message))

    def _end(
        self, response: Response, attributes: dict[str, AttributeValue], error: BaseException | None = None
    ) -> bool | None:
        """Whether it ended now; never raises. ``attributes`` is added to."""
        try:
            self._open.pop()
        except IndexError:
            return False
        duration_ns = (self._end_ns or perf_counter_ns()) - self._start_ns
        self._telemetry.active.pop(id(self), None)
        try:
            try:
                if self._agent is not None and (agent := self._agent()) is not None:
                    agent.count(self.request.operation, response)
                self._record_end(response, duration_ns / 1e9, attributes, error)
            finally:
                self.span.end(self._started_at + duration_ns)
        except Exception as failure:
            guard.report("Call._end", failure)
        return True

    def _record_end(
        self, response: Response, seconds: float, attributes: dict[str, AttributeValue], error: BaseException | None
    ) -> None:
        telemetry = self._telemetry
        error_type = None
        if error is not None:
            error_type = errors.error_type(error)
        elif response.error is not None:
            error_type = errors.answered_type(response.error)
        speed = self._stream_speed(response, seconds) if self._first_chunk_ns else {}
        if (telemetry.captures_all or capture.wanting) and response.output is not None:
            self._record_output(response.output)
        emits_event = telemetry.wants_event and telemetry.logged
        if self.recording or emits_event:
            broken_off = error_type is not None or s.LLM_STREAM_OUTCOME in attributes
            response.describe(self.request, broken_off, attributes)
            if self._first_chunk_ns:
                attributes[s.RESPONSE_TIME_TO_FIRST_CHUNK] = (self._first_chunk_ns - self._start_ns) / 1e9
                attributes.update(speed)
            if error_type is not None:
                attributes[s.ERROR_TYPE] = error_type
            boundary.clean(attributes)
        if self.recording:
            self.span.set_attributes(attributes)
            if error_type is not None:
                self.span.set_status(Status(StatusCode.ERROR, self._error_text(error) if error is not None else None))
        if telemetry.measured and s.OPERATION_NAME in self.request.attributes:
            self._record_metrics(response, seconds, error_type, speed)
        if emits_event and self.request.operation in s.INFERENCE_OPERATIONS:
            content = self._content if telemetry.settings.capture_content.on_event else {}
            self._emit(
                s.EVENT_OPERATION_DETAILS,
                SeverityNumber.DEBUG,
                {**self.request.attributes, **attributes, **content},
            )
        for listener in on_end:
            try:
                listener(self, response, seconds, error_type, attributes)
            except Exception as failure:
                guard.report("call.on_end", failure)

    def _stream_speed(self, response: Response, seconds: float) -> dict[str, float]:
        tokens = response.usage.get(s.USAGE_OUTPUT_TOKENS, 0)
        if not tokens:
            return {}
        speed = {s.LLM_OUTPUT_TOKENS_PER_SECOND: tokens / seconds}
        if tokens > 1:
            speed[s.LLM_TIME_PER_OUTPUT_TOKEN] = (self._last_chunk_ns - self._first_chunk_ns) / 1e9 / (tokens - 1)
        return speed

    # --- metrics ---------------------------------------------------------------------------------

    def chunk_gap(self, seconds: float, response_model: str | None) -> None:
        """Record the time from one chunk to the next."""
        deferred.do(self._telemetry.instruments.chunk, seconds, self.request.attributes, response_model, self.context)

    @property
    def described(self) -> bool:
        """Whether anyone sees more of the answer than its metrics."""
        return self.recording or bool(on_end) or (self._telemetry.wants_event and self._telemetry.logged)

    @property
    def wanted(self) -> bool:
        """Whether anyone will see the answer: if not, it need not be read."""
        return self._telemetry.measured or self.described

    @property
    def measured(self) -> bool:
        """Whether anyone reads the metrics."""
        return self._telemetry.measured

    def _record_metrics(
        self, response: Response, seconds: float, error_type: str | None, speed: Mapping[str, float]
    ) -> None:
        deferred.do(
            self._telemetry.instruments.call,
            self.request.attributes,
            response.model,
            response.usage,
            response.metric_attributes,
            seconds,
            self.time_to_first_chunk,
            speed,
            error_type,
            self.context,
        )

    def _emit(self, event: str, severity: SeverityNumber, attributes: Mapping[str, Any]) -> None:
        self._telemetry.logger.emit(
            LogRecord(
                timestamp=time_ns(),
                context=self.context,
                severity_number=severity,
                event_name=event,
                attributes=dict(attributes),
            )
        )


# Errors of other libraries, whose attributes and text may themselves fail: that must not keep the call open.
_provider_attributes = guard.never_raise(errors.provider_attributes)
_message = guard.never_raise(errors.message)
