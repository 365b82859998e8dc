"""Chooses the traces of the rate so that they are among those that the head sampler keeps."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import get_current_span

from ...config.choices import SamplingAlgorithm
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
    """Whether the parent of ``span`` belongs to another tracer provider, whose spans this sampler does not see.

    A parent that is not a span of the SDK may stand for a span of this provider.
    """
    parent = get_current_span(parent_context)
    return isinstance(parent, ReadableSpan) and parent.resource is not span.resource


class Choice:
    """Chooses the share ``rate`` of all traces. It reads the head sampler from the spans that begin.

    :raises ValueError: for a rate, or an algorithm, that is none.
    """

    def __init__(self, rate: float, algorithm: SamplingAlgorithm, evaluate_unsampled: bool) -> None:
        try:
            self._bound = bound(rate)
        except ValueError as error:
            raise ValueError(f"rate {error}") from None
        self.rate = float(rate)  # always a float, as the attribute with the rate must not change its type
        self._algorithm = SamplingAlgorithm(algorithm)
        self._evaluate_unsampled = evaluate_unsampled
        self._sampler: Any = None
        self._head = Head()
        #: Whether positions are computed consistently. ``None``: only where the trace state has a threshold.
        self._consistent = _CONSISTENT[self._algorithm]
        self._warned = False

    def look_at(self, span: Span) -> None:
        """Read the head sampler from ``span``, a local root. Warn once if it keeps too few traces for the rate."""
        sampler = getattr(span, "_sampler", None)  # there is no public way
        if self._sampler is not sampler:
            self._sampler, self._head = sampler, Head.of(sampler)
            if self._algorithm is SamplingAlgorithm.AUTO:
                self._consistent = self._head.consistent or None
        share = self.share(span.get_span_context(), is_first=span.parent is None)
        if share < self.rate and not self._warned:
            self._warned = True
            _logger.warning(
                "%g of all traces should be evaluated, but the head sampler keeps only %g, and drops the others",
                self.rate,
                share,
            )

    def position(self, context: SpanContext) -> int:
        """The position of the trace, as :mod:`.rate` defines it."""
        state = context.trace_state
        consistent = self._consistent
        if consistent is None:
            consistent = bool(state) and kept_share(state) is not None
        return position(context.trace_id, state, consistent)

    def takes(self, where: int) -> bool:
        """Whether the rate samples a trace at position ``where``."""
        return where < self._bound

    def rate_of(self, context: SpanContext) -> float | None:
        """The rate, if it samples the trace, else ``None``."""
        known = not self._consistent and not context.trace_state  # faster, as this is asked for every span
        where = context.trace_id & LOW_64 if known else self.position(context)
        return self.rate if where < self._bound else None

    def considers(self, context: SpanContext) -> bool:
        """Whether the evaluation considers the span: if it is sampled, or if ``evaluate_unsampled`` is set."""
        return self._evaluate_unsampled or context.trace_flags & 1 == 1

    def share(self, context: SpanContext, is_first: bool) -> float:
        """The share of traces that the head sampler keeps. A trace from another process may have it in its state."""
        if self._evaluate_unsampled and self._head.records_all:
            return 1.0
        said = kept_share(context.trace_state) if context.trace_state else None
        if said is None and is_first:
            said = self._head.share
        return 1.0 if said is None else said
