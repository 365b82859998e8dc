"""One model call that passes several instrumented layers (LangChain over openai) is one span, and counts once.

An outer layer starts a :class:`LayeredCall` with :func:`start_outer` and makes the context of :func:`enclose` current
while inner layers run. An inner layer that calls :func:`start` then gets an :class:`InnerCall`. It has the same
interface, but adds what it learns to the enclosing call. The innermost layer has the best data, as it talks to the
provider.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import TypeVar, cast

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from .. import guard
from .. import semconv as s
from ..content.boundary import clean_text
from . import errors
from .call import Call
from .listeners import EndedCall
from .recording import Recording
from .request import AttributeValue, Request, Response
from .telemetry import Telemetry

_C = TypeVar("_C", bound=Call)
_KEY = otel_context.create_key("otel_llm-enclosing-call")


def enclosing(context: Context | None = None) -> LayeredCall | None:
    """The unfinished call that encloses ``context`` (default: the current one), or ``None``."""
    reference = (otel_context.get_current() if context is None else context).get(_KEY)
    call = reference() if isinstance(reference, weakref.ref) else None
    return call if isinstance(call, LayeredCall) and not call.ended else None


def enclose(call: LayeredCall | None, context: Context, others: Mapping[str, object] | None = None) -> Context:
    """A copy of ``context`` that ``call`` encloses, or no call if it is ``None``. ``others`` are set in it, too.

    The context refers to the call weakly, because the call refers to its context.
    """
    return Context({**context, **(others or {}), _KEY: None if call is None else weakref.ref(call)})


def start(telemetry: Telemetry, request: Request, parent: Context | None = None) -> Call:
    """Start a call that has no layers below it. Inside an enclosing call, it becomes a layer of that call."""
    context = otel_context.get_current() if parent is None else parent
    outer = enclosing(context) if _KEY in context else None
    return _start(Call, telemetry, request, context, outer)


def start_outer(telemetry: Telemetry, request: Request, parent: Context | None = None) -> LayeredCall:
    """Start a call that may have layers below it, which run in the context of :func:`enclose`."""
    return _start(LayeredCall, telemetry, request, parent, enclosing(parent))


def _start(
    kind: type[_C], telemetry: Telemetry, request: Request, parent: Context | None, outer: LayeredCall | None
) -> _C:
    if outer is None or s.LLM_PROMPT_TEMPLATE_HASH not in outer.request.attributes:
        telemetry.listeners.prepare(request)
    if (prompt := request.prompt) is not None:
        request.attributes.update(prompt.attributes())
    if outer is None or not _same_family(outer.request.operation, request.operation):
        call = kind.begin(telemetry, request, parent)
    else:
        call = cast("_C", InnerCall(outer, request))
    if prompt is not None:
        call.record_prompt(prompt)
    request.texts = None  # the caller's, who may change them
    return call


def _same_family(outer: str, inner: str) -> bool:
    if outer in s.INFERENCE_OPERATIONS:
        return inner in s.INFERENCE_OPERATIONS
    return outer == inner == s.EMBEDDINGS


class LayeredCall(Call):
    """A call to which layers below may add."""

    __slots__ = ("__weakref__", "_errors", "_layers", "_learned", "answer", "cached", "joined")

    def __init__(self, recording: Recording, request: Request, context: Context) -> None:
        super().__init__(recording, request, context)
        #: Whether a layer below has started. It then reports the chunks.
        self.joined = False
        #: Whether the answer came from a cache. Then no provider was called, and no metric counts it.
        self.cached = False
        self._layers: list[Response] = []
        self._errors: Mapping[str, AttributeValue] = {}
        #: Attributes that became known after the span started. They are set when it ends.
        self._learned: dict[str, AttributeValue] = {}
        #: The answer of all layers, once the call has ended.
        self.answer = Response()

    def know(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Add attributes of the request."""
        known = self.request.attributes
        new = {name: value for name, value in attributes.items() if known.get(name) != value}
        new.pop(s.OPERATION_NAME, None)
        if not new:
            return
        known.update(new)
        self._learned.update(new)

    def learn(self, request: Request) -> None:
        """Take over the request of a layer below."""
        self.joined = True
        self.request.choices = request.choices
        self.know(request.attributes)

    def add(self, response: Response, provider_errors: Mapping[str, AttributeValue]) -> None:
        """Take over the answer of a layer below."""
        self._layers.append(response)
        self._errors = provider_errors

    @property
    def answered(self) -> bool:
        """Whether a layer below has received a complete answer."""
        return any(layer.usage and layer.finish_reasons for layer in self._layers)

    def answered_from_cache(self, attribute: str) -> None:
        """Note that the answer came from a cache; ``attribute`` records it on the span."""
        self.cached = True
        self._agent = None
        self._learned[attribute] = True

    def _record_metrics(self, ended: EndedCall) -> None:
        if not self.cached:
            super()._record_metrics(ended)

    def _settle_chunks(self, response_model: str | None) -> None:
        if self._chunks is not None:
            self._chunks.settle(self.request.attributes, response_model, self.context, counts=not self.cached)

    def _merged(self, response: Response | None) -> Response:
        response = response or Response()
        return merge(response, self._layers) if self._layers else response

    @guard.never_raise
    def _complete(
        self, response: Response, attributes: dict[str, AttributeValue], error: BaseException | None = None
    ) -> None:
        self.answer = self._merged(response)
        if self._errors and (error is not None or response.error is not None):
            attributes = {**self._errors, **attributes}
        if self._learned:
            attributes = {**self._learned, **attributes}
            if (model := self._learned.get(s.REQUEST_MODEL)) is not None and self.recording:
                self.span.update_name(clean_text(f"{self.request.operation} {model}"))
        super()._complete(self.answer, attributes, error)


