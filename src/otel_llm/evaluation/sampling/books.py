"""Keeps the traces in progress and the accounts. Each local root that ended is settled exactly once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from ... import guard
from ...background.worker import Worker
from . import accounting as why
from .accounting import Accounts, Ledger
from .outcome import Ended, Outcomes
from .trace_buffer import Limits, Trace, Traces

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

    from ..spans import SpanRecord
    from .decision import Beginning


class Books:
    """The state of a sampler in one process: the traces in progress, and what became of the others.

    A local root that ended is *pending* until it is settled. The worker's thread settles what it has begun, whatever
    becomes of it; a shutdown settles only what the thread has not begun. So every item is counted once, as what really
    happened to it.
    """

    def __init__(self, limits: Limits, outcomes: Outcomes, finish: Callable[[], object]) -> None:
        #: Reentrant: a span may be ended by a finalizer that runs while its thread holds the lock.
        self.lock = threading.RLock()
        self.traces = Traces(limits)
        self.ledger = Ledger()
        self._outcomes = outcomes
        self._closing = False
        self.worker: Worker[Ended] = Worker(
            "evaluation",
            self._deal_with,
            size=limits.queue,
            give_up=lambda ended: self.settle(ended, why.SHUTDOWN),
            finish=finish,
            tidy=self._tidy,
            tidy_interval=min(limits.age / 10, 30.0),
        )

    # --- on the application's thread -----------------------------------------------------------------

    def begin(self, trace_id: int, root_id: int, kept_share: float, known: Beginning) -> float | None:
        """A local root begins; return the rate that its trace is sampled at, or ``None``."""
        with self.lock:
            trace = self.traces.begin(trace_id, root_id, monotonic())
            if trace is None:
                return known.rate
            trace.position = known.position
            trace.kept_share = kept_share
            trace.baggage = {**trace.baggage, **known.baggage}
            trace.sampled_by = [*trace.sampled_by, *(name for name in known.sampled_by if name not in trace.sampled_by)]
            if known.rate is not None:
                trace.rate = max(known.rate, trace.rate or 0.0)
            return trace.rate

    def keep(self, trace: Trace, record: SpanRecord, resource: Resource, root: bool, grace: float) -> bool:
        """Keep a span that ended; a local root becomes an item after ``grace`` seconds.

        Return ``False`` for a local root whose trace was given up in the meantime.
        """
        size = record.size()
        with self.lock:
            if root and record.span_id not in trace.open:
                return False
            self.traces.add(trace, record, size, root)
            if not root:
                return True
            trace.open.remove(record.span_id)
            now = monotonic()
            ended = Ended(record, trace, now, resource)
            self.ledger.offer(why.RATE in trace.sampled_by, trace.kept_share)
            if ended.sampled:
                self.ledger.sample(trace.sampled_by[0])
            if trace.lost:
                self.settle(ended, why.MEMORY)
            elif not self.worker.put(ended, now + grace):
                self.settle(ended, why.SHUTDOWN if self._closing else why.QUEUE_FULL)
            return True

    def close(self, timeout: float) -> bool:
        """Deal with what waits; return whether that took at most ``timeout`` seconds. The rest is dropped."""
        self._closing = True
        return self.worker.close(timeout)

    def accounts(self) -> Accounts:
        with self.lock:
            return self.ledger.accounts()

    # --- on the worker's thread ----------------------------------------------------------------------

    def _deal_with(self, ended: Ended) -> None:
        try:
            outcome = self._outcomes.of(ended, self._sample, self.worker.pause)
        except BaseException as error:  # whatever it is, the item is counted
            guard.report("EvaluationSampler", error)
            outcome = why.BUILD_ERROR
        self.settle(ended, outcome)

    def _sample(self, ended: Ended, reason: str) -> None:
        with self.lock:
            if not ended.sampled:
                ended.sampled = True
                self.ledger.sample(reason)

    def _tidy(self) -> None:
        with self.lock:
            self.traces.expire(monotonic())

    # --- on either -----------------------------------------------------------------------------------

    def settle(self, ended: Ended, reason: str | None) -> None:
        """Count ``ended`` as stored, or as not stored because of ``reason``.

        It is called once: by the worker for what it has begun, by a shutdown for the rest.
        """
        with self.lock:
            if reason is None:
                self.ledger.store()
            elif ended.sampled:
                self.ledger.drop(reason)
            else:
                self.ledger.pass_over(reason)
            self.traces.release(ended.trace)
