"""The span processor that samples traces for evaluation and stores them as items."""

from __future__ import annotations

import atexit
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from ... import guard
from ... import semconv as s
from ...background import forks
from ...config.choices import SamplingAlgorithm
from ...config.values import above_zero, checked, seconds
from ...content import capture
from ..dataset.sinks import Sink, SQLiteSink, open_sink
from ..exclusion import is_excluded
from ..spans import SpanRecord
from . import accounting as why
from . import feedback, publication
from .accounting import Accounts
from .books import Books
from .decision import Decision
from .head_sampler import Choice, is_of_another
from .outcome import Outcomes
from .rate_limit import TokenBucket
from .rules import Rule, Rules
from .trace_buffer import Limits, Trace

if TYPE_CHECKING:
    from os import PathLike

    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.trace import SpanContext

_logger = logging.getLogger("otel_llm")


class EvaluationSampler(SpanProcessor):
    """Samples traces for evaluation: ``provider.add_span_processor(EvaluationSampler(rate=0.05))``.

    ``rate``, from 0 to 1, is the share of *all* traces that is sampled, not only of those that the head sampler keeps.
    The trace id alone decides, so every service samples the same traces. Their spans are marked from their start, with
    ``otel_llm.eval.sampled`` and ``otel_llm.eval.rate``. ``rules`` (a list of mappings or of
    :class:`~otel_llm.evaluation.Rule`, or :class:`~otel_llm.evaluation.Rules`) add traces because of what happened in
    them. ``max_per_minute`` limits the items.

    A local root is a span without a parent that the same provider samples. ``grace`` seconds after its end, it becomes
    an item with the spans below it (``item.schema.json``). ``sink`` stores the item: a path (SQLite, or JSON lines if
    it ends in ``.jsonl``), a :class:`~otel_llm.evaluation.Sink`, or a function that takes an item and is called on the
    sampler's thread.

    A trace that only a rule with the condition ``feedback`` may still take is held for ``feedback_hold`` seconds, and
    becomes an item if such feedback is recorded by then (:func:`otel_llm.record_feedback`).

    ``capture_content`` captures prompts and answers on the spans of marked traces, while content is off for all others.
    ``algorithm`` determines how the rate chooses traces; ``AUTO`` follows the head sampler. Spans that the head sampler
    records but does not sample are ignored, unless ``evaluate_unsampled`` is true. ``limits`` bounds what is kept in
    memory. A shutdown takes at most ``shutdown_timeout`` seconds. Metrics go to ``meter_provider`` (default: the global
    one).

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
        feedback_hold: float = 600.0,
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
        self._feedback_hold = checked("feedback_hold", feedback_hold, seconds)
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
        self._books = self._empty_books()
        publication.SHARED.publish(self, meter_provider)
        feedback.SHARED.add(self)
        forks.SHARED.add(self)
        if capture_content:
            capture.WANTED.add(self.captures)

    def _empty_books(self) -> Books:
        return Books(self._limits, self._outcomes, self._sink.close, self._feedback_hold)

    def start_afresh(self) -> None:
        """Start empty in a child process: the parent stores and counts what was under way."""
        self._forked_ns = time_ns()
        self._sink.after_fork()
        self._books = self._empty_books()

    # --- on the application's thread -----------------------------------------------------------------

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Mark ``span`` if its trace is sampled. The SDK calls it, with the ``parent_context``."""
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
                trace = self._books.traces.get(context.trace_id)
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
        """Keep ``span`` if its trace may become an item. The SDK calls it."""
        try:
            context, parent = span.get_span_context(), span.parent
            if context is None:
                return
            root = parent is None or parent.is_remote or not self._choice.considers(parent)
            trace = self._books.traces.get(context.trace_id)
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

        ``always`` keeps the trace, or counts it, in any case: nothing at the end of the span will tell that it is a
        local root.
        """
        self._choice.look_at(span)
        self._resource = span.resource
        if is_excluded(parent_context):
            span.set_attribute(s.LLM_EVAL_SAMPLED, False)
            if always:
                self._pass_over_excluded(context)
            return None
        known = self._decision.at_start(context, span.resource, parent_context)
        if not (known.sampled_by or always or known.undecided or self._books.traces.get(context.trace_id)):
            return None
        if self._books.worker.start():
            atexit.register(self._at_exit)
        return self._books.begin(
            context.trace_id, context.span_id, self._choice.share(context, span.parent is None), known
        )

    def _keep(self, span: ReadableSpan, context: SpanContext, trace: Trace, root: bool) -> None:
        record = SpanRecord.of(span, context.span_id)
        if not self._books.keep(trace, record, span.resource, root, self._grace):
            self._end_unkept(span, context)

    def _end_unkept(self, span: ReadableSpan, context: SpanContext) -> None:
        """Count a local root that ended and whose trace was not sampled, or was given up."""
        if self._closed or not self._choice.considers(context):
            return
        attributes = span.attributes or {}
        given_up = self._why_given_up(span)
        where = self._choice.position(context)
        chosen = self._choice.takes(where)
        books = self._books
        with books.lock:
            books.ledger.offer(chosen, self._choice.share(context, span.parent is None))
            if s.LLM_EVAL_SAMPLED in attributes and self._decision.marks(where):  # the mark may be another sampler's
                books.ledger.sample(why.RATE)
                books.ledger.drop(given_up)
            else:
                books.ledger.pass_over(self._decision.why_passed_over(where, span.resource, given_up))

    def _pass_over_excluded(self, context: SpanContext) -> None:
        if not self._closed and self._choice.considers(context):
            with self._books.lock:
                self._books.ledger.pass_over(why.NOT_EVALUATED)

    def _why_given_up(self, span: ReadableSpan) -> str:
        started = span.start_time or 0
        if started < self._forked_ns:
            return why.FORK
        return why.AGE if (span.end_time or 0) - started > self._limits.age * 1e9 else why.TRACES

    # --- public ------------------------------------------------------------------------------

    def accounts(self) -> Accounts:
        """The counts so far, which are also metrics."""
        return self._books.accounts()

    def find(self, attribute: str, value: str) -> feedback.Place | None:
        """The newest trace held for feedback that has a span whose ``attribute`` is ``value``."""
        return self._books.find(attribute, value)

    def hear(self, trace_id: int, said: feedback.Said) -> bool:
        """Note what was ``said`` of the trace ``trace_id``; return whether it is still kept, so that rules can take it.

        :func:`otel_llm.record_feedback` calls it.
        """
        return not self._closed and self._books.hear(trace_id, said)

    @property
    def dataset(self) -> Path | None:
        """The SQLite dataset that items are stored in, if it is one."""
        return self._sink.path if isinstance(self._sink, SQLiteSink) else None

    def captures(self, span: Any) -> bool:
        """Whether the content of ``span``, which has not ended, should be captured."""
        marked = (span.attributes or {}).get(s.LLM_EVAL_SAMPLED)
        trace = self._books.traces.get(span.get_span_context().trace_id)
        if trace is not None:
            return trace.rate is not None and marked is not False
        # The span of a stream may end after its root, when the trace is no longer kept. Then its mark decides, if the
        # span is of this sampler's provider.
        return span.resource is self._resource and marked is True

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Store what has ended, without waiting for late spans, for at most ``timeout_millis`` milliseconds.

        Returns whether everything was stored in that time.
        """
        return self._books.worker.flush(timeout_millis / 1000)

    def _at_exit(self) -> None:
        """Store the items before the providers shut down, so that the last metrics count them.

        Functions registered last run first, and the providers were set up before any span began.
        """
        self._shutdown_by = monotonic() + self._shutdown_timeout
        self._books.worker.flush(self._shutdown_timeout)

    def shutdown(self) -> None:
        """Store what has ended, for at most ``shutdown_timeout`` seconds, and close the sink.

        What is not begun by then is counted as dropped. An item that is being stored at that moment stays pending until
        the sink returns.
        """
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self._at_exit)
        capture.WANTED.remove(self.captures)
        feedback.SHARED.remove(self)
        self._books.close(min(self._shutdown_timeout, max(self._shutdown_by - monotonic(), 0.0)))
        accounts = self.accounts()
        lost = [
            f"{count} ({reason})"
            for reason, count in sorted(accounts.dropped_by.items())
            if reason != why.NOTHING_TO_EVALUATE
        ]
        if accounts.pending:  # the sink has not returned yet
            lost.append(f"{accounts.pending} (still being stored)")
        if lost:
            _logger.warning("of the traces sampled for evaluation, these were not stored: %s", ", ".join(lost))
