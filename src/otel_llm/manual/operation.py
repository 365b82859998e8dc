"""What every manual span is: a call that is begun and ended by the application."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, cast

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import Status, StatusCode, set_span_in_context

from .. import guard
from .. import semconv as s
from ..background import finalizers
from ..content.boundary import cleaned
from ..core import errors
from ..core.call import Call
from ..core.recording import Recording
from ..core.request import AttributeValue, Request, Response
from ..core.telemetry import Telemetry
from ..propagation import state, validation
from ..propagation.attach import Frame
from ..propagation.state import Describes
from ..propagation.validation import Value
from . import content, scope
from .requests import plain_attributes

#: So many items of a generator are kept where they are what comes out.
_MAX_ITEMS = 1000


class StepCall(Call):
    """A span with neither metrics nor an event: of a step the conventions have no operation for.

    Steps may be many and small: this one costs what a span costs, and next to nothing where it is not recorded.
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
            # The request may be that of every call of a function.
            request = Request(request.operation, None, attributes.copy(), 0, kind=request.kind)
        call = cls(recording, request, set_span_in_context(recording.span, parent))
        if not recording.on:
            call._open.clear()
        return call

    def _end(
        self, response: Response, attributes: dict[str, AttributeValue], error: BaseException | None = None
    ) -> bool:
        try:
            self._open.pop()
        except IndexError:
            return False
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
            guard.report("StepCall._end", failure)
        return error is not None


