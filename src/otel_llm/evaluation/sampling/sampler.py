"""The span processor that samples traces for evaluation and stores them as items."""

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

from ... import guard
from ... import semconv as s
from ...background.worker import Worker
from ...config import SamplingAlgorithm
from ...config.values import above_zero, checked, seconds
from ...content import capture
from ..dataset.sinks import Sink, open_sink
from ..exclusion import is_excluded
from ..spans import SpanRecord
from . import accounting as why
from .accounting import Accounts, Ledger, publish
from .decision import Decision
from .head_sampler import Choice, is_of_another
from .outcome import Ended, Outcomes
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


class EvaluationSampler(SpanProcessor):
    """Samples traces for evaluation: ``provider.add_span_processor(EvaluationSampler(rate=0.05))``.

    ``rate``, from 0 to 1, is the share of *all* traces, whatever the head sampler keeps. The trace id decides, so every
    service samples the same traces. Their spans are marked when they begin, by ``otel_llm.eval.sampled`` and
    ``otel_llm.eval.rate``. ``rules`` (a list of mappings or :class:`~otel_llm.evaluation.Rule`, or
    :class:`~otel_llm.evaluation.Rules`) add traces for what happened in them. ``max_per_minute`` limits the items.

    A local root is a span without a parent that this provider samples. ``grace`` seconds after it ended, its trace
    becomes an item (``item.schema.json``) and goes to ``sink``: a path (SQLite, or JSON lines if it ends in
    ``.jsonl``), a :class:`~otel_llm.evaluation.Sink`, or a function that takes an item and is called on the sampler's
    own thread.

    ``capture_content`` captures the prompts and answers of the marked traces on their spans, while content is off for
    the others. ``algorithm`` is how traces are sampled; ``AUTO`` follows the head sampler. Spans that the head sampler
    records but does not sample count only with ``evaluate_unsampled``. ``shutdown_timeout`` is in seconds. Metrics go
    to ``meter_provider`` (default: the global one).

    :raises ValueError: for a value that can't be used; the message says which and why.
    :raises TypeError: if ``sink`` is none of these.
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
        self._grace = checked("grace", grace, seconds)
        self._limits = limits or Limits()
        for name, value in asdict(self._limits).items():
            checked(f"limits.{name}", value, above_zero)
        self._shutdown_timeout = checked("shutdown_timeout", shutdown_timeout, seconds)
        self._shutdown_by = math.inf
        self._sink = open_sink(sink)
        self._outcomes = Outcomes(self._decision, None if limit is None else TokenBucket(limit), self._sink)
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
        self._worker: Worker[Ended] = Worker(
            self._lock,
            self._evaluate,
            self._tidy,
            self._sink.close,
            self._limits.queue,
            min(self._limits.age / 10, 30.0),
        )

    def _after_fork(self) -> None:
        """Start empty: the parent process stores and counts what it has under way."""
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
            elif is_of_another(span, parent_context):
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
        """A local root begins. Return the rate that its trace is sampled at, or ``None``.

        ``always`` keeps the trace in any case: nothing at the end of the span will tell that it is a local root.
        """
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
            ended = Ended(record, trace, now, span.resource)
            self._ledger.offer(why.RATE in trace.sampled_by, trace.kept_share)
            if ended.sampled:
                self._ledger.sample(trace.sampled_by[0])
            if trace.lost:
                self._settle(ended, why.MEMORY)
            elif not self._worker.put(ended, now + self._grace):
                self._settle(ended, why.SHUTDOWN if self._closed else why.QUEUE_FULL)
        return None

    def _end_unkept(self, span: ReadableSpan, context: SpanContext) -> None:
        """Count a local root that ended and whose trace was not sampled, or was given up."""
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

    def _evaluate(self, ended: Ended) -> None:
        try:
            outcome = self._outcomes.of(ended, self._sample, self._worker.pause)
        except Exception as error:
            guard.report("EvaluationSampler", error)
            outcome = why.BUILD_ERROR
        self._settle(ended, outcome)

    def _sample(self, ended: Ended, reason: str) -> None:
        with self._lock:
            if not ended.sampled and not ended.settled:
                ended.sampled = True
                self._ledger.sample(reason)

    def _tidy(self) -> None:
        with self._lock:
            self._traces.expire(monotonic(), (ended.trace for ended in self._worker.waiting()))

    def _settle(self, ended: Ended, reason: str | None) -> None:
        """Count ``ended`` as stored, or as not stored for ``reason``; only the first call counts."""
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

    # --- public ------------------------------------------------------------------------------

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
        # A stream may outlive its root, and so its trace here. The mark counts if it is from this sampler's provider.
        return span.resource is self._resource and marked is True

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Store what has ended, without waiting for late spans; whether that was done in time."""
        return self._worker.flush(timeout_millis / 1000)

    def _at_exit(self) -> None:
        """Store the items before the providers shut down, so that the last metrics count them.

        Functions registered last run first, and the providers were set up before any span began.
        """
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