class InnerCall(LayeredCall):
    """An inner layer of a call. It has no span of its own, but writes to that of the enclosing call."""

    __slots__ = ("_outer",)

    counted = False

    def __init__(self, outer: LayeredCall, request: Request) -> None:
        super().__init__(outer._recording, request, otel_context.get_current())
        self._outer = outer
        outer.learn(request)
        outer._recording.telemetry.add(self)
        if outer._recording.telemetry.captures_content and request.content is not None:
            outer._recording.complete_input(request.content)

    def learn(self, request: Request) -> None:
        super().learn(request)
        self._outer.learn(request)

    def stop_clock(self) -> None:
        """Do nothing: the enclosing call has its own clock."""

    def _settle_chunks(self, response_model: str | None) -> None:
        outer = self._outer
        while isinstance(outer, InnerCall):
            outer = outer._outer
        if self._chunks is not None:
            self._chunks.settle(outer.request.attributes, response_model, outer.context)

    @guard.never_raise
    def fail(self, error: BaseException, response: Response | None = None) -> None:
        # The enclosing call sees the error itself.
        known = errors.described(error, self._recording.telemetry.error_readers)
        del known[s.ERROR_TYPE]
        self._pass_on(response, {**known, **_code(response)})

    @guard.never_raise
    def finish(self, response: Response | None = None, outcome: str | None = None) -> None:
        self._pass_on(response, _code(response))

    def _pass_on(self, response: Response | None, provider_errors: Mapping[str, AttributeValue]) -> None:
        try:
            self._open.pop()
        except IndexError:
            return
        self._recording.telemetry.under_way.pop(id(self), None)
        self.answer = self._merged(response)
        self._settle_chunks(self.answer.model)
        self._outer.add(self.answer, provider_errors)


def _code(response: Response | None) -> Mapping[str, AttributeValue]:
    """The code of the error that came as an answer."""
    return {} if response is None or response.error is None else errors.answered_code(response.error)


def merge(own: Response, layers: list[Response]) -> Response:
    """The answer of a layer, completed from the ``layers`` below it. Their data come first, and their tokens add up."""
    usage: dict[str, int] = {}
    # If all reasons are missing in the layer above, the provider may still have given some.
    reasons = own.finish_reasons if any(own.finish_reasons or ()) else None
    told, counted = dict(own.attributes), dict(own.metric_attributes)
    merged = Response(own.id, own.model, reasons, attributes=told, metric_attributes=counted)
    merged.provider_reasons = own.provider_reasons
    merged.output, merged.error = (layers[0].output if len(layers) == 1 else None) or own.output, own.error
    for layer in layers:
        merged.id = layer.id or merged.id
        merged.model = layer.model or merged.model
        if layer.finish_reasons:
            merged.finish_reasons, merged.provider_reasons = layer.finish_reasons, layer.provider_reasons
        merged.attributes.update(layer.attributes)
        merged.metric_attributes.update(layer.metric_attributes)
        merged.output = merged.output or layer.output
        merged.billed += layer.billed
        for name, count in layer.usage.items():
            usage[name] = usage.get(name, 0) + count
    merged.usage, merged.billed = usage or own.usage, merged.billed or own.billed
    merged.cost = _total([layer.cost for layer in layers]) or own.cost
    return merged


def _total(costs: list[tuple[float, str] | None]) -> tuple[float, str] | None:
    """The sum of what all layers cost, ``None`` unless all are known, in one currency."""
    known = [cost for cost in costs if cost is not None]
    if len(known) < len(costs) or len({currency for _, currency in known}) != 1:
        return None
    return sum(amount for amount, _ in known), known[0][1]