class Operation:
    """A manual span: a context manager, ``with`` as well as ``async with``, and what can be told of it inside.

    An error that leaves it ends the span with it, and is raised on. Where nothing listens all of it does nothing.
    """

    __slots__ = ("_call", "_frame", "_request", "given", "kept", "says_output")

    #: The attributes that hold what goes in and what comes out (content).
    INPUT: str | None = s.LLM_STEP_INPUT
    OUTPUT: str | None = s.LLM_STEP_OUTPUT

    def __init__(self, request: Request | None, given: Any = content.NOTHING) -> None:
        self._request = request
        #: Gives what goes in; called only when content is captured.
        self.given: Callable[[], Any] | None = None if given is content.NOTHING else lambda: given
        #: What a generator has yielded, where that is what comes out.
        self.kept: list[Any] | None = None
        #: Whether the application itself said what comes out.
        self.says_output = False
        self._call: Call | None = None
        self._frame: Frame | None = None

    def another(self) -> Self:
        """One like this, which has not begun either."""
        made = object.__new__(type(self))
        asked: Any = self._request
        Operation.__init__(made, replace(asked, attributes=asked.attributes.copy()))
        return made

    # --- beginning and end ---------------------------------------------------------------------

    def begin(self, parent: Context, telemetry: Telemetry) -> Context | None:
        """Start the span below ``parent``; gives the context inside of it, ``None`` if that failed."""
        request, self._request = self._request, None
        if request is None:
            raise RuntimeError("this span has been begun already; make one for each use")
        try:
            call = self._start(telemetry, request, parent)
            if call.ended:
                return call.context
            self._call = call
            if not telemetry.captures_content:
                self.kept = None
            if self.given is not None:
                self._tell(call, self.INPUT, self.given)
            return scope.inside(self, self._within(call))
        except Exception as error:
            guard.report("manual: beginning a span", error)
            return None

    def _start(self, telemetry: Telemetry, request: Request, parent: Context) -> Call:
        return StepCall.begin(telemetry, request, parent)

    def _within(self, call: Call) -> Context:
        return call.context

    @property
    def under_way(self) -> bool:
        return self._call is not None

    @property
    def known(self) -> Mapping[str, AttributeValue]:
        """The attributes that it has by what the application told of it."""
        return self._call.request.attributes if self._call is not None else {}

    def end(self, error: BaseException | None = None, outcome: str | None = None) -> None:
        """End the span, by ``error`` if there is one; ``outcome`` says how a generator ended, other than by its end."""
        # What is inside may be kept long after (by tasks, records, exemplars), and with it this, but not the call.
        call, self._call = self._call, None
        if call is None or call.ended:
            return
        if (kept := self.kept) and (name := self.OUTPUT) is not None:
            call.record_content(lambda: content.of_items(name, kept))
        self.given = self.kept = None
        if isinstance(error, GeneratorExit):
            error, outcome = None, "closed"
        if error is not None and not errors.bubbles_up(error):
            call.fail(error, self._answer(call))
        elif outcome is not None:
            # Whoever closes a generator may be the garbage collector, at any place.
            call.stop_clock()
            finalizers.run(lambda: call.finish(self._answer(call), outcome))
        else:
            call.finish(self._answer(call))

    def _answer(self, call: Call) -> Response | None:
        return None

    def __enter__(self) -> Self:
        current = otel_context.get_current()
        telemetry = scope.telemetry(current)
        inside = None if telemetry is None else self.begin(current, telemetry)
        if inside is not None:
            self._frame = Frame(inside)
            self._frame.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        frame, self._frame = self._frame, None
        if frame is not None:
            frame.__exit__(kind, error, trace)
        self.end(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    # --- what is told of it --------------------------------------------------------------------

    def update(
        self,
        *,
        tags: Iterable[str] | None = None,
        metadata: Mapping[str, Value] | None = None,
        prompt: Describes | None = None,
        input: Any = content.NOTHING,  # noqa: A002
        output: Any = content.NOTHING,
        attributes: Mapping[str, AttributeValue] | None = None,
        response: Mapping[str, Any] | None = None,
    ) -> Self:
        """Tell more of this span: tags and metadata are added to those it has, ``attributes`` are set.

        ``input`` and ``output`` are content: recorded only if content is captured. So are the variables of ``prompt``.
        ``response`` is what the method ``response`` of a model's call takes; for another span that is logged, once.
        """
        more = validation.tag_list(tags)
        entries = validation.metadata_of(metadata)
        prompt = validation.describing("prompt", prompt)
        given = plain_attributes(attributes)
        if response is not None:
            self._respond(response)
        call = self._call
        if call is not None and not call.ended:
            if more or entries:
                given |= validation.added(call.request.attributes, more, entries)
            if given:
                self._set(call, given)
            if prompt is not None:
                self._prompted(call, prompt)
            if input is not content.NOTHING:
                self._tell(call, self.INPUT, lambda: input)
            if output is not content.NOTHING:
                self.kept, self.says_output = None, True
                self._tell(call, self.OUTPUT, lambda: output)
        return self

    def _respond(self, response: Mapping[str, Any]) -> None:
        if self._call is not None:
            # Which span is the nearest hangs on what is configured and sampled: no reason to fail where it was right.
            guard.report(f"update(response=...) of a {type(self).__name__}, which is no call of a model", TypeError())

    @guard.never_raise
    def _set(self, call: Call, attributes: Mapping[str, AttributeValue]) -> None:
        call.request.attributes.update(attributes)
        if call.recording:
            call.span.set_attributes(attributes)

    @guard.never_raise
    def _prompted(self, call: Call, prompt: Describes) -> None:
        attributes = cleaned(prompt.attributes())
        if call.request.attributes.get(s.OPERATION_NAME) not in s.INFERENCE_OPERATIONS:
            # It is an inference that is led by a prompt; other spans have no room for it in the conventions.
            for own, name in ((s.LLM_PROMPT_NAME, s.PROMPT_NAME), (s.LLM_PROMPT_VERSION, s.PROMPT_VERSION)):
                if (value := attributes.pop(name, None)) is not None:
                    attributes[own] = value
        self._set(call, attributes)
        words: Any = getattr(prompt, "content", None)
        if callable(words):
            call.record_content(lambda: content.of_prompt(cast("Mapping[str, Any]", words()), self.INPUT))

    def _tell(self, call: Call, name: str | None, value: Callable[[], Any]) -> None:
        if name is not None:
            call.record_content(lambda: content.of(name, value()))

    def returned(self, value: Any) -> None:
        """The function that is this operation has returned ``value``: its output, if the application said no other."""
        if not self.says_output:
            self.update(output=value)

    def item(self, value: Any) -> None:
        """A generator that is this operation has yielded ``value``."""
        if self.kept is not None and len(self.kept) < _MAX_ITEMS:
            self.kept.append(value)


#: Where nothing is under way.
NOWHERE = Operation(None)
