"""Keeps the traces in progress and the accounts. Each local root that ended is settled exactly once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from time import monotonic
from typing import TYPE_CHECKING

from ... import guard
from ...background.worker import Worker
from . import accounting as why
from .accounting import Accounts, Ledger
from .feedback import Place, Said
from .held import Held, names
from .outcome import HOLD, Ended, Outcomes
from .trace_buffer import Limits, Trace, Traces

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

    from ..spans import SpanRecord
    from .decision import Beginning

#: The most feedback on one trace that rules look at: the latest.
_MAX_SAID = 32


class Books:
    """The state of a sampler in one process: the traces in progress, and what became of the others.

    A local root that ended is *pending* until it is settled. The worker's thread settles what it has begun, whatever
    becomes of it; a shutdown settles only what the thread has not begun. So every item is counted once, as what really
    happened to it.
    """

    def __init__(self, limits: Limits, outcomes: Outcomes, finish: Callable[[], object], hold: float) -> None:
        """``hold`` is how many seconds a trace is held for feedback that a rule asks for."""
        #: Reentrant: a span may be ended by a finalizer that runs while its thread holds the lock.
        self.lock = threading.RLock()
        self.traces = Traces(limits)
        self.ledger = Ledger()
        self._limits = limits
        self._outcomes = outcomes
        self._hold = hold
        self._held = Held()
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
        closed = self.worker.close(timeout)
        with self.lock:
            self._pass_over(self._held.take_oldest())
        return closed

    # --- feedback --------------------------------------------------------------------------------

    def find(self, attribute: str, value: str) -> Place | None:
        """The newest trace held for feedback that has a span whose ``attribute`` is ``value``."""
        with self.lock:
            return self._held.find(attribute, value)

    def hear(self, trace_id: int, said: Said) -> bool:
        """Note what was ``said`` of a trace; return whether it is still kept, so that rules can take it."""
        with self.lock:
            trace = self.traces.get(trace_id)
            if trace is None or trace.lost or self._closing:
                return False
            trace.said = [*trace.said[1 - _MAX_SAID :], said]
            for ended in self._held.take(trace_id):
                self._look_again(ended)
            return True

    def _look_again(self, ended: Ended) -> None:
        if not self.worker.put(ended):
            self.settle(ended, why.QUEUE_FULL)

    def _wait_for_feedback(self, ended: Ended) -> None:
        """Hold ``ended``, if there is room beside the traces in progress."""
        named = names(ended)
        with self.lock:
            if self._closing or self._hold <= 0:
                self.settle(ended, self._outcomes.why_passed_over)
            elif ended.trace.lost:
                self.settle(ended, why.MEMORY)
            elif len(ended.trace.said) > ended.heard:  # it came while the rules were looking
                self._look_again(ended)
            else:
                self._held.add(ended, named)
                self._make_room()

    def _make_room(self) -> None:
        """Traces in progress come first: those that are held for feedback have half of the room."""
        limits = self._limits
        while self._held and (self.traces.bytes > limits.bytes / 2 or len(self._held) > limits.traces / 2):
            self._pass_over([next(self._held.take_oldest())])

    def _pass_over(self, held: Iterable[Ended]) -> None:
        for ended in held:
            self.settle(ended, self._outcomes.why_passed_over)

    # --- counts ----------------------------------------------------------------------------------

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
        if outcome == HOLD:
            self._wait_for_feedback(ended)
        else:
            self.settle(ended, outcome)

    def _sample(self, ended: Ended, reason: str) -> None:
        with self.lock:
            if not ended.sampled:
                ended.sampled = True
                self.ledger.sample(reason)

    def _tidy(self) -> None:
        with self.lock:
            self._pass_over(self._held.take_oldest(monotonic() - self._hold))
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
