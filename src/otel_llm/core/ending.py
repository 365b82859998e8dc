"""Records the end of a call: the last attributes and the status of its span, its event, and what listeners hear."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from opentelemetry._logs import SeverityNumber
from opentelemetry.trace import SpanKind, Status, StatusCode

from .. import guard
from .. import semconv as s
from ..content import boundary, capture
from . import errors
from .listeners import NO_CONTENT, EndedCall
from .recording import NO_SPEED, Recording
from .request import AttributeValue, Request, Response

if TYPE_CHECKING:
    from opentelemetry.context import Context


def record_end(
    recording: Recording,
    request: Request,
    context: Context,
    response: Response,
    duration_ns: int,
    attributes: dict[str, AttributeValue],
    error: BaseException | None,
    measure: Callable[[EndedCall], None],
) -> None:
    """Record the end of a call of ``request`` after ``duration_ns``, and end its span. Adds to ``attributes``.

    ``measure`` is called with what metrics are to be recorded of. If the price of the call, or its tokens, are not
    known yet, the rest is done by another thread once they are.
    """
    telemetry = recording.telemetry
    held = False
    try:
        error_type = None
        if response.error is not None:
            error_type = errors.answered_type(response.error)
            if request.kind is SpanKind.CLIENT:
                attributes.update(errors.answered_code(response.error))
        if error is not None:
            error_type = str(attributes[s.ERROR_TYPE])
        seconds = duration_ns / 1e9
        first_chunk, speed = None, NO_SPEED
        if recording.first_chunk_ns:
            first_chunk = recording.time_to_first_chunk
            speed = recording.speed(response.usage.get(s.USAGE_OUTPUT_TOKENS), seconds)
        if (telemetry.captures_all or capture.WANTED.all) and response.output is not None:
            recording.record_output(response.output, error_type is not None)
        if recording.on or (telemetry.wants_event and recording.logged):
            response.describe(request, error_type is not None, attributes)
            if error_type is not None:
                attributes[s.ERROR_TYPE] = error_type
        listeners = telemetry.listeners
        completer = listeners.completer
        ended = EndedCall(
            request,
            response,
            recording.span,
            context,
            recording.started_at,
            seconds,
            first_chunk,
            speed,
            error_type,
            attributes,
            recording.recorded_content if listeners.all or completer is not None else NO_CONTENT,
        )
        to_measure = measure if telemetry.measured and s.OPERATION_NAME in request.attributes else None
        if completer is not None:
            rest = partial(_publish_later, recording, duration_ns, ended, error, to_measure)
            try:
                held = completer.holds(ended, rest)
            except Exception as failure:  # what is known of the call is recorded all the same
                guard.report("the price of a call", failure)
        if not held:
            _publish(recording, ended, error, to_measure)
    finally:
        if not held:
            recording.span.end(recording.started_at + duration_ns)


def _publish_later(
    recording: Recording,
    duration_ns: int,
    ended: EndedCall,
    error: BaseException | None,
    measure: Callable[[EndedCall], None] | None,
) -> None:
    """What is left of :func:`record_end`, on another thread."""
    try:
        _publish(recording, ended, error, measure)
    except Exception as failure:
        guard.report("the end of a call", failure)
    finally:
        recording.span.end(recording.started_at + duration_ns)


def _publish(
    recording: Recording,
    ended: EndedCall,
    error: BaseException | None,
    measure: Callable[[EndedCall], None] | None,
) -> None:
    """Tell the listeners, set the last attributes on the span, emit the event, and have metrics recorded."""
    telemetry, request, attributes = recording.telemetry, ended.request, ended.attributes
    if ended.unpriced is not None:
        attributes[s.LLM_UNPRICED_REASON] = ended.unpriced
    if telemetry.listeners.all:
        telemetry.listeners.notify(ended)
    ended.forget_content()
    emits_event = telemetry.wants_event and recording.logged
    if recording.on or emits_event:
        boundary.clean(attributes)
        attributes.update(ended.response.usage)
        if ended.time_to_first_chunk is not None:
            attributes[s.RESPONSE_TIME_TO_FIRST_CHUNK] = ended.time_to_first_chunk
            attributes.update(ended.speed)
    if recording.on:
        recording.span.set_attributes(attributes)
        if s.ERROR_TYPE in attributes:
            text = recording.error_text(error) if error is not None else None
            recording.span.set_status(Status(StatusCode.ERROR, text))
    if emits_event and request.operation in s.INFERENCE_OPERATIONS:
        about = {**request.attributes, **attributes, **recording.content, **recording.references}
        recording.emit(s.EVENT_OPERATION_DETAILS, SeverityNumber.DEBUG, about, ended.context)
    if measure is not None:
        measure(ended)
