"""The call of a step, which the conventions have no operation for."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.trace import Status, StatusCode, set_span_in_context

from .. import guard
from ..core.call import Call
from ..core.recording import Recording, start_span
from ..core.request import AttributeValue, Request, Response
from ..core.telemetry import Telemetry
from ..propagation import state


class Unrecorded:
    """A step whose span is not recorded: there is nothing to add and nothing to end."""

    __slots__ = ("context",)

    def __init__(self, context: Context) -> None:
        self.context = context


class StepCall(Call):
    """A step: a span without metrics and events, as the conventions have no operation for it.

    An application may have many short steps, so this does less than :class:`.Call`, and almost nothing if the span is
    not recorded.
    """

    __slots__ = ()

    counted = False

    def _complete(
        self, response: Response, attributes: dict[str, AttributeValue], error: BaseException | None = None
    ) -> None:
        recording = self._recording
        ends_at = recording.started_at + recording.duration_ns
        try:
            if error is not None:
                recording.span.set_status(Status(StatusCode.ERROR, recording.error_text(error)))
            if attributes:
                recording.span.set_attributes(attributes)
            recording.span.end(ends_at)
        except Exception as failure:
            guard.report("StepCall._complete", failure)


def begin_step(telemetry: Telemetry, request: Request, parent: Context) -> StepCall | Unrecorded:
    """Start a step below ``parent``."""
    attributes = request.attributes
    if (around := state.of(parent)) is not None:
        attributes = attributes.copy()
        around.describe(attributes)
    span, started_at, start_ns = start_span(telemetry, request.operation, request, attributes, parent)
    context = set_span_in_context(span, parent)
    if not span.is_recording():
        return Unrecorded(context)
    # A copy, because all calls of a decorated function share one request, and this call may add attributes.
    request = Request(request.operation, None, attributes.copy(), 0, kind=request.kind)
    call = StepCall(Recording(telemetry, span, started_at, start_ns), request, context)
    telemetry.add(call)
    return call
