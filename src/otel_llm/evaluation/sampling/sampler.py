"""The span processor that samples traces for evaluation, and has them stored as items."""

from __future__ import annotations

import atexit
import logging
import math
import os
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import asdict
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import get_current_span

from ... import guard
from ... import semconv as s
from ...background.worker import Worker
from ...config import SamplingAlgorithm, above_zero, checked, seconds
from ...content import capture
from ..dataset import item
from ..dataset.sinks import Sink, deliver, open_sink
from ..exclusion import is_excluded
from ..spans import SpanRecord
from . import accounting as why
from .accounting import Accounts, Ledger, publish
from .decision import Decision
from .head_sampler import Choice
from .rate_limit import TokenBucket
from .rules import Rule, Rules
from .trace_buffer import Limits, Trace, Traces

if TYPE_CHECKING:
    from os import PathLike

    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.trace import SpanContext

_logger = logging.getLogger("otel_llm")


class _Ended:
    """A local root that ended, and what becomes of it: settled once, by whoever is first."""

    __slots__ = ("at", "resource", "root", "sampled", "settled", "trace")

    def __init__(self, root: SpanRecord, trace: Trace, at: float, resource: Resource) -> None:
        self.root = root
        self.trace = trace
        self.at = at
        self.resource = resource
        self.sampled = bool(trace.sampled_by)
        self.settled = False


def _is_of_another(span: Span, parent_context: Context | None) -> bool:
    """Whether the parent of ``span`` is another provider's, whose spans don't come here. One that is no span of an SDK
    may stand for one of this provider."""
    parent = get_current_span(parent_context)
    return isinstance(parent, ReadableSpan) and parent.resource is not span.resource


