"""Records the end of a call: the last attributes and the status of its span, its event, and what listeners hear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry._logs import SeverityNumber
from opentelemetry.trace import SpanKind, Status, StatusCode

from .. import semconv as s
from ..content import boundary, capture
from . import errors
from .listeners import EndedCall
from .recording import Recording
from .request import AttributeValue, Request, Response

if TYPE_CHECKING:
    from opentelemetry.context import Context


def record_end(
    recording: Recording,
    request: Request,
    context: Context,
    response: Response,
    seconds: float,
    attributes: dict[str, AttributeValue],
    error: BaseException | None,
) -> EndedCall | None:
    """Record the end of a call of ``request`` after ``seconds``. Adds to ``attributes``.

    Returns what metrics are to be recorded of, ``None`` if there are none.
    """
    telemetry = recording.telemetry
    error_type = None
    if error is not None:
        error_type = str(attributes[s.ERROR_TYPE])
    elif response.error is not None:
        error_type = errors.answered_type(response.error)
        if request.kind is SpanKind.CLIENT:
            attributes.update(errors.answered_code(response.error))
    first_chunk = recording.time_to_first_chunk
    speed = recording.speed(response.usage.get(s.USAGE_OUTPUT_TOKENS, 0), seconds)
    if (telemetry.captures_all or capture.wanting) and response.output is not None:
        recording.record_output(response.output, error_type is not None)
    emits_event = telemetry.wants_event and recording.logged
    if recording.on or emits_event:
        response.describe(request, error_type is not None, attributes)
        if first_chunk is not None:
            attributes[s.RESPONSE_TIME_TO_FIRST_CHUNK] = first_chunk
            attributes.update(speed)
        if error_type is not None:
            attributes[s.ERROR_TYPE] = error_type
    ended: EndedCall | None = None
    measured = telemetry.measured and s.OPERATION_NAME in request.attributes
    if measured or telemetry.listeners.all:
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
            recording.recorded_content,
        )
        telemetry.listeners.notify(ended)
        ended.forget_content()
    if recording.on or emits_event:
        boundary.clean(attributes)
    if recording.on:
        recording.span.set_attributes(attributes)
        if error_type is not None:
            text = recording.error_text(error) if error is not None else None
            recording.span.set_status(Status(StatusCode.ERROR, text))
    if emits_event and request.operation in s.INFERENCE_OPERATIONS:
        content = recording.content if telemetry.settings.capture_content.on_event else {}
        about = {**request.attributes, **attributes, **content}
        recording.emit(s.EVENT_OPERATION_DETAILS, SeverityNumber.DEBUG, about, context)
    return ended if measured else None
