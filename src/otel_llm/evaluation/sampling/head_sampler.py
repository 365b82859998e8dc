"""The rate's choice of traces, in accord with the head sampler in force."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import get_current_span

from ...config import SamplingAlgorithm
from .rate import LOW_64, Head, bound, kept_share, position

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Span
    from opentelemetry.trace import SpanContext

_logger = logging.getLogger("otel_llm")
_CONSISTENT: dict[SamplingAlgorithm, bool | None] = {
    SamplingAlgorithm.AUTO: None,
    SamplingAlgorithm.TRACE_ID_RATIO: False,
    SamplingAlgorithm.CONSISTENT: True,
}


def is_of_another(span: Span, parent_context: Context | None) -> bool:
    """Whether the parent of ``span`` belongs to another provider, whose spans don't come here.

    A parent that is not a span of the SDK may stand for one of this provider.
    """
    parent = get_current_span(parent_context)
    return isinstance(parent, ReadableSpan) and parent.resource is not span.resource


class Choice:
    """``rate`` of all traces. The head sampler is found out from the spans that begin.

    :raises ValueError: for a rate, or an algorithm, that is none.
    """

    def __init__(self, rate: float, algorithm: SamplingAlgorithm, evaluate_unsampled: bool) -> None:
        try:
            self._bound = bound(rate)
        except ValueError as error:
            raise ValueError(f"rate {error}") from None
        self.rate = float(rate)  # of an attribute, which must not be now a whole number, now another
        self._algorithm = SamplingAlgorithm(algorithm)
        self._evaluate_unsampled = evaluate_unsampled
        self._sampler: Any = None
        self._head = Head()
        #: How positions are computed; ``None``: consistently where the trace state has a threshold.
        self._consistent = _CONSISTENT[self._algorithm]
        self._warned = False

    def look_at(self, span: Span) -> None:
        """Read the head sampler from ``span``, the first of a trace; warn once if it keeps too few for the rate."""
        sampler = getattr(span, "_sampler", None)  # nothing public tells
        if self._sampler is not sampler:
            self._sampler, self._head = sampler, Head.of(sampler)
            if self._algorithm is SamplingAlgorithm.AUTO:
                self._consistent = self._head.consistent or None
        share = self.share(span.get_span_context(), is_first=span.parent is None)
        if share < self.rate and not self._warned:
            self._warned = True
            _logger.warning(
                "%g of all traces shall be evaluated, but the head sampler keeps only %g: more there can't be",
                self.rate,
                share,
            )

    def position(self, context: SpanContext) -> int:
        """The position of the trace; see :mod:`.rate`."""
        state = context.trace_state
        consistent = self._consistent
        if consistent is None:
            consistent = bool(state) and kept_share(state) is not None
        return position(context.trace_id, state, consistent)

    def takes(self, where: int) -> bool:
        """Whether the rate samples a trace at position ``where``."""
        return where < self._bound

    def rate_of(self, context: SpanContext) -> float | None:
        """The rate, if the trace is one of its own."""
        known = not self._consistent and not context.trace_state  # then it is told sooner: every span asks
        where = context.trace_id & LOW_64 if known else self.position(context)
        return self.rate if where < self._bound else None

    def considers(self, context: SpanContext) -> bool:
        """Whether the span counts. Spans that are recorded but not sampled count only if that was asked for."""
        return self._evaluate_unsampled or context.trace_flags & 1 == 1

    def share(self, context: SpanContext, is_first: bool) -> float:
        """The share of traces that the head sampler keeps; for a trace from elsewhere, its trace state may say it."""
        if self._evaluate_unsampled and self._head.records_all:
            return 1.0
        said = kept_share(context.trace_state) if context.trace_state else None
        if said is None and is_first:
            said = self._head.share
        return 1.0 if said is None else said