class EvaluationSampler(SpanProcessor):
    """Samples traces for evaluation: ``provider.add_span_processor(EvaluationSampler(rate=0.05))``.

    ``rate``, from 0 to 1, is the share of *all* traces, whatever the head sampler keeps; it chooses by the trace id, so
    that every service chooses the same. Each span of these is marked when it begins, by ``otel_llm.eval.sampled`` and
    ``otel_llm.eval.rate``. ``rules`` (a list of mappings or :class:`~otel_llm.evaluation.Rule`, or
    :class:`~otel_llm.evaluation.Rules`) add traces for what happened in them. At most ``max_per_minute`` are taken.

    When a local root (a span without a parent that this provider samples) ends, then ``grace`` seconds later, its trace
    becomes an item (``item.schema.json``) and goes to ``sink``: a path (SQLite, or JSON lines if it ends in
    ``.jsonl``), a :class:`~otel_llm.evaluation.Sink`, or a function that takes an item, called on a thread of the
    sampler's.

    ``capture_content`` has the prompts and answers of the marked traces captured, on their spans, while they are not
    for the others. ``algorithm`` is how traces are chosen; ``AUTO`` does as the head sampler does. Spans that are
    recorded but not sampled by the head sampler count only with ``evaluate_unsampled``. ``shutdown_timeout`` is in
    seconds. The metrics go to ``meter_provider`` (default: the global one).

    :raises ValueError: for a value that can't be used; the message says which and why.
    :raises TypeError: for a sink that is none.
    """

    def __init__(
        self,
        rate: float | None = None,
        *,
        rules: Rules | list[Rule | Mapping[str, Any]] | tuple[Rule | Mapping[str, Any], ...] = (),
        sink: Sink | Callable[[dict[str, Any]], object] | str | PathLike[str] | None = None,
        capture_content: bool = False,
        max_per_minute: float | None = None,
        grace: float = 1.0,
        algorithm: SamplingAlgorithm = SamplingAlgorithm.AUTO,
        evaluate_unsampled: bool = False,
        limits: Limits | None = None,
        shutdown_timeout: float = 5.0,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        known = rules if isinstance(rules, Rules) else Rules.of(list(rules))
        self._choice = Choice((known.rate or 0.0) if rate is None else rate, algorithm, evaluate_unsampled)
        self._decision = Decision(self._choice, known.rules)
        limit = (
            known.max_per_minute if max_per_minute is None else checked("max_per_minute", max_per_minute, above_zero)
        )
        self._bucket = None if limit is None else TokenBucket(limit)
        self._grace = checked("grace", grace, seconds)
        self._limits = limits or Limits()
        for name, value in asdict(self._limits).items():
            checked(f"limits.{name}", value, above_zero)
        self._shutdown_timeout = checked("shutdown_timeout", shutdown_timeout, seconds)
        self._shutdown_by = math.inf
        self._sink = open_sink(sink)
        self._resource: Resource | None = None
        self._closed = False
        self._forked_ns = 0
        self._begin_afresh()
        publish(self, meter_provider)
        if hasattr(os, "register_at_fork"):
            renew = weakref.WeakMethod(self._after_fork)
            os.register_at_fork(after_in_child=lambda: (method := renew()) and method())
        if capture_content:
            capture.wanting.append(self.captures)

    def _begin_afresh(self) -> None:
        self._lock = threading.RLock()
        self._traces = Traces(self._limits)
        self._ledger = Ledger()
        self._worker: Worker[_Ended] = Worker(
            self._lock,
            self._evaluate,
            self._tidy,
            self._sink.close,
            self._limits.queue,
            min(self._limits.age / 10, 30.0),
        )

    def _after_fork(self) -> None:
        """What the parent has under way is the parent's to store and to count."""
        self._forked_ns = time_ns()
        self._sink.after_fork()
        self._begin_afresh()

    # --- on the application's thread -----------------------------------------------------------------

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Mark the span if its trace is sampled."""
        try:
            context = span.get_span_context()
            if self._closed or not self._choice.considers(context):
                return
            parent = span.parent
            if parent is None or parent.is_remote or not self._choice.considers(parent):
                rate = self._begin(span, context, parent_context)
            elif _is_of_another(span, parent_context):
                rate = self._begin(span, context, parent_context, always=True)
            else:
                trace = self._traces.get(context.trace_id)
                rate = self._choice.rate_of(context) if trace is None else trace.rate
                if (trace is not None or rate is not None) and is_excluded(parent_context):
                    span.set_attribute(s.LLM_EVAL_SAMPLED, False)
                    return
            if rate is not None:
                span.set_attribute(s.LLM_EVAL_SAMPLED, True)
                span.set_attribute(s.LLM_EVAL_RATE, rate)
        except Exception as error:
            guard.report("EvaluationSampler.on_start", error)

    def on_end(self, span: ReadableSpan) -> None:
        """Keep the span if its trace may become an item."""
        try:
            context, parent = span.get_span_context(), span.parent
            if context is None:
                return
            root = parent is None or parent.is_remote or not self._choice.considers(parent)
            trace = self._traces.get(context.trace_id)
            if trace is None and not root:
                return
            if (span.attributes or {}).get(s.LLM_EVAL_SAMPLED) is False:
                if root:
                    self._pass_over_excluded(context)
            elif trace is not None:
                self._keep(span, context, trace, root or context.span_id in trace.open)
            else:
                self._end_unkept(span, context)
        except Exception as error:
            guard.report("EvaluationSampler.on_end", error)

    def _begin(
        self, span: Span, context: SpanContext, parent_context: Context | None, always: bool = False
    ) -> float | None:
        """A local root begins: the rate its trace is sampled at, if it is. It is kept ``always`` if only now it can be
        seen that it is a root."""
        self._choice.look_at(span)
        self._resource = span.resource
        if is_excluded(parent_context):
            span.set_attribute(s.LLM_EVAL_SAMPLED, False)
            return None
        known = self._decision.at_start(context, span.resource, parent_context)
        if not (known.sampled_by or always or known.undecided or self._traces.get(context.trace_id)):
            return None
        rate = known.rate
        if self._worker.start():
            atexit.register(self._at_exit)
        with self._lock:
            trace = self._traces.begin(context.trace_id, context.span_id, monotonic())
            if trace is None:
                return rate
            trace.position = known.position
            trace.kept_share = self._choice.share(context, span.parent is None)
            trace.baggage = {**trace.baggage, **known.baggage}
            trace.sampled_by = [*trace.sampled_by, *(name for name in known.sampled_by if name not in trace.sampled_by)]
            if rate is not None:
                trace.rate = max(rate, trace.rate or 0.0)
            return trace.rate

    def _keep(self, span: ReadableSpan, context: SpanContext, trace: Trace, root: bool) -> None:
        record = SpanRecord.of(span, context.span_id)
        size = record.size()
        with self._lock:
            if root and record.span_id not in trace.open:
                return self._end_unkept(span, context)
            self._traces.add(trace, record, size, root)
            if not root:
                return None
            trace.open.remove(record.span_id)
            now = monotonic()
            ended = _Ended(record, trace, now, span.resource)
            self._ledger.offer(why.RATE in trace.sampled_by, trace.kept_share)
            if ended.sampled:
                self._ledger.sample(trace.sampled_by[0])
            if trace.lost:
                self._settle(ended, why.MEMORY)
            elif not self._worker.put(ended, now + self._grace):
                self._settle(ended, why.SHUTDOWN if self._closed else why.QUEUE_FULL)
        return None

    def _end_unkept(self, span: ReadableSpan, context: SpanContext) -> None:
        """A local root ended whose trace was not sampled, or given up."""
        if self._closed or not self._choice.considers(context):
            return
        attributes = span.attributes or {}
        given_up = self._why_given_up(span)
        where = self._choice.position(context)
        chosen = self._choice.takes(where)
        with self._lock:
            self._ledger.offer(chosen, self._choice.share(context, span.parent is None))
            if s.LLM_EVAL_SAMPLED in attributes and self._decision.marks(where):  # another sampler may have marked it
                self._ledger.sample(why.RATE)
                self._ledger.drop(given_up)
            else:
                self._ledger.pass_over(self._decision.why_passed_over(where, span.resource, given_up))

    def _pass_over_excluded(self, context: SpanContext) -> None:
        if not self._closed and self._choice.considers(context):
            with self._lock:
                self._ledger.pass_over(why.NOT_EVALUATED)

    def _why_given_up(self, span: ReadableSpan) -> str:
        started = span.start_time or 0
        if started < self._forked_ns:
            return why.FORK
        return why.AGE if (span.end_time or 0) - started > self._limits.age * 1e9 else why.TRACES

    # --- on the worker's thread ----------------------------------------------------------------------

    def _evaluate(self, ended: _Ended) -> None:
        try:
            outcome = self._outcome(ended)
        except Exception as error:
            guard.report("EvaluationSampler", error)
            outcome = why.BUILD_ERROR
        self._settle(ended, outcome)

    def _outcome(self, ended: _Ended) -> str | None:
        """Decide by the rules, and store the item; why it is not stored, or ``None``."""
        trace, root = ended.trace, ended.root
        spans = trace.below(root)
        calls = item.model_calls(spans)
        reasons = list(trace.sampled_by)
        reasons += self._decision.at_end(trace.position, trace.baggage, ended.resource, root, spans, calls)
        if not reasons:
            return self._decision.why_passed_over()
        with self._lock:
            if not ended.sampled and not ended.settled:
                ended.sampled = True
                self._ledger.sample(reasons[0])
        if not item.worth_evaluating(spans):
            return why.NOTHING_TO_EVALUATE
        if self._bucket is not None and not self._bucket.take(ended.at):
            return why.RATE_LIMIT
        made = item.build(
            root,
            spans,
            calls,
            trace_id=trace.trace_id,
            resource=ended.resource.attributes,
            sampled_by=reasons,
            rate=trace.rate,
            left_out=trace.left_out,
        )
        return None if deliver(self._sink, made, self._worker.pause) else why.SINK_ERROR

    def _tidy(self) -> None:
        with self._lock:
            self._traces.expire(monotonic(), (ended.trace for ended in self._worker.waiting()))

    def _settle(self, ended: _Ended, reason: str | None) -> None:
        """``reason``: why it is not stored; ``None``: it is."""
        with self._lock:
            if ended.settled:
                return
            ended.settled = True
            if reason is None:
                self._ledger.store()
            elif ended.sampled:
                self._ledger.drop(reason)
            else:
                self._ledger.pass_over(reason)
            self._traces.release(ended.trace)

    # --- for everybody -------------------------------------------------------------------------------

    def accounts(self) -> Accounts:
        """What has become of the traces so far; what the metrics say."""
        with self._lock:
            return self._ledger.accounts()

    def captures(self, span: Any) -> bool:
        """Whether content is wanted of ``span``, which has not ended."""
        marked = (span.attributes or {}).get(s.LLM_EVAL_SAMPLED)
        trace = self._traces.get(span.get_span_context().trace_id)
        if trace is not None:
            return trace.rate is not None and marked is not False
        # A stream may outlive its root, and so its trace here; it has the mark, if it is of this sampler's provider.
        return span.resource is self._resource and marked is True

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Store what has ended, without waiting for late spans; whether that was done in time."""
        return self._worker.flush(timeout_millis / 1000)

    def _at_exit(self) -> None:
        """Of what is registered at exit the latest comes first: the providers, set up before any span began, come
        later, and the last metrics say what became of the items."""
        self._shutdown_by = monotonic() + self._shutdown_timeout
        self._worker.flush(self._shutdown_timeout)

    def shutdown(self) -> None:
        """Store what has ended, for at most ``shutdown_timeout`` seconds, and close the sink; the rest is counted as
        dropped."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self._at_exit)
        if self.captures in capture.wanting:
            capture.wanting.remove(self.captures)
        left = self._worker.close(min(self._shutdown_timeout, max(self._shutdown_by - monotonic(), 0.0)))
        for ended in left:
            self._settle(ended, why.SHUTDOWN)
        if dropped := {
            reason: count for reason, count in self.accounts().dropped_by.items() if reason != why.NOTHING_TO_EVALUATE
        }:
            _logger.warning(
                "of the traces sampled for evaluation, these were not stored: %s",
                ", ".join(f"{count} ({reason})" for reason, count in sorted(dropped.items())),
            )
