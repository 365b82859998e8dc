"""Decides what becomes of a local root that ended, and stores its item. It runs on the worker's thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..dataset import item
from ..dataset.delivery import Delivery
from ..dataset.sinks import Sink
from . import accounting as why

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

    from ..spans import SpanRecord
    from .decision import Decision
    from .rate_limit import TokenBucket
    from .trace_buffer import Trace


class Ended:
    """A local root that ended, at the time ``at`` of ``monotonic``."""

    __slots__ = ("at", "heard", "resource", "root", "sampled", "trace")

    def __init__(self, root: SpanRecord, trace: Trace, at: float, resource: Resource) -> None:
        self.root = root
        self.trace = trace
        self.at = at
        self.resource = resource
        self.sampled = bool(trace.sampled_by)
        #: How much feedback on the trace the rules have looked at.
        self.heard = 0


#: In the place of a reason: no rule has taken the trace, and one may if there is feedback on it.
HOLD = "hold"


class Outcomes:
    """Applies the rules and the rate limit, and stores items in the sink."""

    def __init__(self, decision: Decision, limit: TokenBucket | None, sink: Sink) -> None:
        self._decision = decision
        self._limit = limit
        self._deliver = Delivery(sink)

    @property
    def why_passed_over(self) -> str:
        """Why a trace that was held for feedback was not sampled."""
        return self._decision.why_passed_over()

    def of(self, ended: Ended, sample: Callable[[Ended, str], object], pause: Callable[[float], object]) -> str | None:
        """Store the item of ``ended``. Return the reason why it was not stored, or ``None`` if it was.

        The reason is :data:`HOLD` if that is to be asked again when there is feedback.

        ``sample`` is called with the first reason for sampling it, ``pause`` with the seconds to wait before the sink
        is tried again.
        """
        trace, root = ended.trace, ended.root
        spans = trace.below(root)
        calls = item.model_calls(spans)
        feedback = tuple(trace.said)
        ended.heard = len(feedback)
        reasons = list(trace.sampled_by)
        more, waits = self._decision.at_end(trace.position, trace.baggage, ended.resource, root, spans, calls, feedback)
        reasons += more
        if not reasons:
            return HOLD if waits and item.worth_evaluating(spans) else self._decision.why_passed_over()
        sample(ended, reasons[0])
        if not item.worth_evaluating(spans):
            return why.NOTHING_TO_EVALUATE
        if self._limit is not None and not self._limit.take(ended.at):
            return why.RATE_LIMIT
        spans = [span.whole().clean() for span in spans]
        made = item.build(
            spans[0],
            spans,
            item.model_calls(spans),
            trace_id=trace.trace_id,
            resource=ended.resource.attributes,
            sampled_by=reasons,
            rate=trace.rate,
            left_out=trace.left_out,
        )
        return None if self._deliver(made, pause) else why.SINK_ERROR
