"""The base class of manual spans: calls that the application begins and ends itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, cast

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from .. import guard
from .. import semconv as s
from ..background import finalizers
from ..content.boundary import SHARED, cleaned
from ..core.call import Call
from ..core.request import AttributeValue, Request, Response
from ..core.telemetry import Telemetry
from ..propagation import validation
from ..propagation.attach import Frame
from ..propagation.state import Describes
from ..propagation.validation import Value
from ..providers._langgraph import bubbles_up
from . import content, scope
from .requests import plain_attributes
from .step_call import Unrecorded, begin_step

#: The maximum number of a generator's items that are kept as its output.
_MAX_ITEMS = 1000


class Operation:
    """A manual span: a context manager for ``with`` and ``async with``.

    An error that leaves the block ends the span with that error, and is raised further. If no OpenTelemetry SDK is
    configured, nothing is recorded.

    :raises RuntimeError: when it is entered a second time.
    """

    __slots__ = ("__weakref__", "_call", "_frame", "_input", "_output_is_set", "_request", "_yielded")

    #: The names of the content attributes for input and output; ``None`` if the operation has none.
    INPUT: str | None = s.LLM_STEP_INPUT
    OUTPUT: str | None = s.LLM_STEP_OUTPUT

    def __init__(self, request: Request | None, input: Any = content.UNSET) -> None:  # noqa: A002
        self._request = request
        #: Returns the input. Called only if content is captured.
        self._input: Callable[[], Any] | None = None if input is content.UNSET else lambda: input
        #: What a generator has yielded so far, if that is to be the output.
        self._yielded: list[Any] | None = None
        #: Whether the application has set the output itself.
        self._output_is_set = False
        self._call: Call | None = None
        self._frame: Frame | None = None

    def unstarted_copy(self) -> Self:
        """A copy without input, to be started on its own."""
        made = object.__new__(type(self))
        request: Any = self._request
        Operation.__init__(made, replace(request, attributes=request.attributes.copy()))
        return made

    def capture_input(self, value: Callable[[], Any]) -> None:
        """Record what ``value`` returns as the input. Called only if content is captured."""
        self._input = value

    def capture_yielded(self) -> None:
        """Record what the generator yields as the output."""
        self._yielded = []

    # --- start and end -------------------------------------------------------------------------

    def begin(self, parent: Context, telemetry: Telemetry) -> Context | None:
        """Start the span below ``parent``.

        Returns the context in which the span is current; ``None`` if the start failed.

        :raises RuntimeError: if it was started before.
        """
        request, self._request = self._request, None
        if request is None:
            raise RuntimeError("this span has been started already; make a new one for each use")
        try:
            call = self._start(telemetry, request, parent)
            if isinstance(call, Unrecorded):
                return call.context
            self._call = call
            call.owned_by(self)
            if not telemetry.captures_content:
                self._yielded = None
            if self._input is not None:
                self._record(call, self.INPUT, self._input)
            return scope.inside(self, self._context_within(call))
        except Exception as error:
            guard.report("manual: beginning a span", error)
            return None

    def _start(self, telemetry: Telemetry, request: Request, parent: Context) -> Call | Unrecorded:
        return begin_step(telemetry, request, parent)

    def _context_within(self, call: Call) -> Context:
        return call.context

    @property
    def under_way(self) -> bool:
        """Whether the span has started and not ended."""
        return self._call is not None

    @property
    def known(self) -> Mapping[str, AttributeValue]:
        """The attributes that are known of the span while it is under way."""
        return self._call.request.attributes if self._call is not None else {}

    def abandon(self) -> None:
        """End the span with what is known by now, because the block will not be left any more."""
        self.end(outcome="abandoned")

    def end(self, error: BaseException | None = None, outcome: str | None = None) -> None:
        """End the span, with ``error`` if there is one.

        ``outcome`` says how a generator ended if it was not exhausted. A second call does nothing.
        """
        # Contexts refer to this object and may be kept long after the end, so the call, which is larger, is let go.
        call, self._call = self._call, None
        if call is None or call.ended:
            return
        if (yielded := self._yielded) and (name := self.OUTPUT) is not None:
            call.record_content(lambda: content.attribute_of_items(name, yielded))
        self._input = self._yielded = None
        if isinstance(error, GeneratorExit):
            error, outcome = None, "closed"
        if error is not None and not bubbles_up(error):
            call.fail(error, self._response_of(call))
        elif outcome is not None:
            # The garbage collector may have closed the generator, and it runs at any place in the program.
            call.stop_clock()
            finalizers.run(lambda: call.finish(self._response_of(call), outcome))
        else:
            call.finish(self._response_of(call))

    def _response_of(self, call: Call) -> Response | None:
        return None

    def __enter__(self) -> Self:
        current = otel_context.get_current()
        telemetry = scope.manual_telemetry.listening(current)
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

    # --- what the application adds -------------------------------------------------------------

    def update(
        self,
        *,
        tags: Iterable[str] | None = None,
        metadata: Mapping[str, Value] | None = None,
        prompt: Describes | None = None,
        input: Any = content.UNSET,  # noqa: A002
        output: Any = content.UNSET,
        attributes: Mapping[str, AttributeValue] | None = None,
        response: Mapping[str, Any] | None = None,
    ) -> Self:
        """Add to this span, from its start to its end. Returns the span.

        ``tags`` and ``metadata`` are added to those that it has, at most 32 of each; ``attributes`` are set.
        ``prompt`` is a :class:`.Prompt` or a text that one made. ``input``, ``output`` and the variables of ``prompt``
        are content: they are recorded only if content is captured. ``response`` has arguments of the method
        ``response`` of a model's span; on another span it is left out, and the log says so once.

        Values of other types are converted, or left out with a warning. Nothing is raised.
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
                self._set_prompt(call, prompt)
            if input is not content.UNSET:
                self._record(call, self.INPUT, lambda: input)
            if output is not content.UNSET:
                self._yielded, self._output_is_set = None, True
                self._record(call, self.OUTPUT, lambda: output)
        return self

    def _respond(self, response: Mapping[str, Any]) -> None:
        if self._call is not None:
            # Logged and not raised: which span is the nearest depends on configuration and sampling, so the same code
            # may be right elsewhere.
            guard.report(f"update(response=...) of a {type(self).__name__}, which is no call of a model", TypeError())

    @guard.never_raise
    def _set(self, call: Call, attributes: Mapping[str, AttributeValue]) -> None:
        call.request.attributes.update(attributes)
        if call.recording:
            call.span.set_attributes(attributes)

    @guard.never_raise
    def _set_prompt(self, call: Call, prompt: Describes) -> None:
        attributes = cleaned(prompt.attributes())
        if call.request.attributes.get(s.OPERATION_NAME) not in s.INFERENCE_OPERATIONS:
            # The conventions allow their prompt attributes on inferences only. Other spans get our own.
            for own, name in ((s.LLM_PROMPT_NAME, s.PROMPT_NAME), (s.LLM_PROMPT_VERSION, s.PROMPT_VERSION)):
                if (value := attributes.pop(name, None)) is not None:
                    attributes[own] = value
        self._set(call, attributes)
        prompt_content: Any = getattr(prompt, "content", None)
        if callable(prompt_content):
            call.record_content(
                lambda: content.prompt_attributes(
                    SHARED.visible(cast("Mapping[str, Any]", prompt_content())), self.INPUT
                )
            )

    def _record(self, call: Call, name: str | None, value: Callable[[], Any]) -> None:
        """Record what ``value`` returns as the content attribute ``name``, if content is captured."""
        if name is not None:
            call.record_content(lambda: content.attribute(name, value()))

    def returned(self, value: Any) -> None:
        """Record ``value``, which the decorated function returned, as output, unless the application has set one."""
        if not self._output_is_set:
            self.update(output=value)

    def item(self, value: Any) -> None:
        """Note that the decorated generator has yielded ``value``."""
        if self._yielded is not None and len(self._yielded) < _MAX_ITEMS:
            self._yielded.append(value)


#: Stands for the nearest span where there is none: updating it does nothing.
NO_OPERATION = Operation(None)
