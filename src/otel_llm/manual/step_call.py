"""The call of a step, which the conventions have no operation for."""

from __future__ import annotations

from typing import Self

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import Status, StatusCode, set_span_in_context

from .. import guard
from .. import semconv as s
from ..core import errors
from ..core.call import Call
from ..core.recording import Recording
from ..core.request import AttributeValue, Request, Response
from ..core.telemetry import Telemetry
from ..propagation import state


class StepCall(Call):
    """A step: a span without metrics and events, as the conventions have no operation for it.

    An application may have many short steps, so this does less than :class:`.Call`, and almost nothing if the span is
    not recorded.
    """

    __slots__ = ()

    @classmethod
    def begin(cls, telemetry: Telemetry, request: Request, parent: Context | None = None) -> Self:
        if parent is None:
            parent = otel_context.get_current()
        attributes = request.attributes
        if (around := state.of(parent)) is not None:
            attributes = attributes.copy()
            around.describe(attributes)
        recording = Recording(telemetry, request.operation, request, attributes, parent)
        if recording.on:
            # A copy, because all calls of a decorated function share one request, and this call may add attributes.
            request = Request(request.operation, None, attributes.copy(), 0, kind=request.kind)
        call = cls(recording, request, set_span_in_context(recording.span, parent))
        if not recording.on:
            call._open.clear()
        return call

    def _complete(
        self, response: Response, attributes: dict[str, AttributeValue], error: BaseException | None = None
    ) -> None:
        recording = self._recording
        ends_at = recording.started_at + recording.duration_ns
        try:
            if error is not None:
                attributes[s.ERROR_TYPE] = errors.error_type(error)
                recording.span.set_status(Status(StatusCode.ERROR, recording.error_text(error)))
            if attributes:
                recording.span.set_attributes(attributes)
            recording.span.end(ends_at)
        except Exception as failure:
            guard.report("StepCall._complete", failure)
