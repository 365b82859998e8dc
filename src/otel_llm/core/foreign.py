"""Spans of other libraries that stand for the same operation: a framework that traces itself, another instrumentation.

Such a span is current where our call begins. Two spans and two counts of one model call would be wrong, so the call
joins that span (:class:`.joined_span.JoinedSpan`), or is left to it, as ``OTEL_LLM_FOREIGN_SPANS`` says.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, Span, get_current_span

from .. import guard
from .. import semconv as s
from ..config.choices import ForeignSpans
from . import other_metrics
from .joined_span import JoinedSpan

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import Meter, MeterProvider

    from .instruments import Instruments
    from .request import Request

_logger = logging.getLogger("otel_llm")

_OWN_SCOPES = "otel_llm"
#: The packages of OpenTelemetry's own read the same variables as we do, and emit the same events.
_OFFICIAL_SCOPES = "opentelemetry."
#: Attributes by which a span tells its operation, and the values that are not the conventions' words.
_TELLING: tuple[tuple[str, Mapping[str, str]], ...] = (
    (s.OPERATION_NAME, {}),
    (
        "openinference.span.kind",
        {"LLM": s.CHAT, "EMBEDDING": s.EMBEDDINGS, "AGENT": s.INVOKE_AGENT, "TOOL": s.EXECUTE_TOOL},
    ),
    ("llm.request.type", {"completion": s.TEXT_COMPLETION, "embedding": s.EMBEDDINGS}),
)
#: Operations that are the same only if they are of the same agent, workflow or tool.
_SUBJECTS = {s.INVOKE_AGENT: s.AGENT_NAME, s.INVOKE_WORKFLOW: s.WORKFLOW_NAME, s.EXECUTE_TOOL: s.TOOL_NAME}
#: More scopes than this are not remembered.
_MAX_SCOPES = 100


@dataclass(frozen=True, slots=True)
class Joined:
    """What a call writes to in the place of a span of its own."""

    span: Span
    instruments: Instruments | None
    #: Whether the conventions' events are ours to emit.
    emits_events: bool


#: A call that is left to the other library: it is recorded nowhere.
LEFT = Joined(INVALID_SPAN, None, emits_events=False)


class ForeignScopes:
    """What becomes of calls inside of the spans that other instrumentation scopes make of them."""

    def __init__(
        self,
        mode: ForeignSpans,
        make_instruments: Callable[[Meter], Instruments],
        meter: Meter,
        meter_provider: MeterProvider | None,
    ) -> None:
        self.mode = mode
        self._make_instruments = make_instruments
        self._meter, self._meter_provider = meter, meter_provider
        #: What we record beside each scope.
        self._instruments: dict[str, Instruments] = {}
        self._told = guard.Once(_MAX_SCOPES)
        #: Of each span what we added to it: that is ours to change.
        self._added: MutableMapping[Span, dict[str, Any]] = weakref.WeakKeyDictionary()

    def covers(self, context: Context) -> bool:
        """Whether the current span of ``context`` is another scope's, of a model call."""
        span, scope = _foreign(context)
        return scope is not None and (_operation(_attributes(span)) or "") in _MODEL_CALLS and span.is_recording()

    def join(self, request: Request, context: Context) -> Joined | None:
        """What the call of ``request`` writes to if the current span of ``context`` stands for it already."""
        if self.mode is ForeignSpans.OWN:
            return None
        span, scope = _foreign(context)
        if scope is None or not _is_of(_attributes(span), request.attributes) or not span.is_recording():
            return None
        if self.mode is ForeignSpans.LEAVE:
            self._say(scope, "leaves them to it")
            return LEFT
        self._say(scope, "adds to them what they lack, and makes none of its own")
        joined = JoinedSpan(span, self._added_to(span))
        return Joined(joined, self._beside(scope), emits_events=not scope.startswith(_OFFICIAL_SCOPES))

    def _added_to(self, span: Span) -> dict[str, Any]:
        try:
            return self._added.setdefault(span, {})
        except TypeError:  # a span that can't be referred to weakly
            return {}

    def _beside(self, scope: str) -> Instruments:
        known = self._instruments.get(scope)
        if known is None:
            if len(self._instruments) >= _MAX_SCOPES:
                self._instruments.clear()
            provider = self._meter_provider or metrics.get_meter_provider()
            known = self._make_instruments(other_metrics.beside(self._meter, provider, _OWN_SCOPES))
            self._instruments[scope] = known
        return known

    def _say(self, scope: str, what: str) -> None:
        """Say once of each scope what becomes of the calls that it makes spans of."""
        if self._told.first(scope):
            _logger.warning(
                "%s makes spans of its operations itself: otel-llm %s. OTEL_LLM_FOREIGN_SPANS=join, leave or own "
                "chooses what it does",
                scope,
                what,
            )


_MODEL_CALLS = s.INFERENCE_OPERATIONS | {s.EMBEDDINGS}


def _foreign(context: Context) -> tuple[Any, str | None]:
    """The current span of ``context``, and its scope if it is recorded and none of ours."""
    span = get_current_span(context)
    if span is INVALID_SPAN or type(span) is NonRecordingSpan:
        return span, None
    # Only spans of an SDK have a scope; the API knows of none.
    scope = getattr(getattr(span, "instrumentation_scope", None), "name", None)
    return span, scope if type(scope) is str and not scope.startswith(_OWN_SCOPES) else None


def _attributes(span: Any) -> Mapping[str, Any]:
    attributes = getattr(span, "attributes", None)
    return attributes if isinstance(attributes, Mapping) else {}


def _operation(attributes: Mapping[str, Any]) -> str | None:
    """The operation of a span with ``attributes``, in the conventions' words."""
    for name, words in _TELLING:
        told = attributes.get(name)
        if isinstance(told, str):
            return words.get(told, told)
    return None


def _is_of(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> bool:
    """Whether spans with these attributes are of one operation."""
    operation, own = _operation(theirs), ours.get(s.OPERATION_NAME)
    if operation is None or own is None:
        return False
    if own in s.INFERENCE_OPERATIONS:
        return operation in s.INFERENCE_OPERATIONS
    subject = _SUBJECTS.get(own)
    return operation == own and (subject is None or theirs.get(subject) == ours.get(subject))
