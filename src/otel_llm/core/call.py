"""One GenAI operation: its span, metrics, event and content; started once and ended exactly once.

A provider maps its SDK's request to :class:`.Request` and its answer to :class:`.Response`; everything about telemetry
is here.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, Self

from opentelemetry import context as otel_context
from opentelemetry._logs import SeverityNumber
from opentelemetry.trace import SpanKind, set_span_in_context

from .. import guard
from .. import semconv as s
from ..background import deferred, finalizers
from ..content import boundary, capture
from ..content.encoding import Json
from ..content.messages import Content
from ..propagation import state
from . import cancellation, errors
from .chunk_times import ChunkTimes
from .decisions import Decision
from .ending import record_end
from .foreign import LEFT
from .listeners import EndedCall
from .recording import Moment, Recording, recording_on, start_span
from .request import AttributeValue, Request, Response
from .telemetry import Telemetry

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span


class Owner(Protocol):
    """What ends a call in the normal case: the observer of a stream, a manual span, a run of LangChain."""

    def abandon(self) -> None:
        """End the call with what has come of the answer, unless it has ended."""


class Call:
    """An operation under way. Not reusable; every method after the end does nothing.

    ``context`` is the context inside of the call: with its span current.
    """

    __slots__ = ("_agent", "_chunks", "_open", "_owner", "_recording", "context", "request")

    counted = True

    def __init__(self, recording: Recording, request: Request, context: Context) -> None:
        """A call that writes to ``recording``; :meth:`begin` starts one with a span of its own."""
        self._recording = recording
        self.request = request
        self.context = context
        #: The agent that counts this call, held weakly.
        self._agent: Callable[[], Any] | None = None
        self._owner: Callable[[], Owner | None] | None = None
        self._chunks: ChunkTimes | None = None
        self._open = [None]  # popped by whoever ends the call: atomic, unlike a flag

    @classmethod
    def begin(
        cls, telemetry: Telemetry, request: Request, parent: Context | None = None, started: Moment | None = None
    ) -> Self:
        """Start a call with a span in ``parent`` (default: the current context), as of ``started`` (default: now)."""
        if finalizers.SHARED.postponed:
            finalizers.catch_up()
        if parent is None:
            parent = otel_context.get_current()
        attributes = request.attributes
        around = prompt = joined = None
        if parent and (around := state.of(parent)) is not None:
            prompt = around.describe(attributes)
        name = f"{request.operation} {request.subject}" if request.subject else request.operation
        boundary.clean(attributes)
        if parent:
            joined = telemetry.foreign.join(request, parent)
        if joined is None:
            recording = Recording(telemetry, *start_span(telemetry, name, request, attributes, parent, started))
            context = set_span_in_context(recording.span, parent)
        else:
            recording, context = recording_on(telemetry, joined, attributes), parent
        if parent and request.kind is SpanKind.CLIENT and request.operation != s.RETRIEVAL:
            context = state.private(context)
        call = cls(recording, request, context)
        if joined is LEFT:
            call._open.clear()
            return call
        if around is not None:
            call._agent = around.agent
        if (telemetry.captures_all or capture.WANTED.all) and request.content is not None:
            recording.record_input(request.content)
        if prompt is not None:
            call.record_prompt(prompt)
        telemetry.add(call)
        return call

    def owned_by(self, owner: Owner) -> None:
        """Let ``owner``, which is held weakly, end the call if it is abandoned: it knows the answer so far."""
        self._owner = weakref.ref(owner)

    # --- what is known of it -----------------------------------------------------------------

    @property
    def span(self) -> Span:
        return self._recording.span

    @property
    def started_at(self) -> int:
        """When it began, in nanoseconds since the epoch."""
        return self._recording.started_at

    @property
    def started_ns(self) -> int:
        """When it began, by ``perf_counter_ns``."""
        return self._recording.start_ns

    @property
    def recording(self) -> bool:
        """Whether the span is recording."""
        return self._recording.on

    @property
    def ended(self) -> bool:
        return not self._open

    @property
    def described(self) -> bool:
        """Whether anyone sees more of the answer than its metrics."""
        if not self._open:
            return False
        recording, telemetry = self._recording, self._recording.telemetry
        listeners = telemetry.listeners
        if recording.on or listeners.all or listeners.estimator is not None:
            return True
        return telemetry.wants_event and recording.logged

    @property
    def wanted(self) -> bool:
        """Whether anyone will see the answer: if not, it need not be read."""
        return self.measured or self.described

    @property
    def measured(self) -> bool:
        """Whether anyone reads the metrics; not of a call that has ended, or is left to another library."""
        return bool(self._open) and self._recording.telemetry.measured

    # --- content ---------------------------------------------------------------------------

    @guard.never_raise
    def record_content(self, parts: Callable[[], Mapping[str, Json]]) -> None:
        """Record more content by attribute, if it is captured: a string as it is, anything else as JSON.

        ``parts`` is called only then.
        """
        recording = self._recording
        if recording.telemetry.captures_content and self._open and recording.wants_content:
            recording.record(parts())

    def record_prompt(self, prompt: Any) -> None:
        """Record the template and variables of ``prompt``, if it has them and content is captured."""
        words: Callable[[], Mapping[str, Json]] | None = getattr(prompt, "content", None)
        if callable(words):
            self.record_content(words)

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
                self.record_prompt(prompt)
        request.content = request.content or content
        if self._recording.telemetry.captures_content and content is not None and self._open:
            self._recording.record_input(content)

    def discard(self) -> None:
        """The call turns out to be none of ours. Its span never ends, so it is never exported."""
        self._open.clear()
        self._recording.telemetry.under_way.pop(id(self), None)

    # --- chunks of a stream ----------------------------------------------------------------------

    @property
    def streams(self) -> bool:
        """Whether a chunk has come."""
        return self._chunks is not None

    def chunk(self, now_ns: int, response_model: str | None = None) -> None:
        """A chunk has come at ``now_ns`` of ``perf_counter_ns``, from ``response_model`` if that is known by now."""
        if self._chunks is None:
            self._chunks = ChunkTimes(self._recording, now_ns)
        elif self._chunks.add(now_ns):
            self._settle_chunks(response_model)

    def _settle_chunks(self, response_model: str | None) -> None:
        if self._chunks is not None:
            self._chunks.settle(self.request.attributes, response_model, self.context)

    # --- the end -------------------------------------------------------------------------------

    def finish(self, response: Response | None = None, outcome: str | None = None) -> None:
        """End the call with the provider's answer. ``outcome`` says how a stream ended, other than by its end."""
        if self._claim():
            answer = Response() if response is None else response
            self._complete(answer, {s.LLM_STREAM_OUTCOME: outcome} if outcome else {})

    def abandon(self) -> None:
        """End the call with the answer so far, because the process ends."""
        owner = None if self._owner is None else self._owner()
        if owner is not None:
            owner.abandon()
        else:
            self.finish(self._so_far(), "abandoned")

    def _so_far(self) -> Response | None:
        return None

    def stop_clock(self) -> None:
        """The operation is over now, though :meth:`finish` or :meth:`fail` is called later."""
        self._recording.stop_clock()

    @guard.never_raise
    def fail(self, error: BaseException, response: Response | None = None) -> None:
        """End the call with ``error``; ``response`` is what had come of the answer before.

        A cancellation, unless by a timeout, the end of the program by Ctrl-C or ``sys.exit()``, and a ``GeneratorExit``
        are outcomes, not errors. Which it is may show only a moment later: then the call ends as of now, but its span
        is ended a moment later. A :class:`.Decision` that leaves a call of a model is an outcome too.
        """
        if not self._claim():
            return
        answer = response or Response()
        if isinstance(error, Decision) and self.request.kind is SpanKind.CLIENT:
            self._leave(error, answer, error.outcome)
        elif isinstance(error, Exception):
            self._fail(error, answer)
        else:
            self.stop_clock()
            cancellation.leave(error, lambda outcome: self._leave(error, answer, outcome))

    def _leave(self, error: BaseException, response: Response, outcome: str | None) -> None:
        if outcome is None:
            self._fail(error, response)
        else:
            self._complete(response, {s.LLM_STREAM_OUTCOME: outcome})

    @guard.never_raise
    def _fail(self, error: BaseException, response: Response) -> None:
        recording = self._recording
        self._complete(response, {**errors.described(error, recording.telemetry.error_readers)}, error)
        if recording.logged:
            about = errors.event_attributes(error, recording.telemetry.tells_errors)
            recording.emit(s.EVENT_OPERATION_EXCEPTION, SeverityNumber.WARN, about, self.context)

    def _claim(self) -> bool:
        """Return whether the call has not ended yet; from now on it has, and who asked must complete it."""
        try:
            self._open.pop()
        except IndexError:
            return False
        self._recording.telemetry.under_way.pop(id(self), None)
        if cancellation.SHARED.undecided:  # a cancelled call inside of this one is to end before it
            cancellation.settle()
        return True

    def _complete(
        self, response: Response, attributes: dict[str, AttributeValue], error: BaseException | None = None
    ) -> None:
        """Record the end and end the span. Never raises; adds to ``attributes``."""
        recording = self._recording
        duration_ns = recording.duration_ns
        try:
            if self._chunks is not None:
                self._settle_chunks(response.model)
            if self._agent is not None and (agent := self._agent()) is not None:
                agent.count(self.request.operation, response)
        except Exception as failure:
            guard.report("Call._complete", failure)
        try:
            record_end(
                recording,
                self.request,
                self.context,
                response,
                duration_ns,
                attributes,
                error,
                self._record_metrics,
            )
        except Exception as failure:
            guard.report("Call._complete", failure)

    def _record_metrics(self, ended: EndedCall) -> None:
        deferred.do(self._recording.instruments.call, ended)
