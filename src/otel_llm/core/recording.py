"""What a call, or several layers of one call, write to: one span with its clock, content and events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry._logs import LogRecord, SeverityNumber

from .. import guard
from .. import semconv as s
from ..background import activity
from ..config import MIN_CONTENT_BYTES
from ..content import boundary, capture
from ..content.bounding import encode
from ..content.encoding import Json, structure, utf8
from ..content.messages import Content
from . import errors, finish_reasons
from .request import AttributeValue, Request
from .telemetry import Telemetry

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from .foreign import Joined

#: A moment as ``perf_counter_ns``, and in nanoseconds since the epoch.
Moment = tuple[int, int]
NO_SPEED: Mapping[str, float] = {}
_NO_REFERENCES: Mapping[str, str] = {}
_MOMENT_NS = 20_000
_TRIES = 2


def start_span(
    telemetry: Telemetry,
    name: str,
    request: Request,
    attributes: Mapping[str, AttributeValue],
    parent: Context,
    started: Moment | None = None,
) -> tuple[Span, int, int]:
    """Start the span of ``request`` in ``parent``: now, or as of the moment ``started``.

    Returns the span and the moment of its start: in nanoseconds since the epoch, and as ``perf_counter_ns``.
    """
    name = boundary.clean_text(name)
    if started is not None:
        start_ns, started_at = started
    else:
        start_ns = perf_counter_ns()
        started_at = time_ns()
        # A thread that is interrupted between the two tries again: its span would seem to end before its children.
        if perf_counter_ns() - start_ns >= _MOMENT_NS:
            start_ns, started_at = moment()
    span = telemetry.tracer.start_span(name, parent, request.kind, attributes, start_time=started_at)
    activity.SHARED.any = True
    return span, started_at, start_ns


def moment() -> Moment:
    """Now, by ``perf_counter_ns`` and in nanoseconds since the epoch."""
    tries = _TRIES
    while True:
        start_ns = perf_counter_ns()
        started_at = time_ns()
        tries -= 1
        if perf_counter_ns() - start_ns < _MOMENT_NS or not tries:
            return start_ns, started_at


class Recording:
    """The span of a call, with its clock and its content. Layers of one call share it.

    Times are of one monotonic clock, so that the duration metric equals the span's duration.
    """

    __slots__ = (
        "_recorded",
        "_truncated",
        "content",
        "emits_events",
        "end_ns",
        "first_chunk_ns",
        "instruments",
        "last_chunk_ns",
        "on",
        "references",
        "span",
        "start_ns",
        "started_at",
        "telemetry",
    )

    def __init__(
        self, telemetry: Telemetry, span: Span, started_at: int, start_ns: int, joined: Joined | None = None
    ) -> None:
        """Record on ``span``, which :func:`start_span` has started at ``started_at`` and ``start_ns``."""
        self.telemetry = telemetry
        self.first_chunk_ns = self.last_chunk_ns = self.end_ns = 0
        #: Content by attribute, in plain types, for the event.
        self.content: dict[str, Json] = {}
        #: References to the whole content, by their attribute.
        self.references: Mapping[str, str] = _NO_REFERENCES
        #: Bytes of content by attribute.
        self._recorded: dict[str, int] | None = None
        self._truncated: tuple[str, ...] = ()
        self.started_at, self.start_ns = started_at, start_ns
        self.span = span
        #: Whether the conventions' events are ours to emit.
        self.emits_events = True
        self.instruments = telemetry.instruments
        if joined is not None:
            self.emits_events = joined.emits_events
            self.instruments = joined.instruments or telemetry.instruments
        #: Whether the span is recording.
        self.on = span.is_recording()

    # --- time ------------------------------------------------------------------------------------

    def chunk(self, now_ns: int) -> None:
        self.last_chunk_ns = now_ns
        if not self.first_chunk_ns:
            self.first_chunk_ns = now_ns

    def stop_clock(self) -> None:
        self.end_ns = perf_counter_ns()

    @property
    def duration_ns(self) -> int:
        return (self.end_ns or perf_counter_ns()) - self.start_ns

    @property
    def time_to_first_chunk(self) -> float | None:
        """In seconds; ``None`` before the first chunk."""
        return (self.first_chunk_ns - self.start_ns) / 1e9 if self.first_chunk_ns else None

    def speed(self, tokens: int | None, seconds: float) -> Mapping[str, float]:
        """How fast a stream of ``seconds`` brought its output ``tokens``, by attribute; empty if that is not known."""
        if not tokens or not self.first_chunk_ns:
            return NO_SPEED
        speed = {s.LLM_OUTPUT_TOKENS_PER_SECOND: tokens / seconds}
        if tokens > 1:
            speed[s.LLM_TIME_PER_OUTPUT_TOKEN] = (self.last_chunk_ns - self.first_chunk_ns) / 1e9 / (tokens - 1)
        return speed

    # --- content ---------------------------------------------------------------------------------

    @property
    def logged(self) -> bool:
        """Whether anyone takes events, and they are ours to emit."""
        return self.emits_events and self.telemetry.logged

    @property
    def content_on_span(self) -> bool:
        settings = self.telemetry.settings
        return self.on and (settings.capture_content.on_span or capture.WANTED.has(self.span))

    @property
    def wants_content(self) -> bool:
        telemetry = self.telemetry
        return (
            self.content_on_span
            or (self.on and telemetry.upload is not None)
            or (self.logged and telemetry.settings.capture_content.on_event)
        )

    @property
    def recorded_content(self) -> Mapping[str, Any]:
        """Content by attribute, for the event or from the span, where other attributes are among it; empty unless
        content is captured of every call."""
        if not self.telemetry.captures_all:
            return {}
        return self.content or getattr(self.span, "attributes", None) or {}

    @guard.never_raise
    def record_input(self, content: Callable[[], Content]) -> None:
        """Record what is asked. To be called at the start: the caller may change its messages during the call."""
        if self.wants_content:
            self.record(content().by_attribute())

    @guard.never_raise
    def complete_input(self, content: Callable[[], Content]) -> None:
        """Record what an inner layer is asked, as far as no layer above has recorded it."""
        recorded = self._recorded or ()
        if s.INPUT_MESSAGES not in recorded and self.wants_content:
            self.record({name: value for name, value in content().by_attribute().items() if name not in recorded})

    @guard.never_raise
    def record_output(self, output: Callable[[], list[Json]], failed: bool) -> None:
        if self.wants_content and (messages := output()):
            self.record({s.OUTPUT_MESSAGES: finish_reasons.in_messages(messages, failed)})

    def record(self, parts: Mapping[str, Json]) -> None:
        """Record content by attribute: a string as it is, anything else as JSON."""
        settings = self.telemetry.settings
        on_span = self.content_on_span
        truncated: list[str] = []
        if (recorded := self._recorded) is None:
            recorded = self._recorded = {}
        most, of_one = settings.span_content_max_bytes, settings.content_max_bytes
        for told, value in boundary.SHARED.visible(parts).items():
            name = utf8(told)
            room = most - sum(recorded.values()) + recorded.setdefault(told, 0)
            if s.OUTPUT_MESSAGES not in recorded:
                room -= min(of_one, most // 2)  # for the answer, which comes last
            if room < MIN_CONTENT_BYTES:
                truncated.append(name)
                continue
            encoded, cut = encode(value, min(of_one, room), name, partial(self._upload, name))
            if encoded is None:
                continue
            recorded[told] = len(encoded) if encoded.isascii() else len(encoded.encode())
            if cut:
                truncated.append(name)
            if on_span:
                self.span.set_attribute(name, encoded)
            if settings.capture_content.on_event:
                # What is on the span, in plain types: ``value`` holds the caller's own objects.
                self.content[name] = encoded if isinstance(value, str) else structure(encoded)
        if truncated and on_span:
            self._truncated = tuple(dict.fromkeys((*self._truncated, *truncated)))
            self.span.set_attribute(s.LLM_CONTENT_TRUNCATED, self._truncated)

    def _upload(self, name: str, encoded: str) -> None:
        """Have ``encoded``, the whole content that becomes the attribute ``name``, stored, and refer to it."""
        upload = self.telemetry.upload
        if upload is not None and self.on and (reference := upload.put(encoded)) is not None:
            self.references = {**self.references, name + "_ref": reference}
            self.span.set_attribute(name + "_ref", reference)

    def error_text(self, error: BaseException) -> str | None:
        """The text for the span's status, if content is captured: it may hold words of the prompt."""
        captures = self.telemetry.tells_errors or self.content_on_span
        return _message(error) if captures and boundary.SHARED.shows_errors else None

    # --- events ----------------------------------------------------------------------------------

    def emit(self, event: str, severity: SeverityNumber, attributes: Mapping[str, Any], context: Context) -> None:
        self.telemetry.logger.emit(
            LogRecord(
                timestamp=time_ns(),
                context=context,
                severity_number=severity,
                event_name=event,
                attributes=dict(attributes),
            )
        )


def recording_on(telemetry: Telemetry, joined: Joined, attributes: Mapping[str, AttributeValue]) -> Recording:
    """A recording on the span that a call has joined, which gets those of the ``attributes`` that it lacks."""
    joined.span.set_attributes(attributes)
    activity.SHARED.any = True
    return Recording(telemetry, joined.span, time_ns(), perf_counter_ns(), joined)


# The text of an error of another library may fail: that must not keep the call open.
_message = guard.never_raise(errors.message)
