"""Counts what became of every trace and item.

At any time ``offered = sampled + not sampled``, and ``sampled = stored + dropped + pending``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

#: Why a trace is sampled, beside the names of rules; why it is not; why an item is not stored.
RATE = "rate"
NO_RULE = "no_rule"
NOT_EVALUATED = "not_evaluated"  # it began inside `not_evaluated()`
QUEUE_FULL = "queue_full"  # of the two below: ended local roots wait for the worker
TRACES = "traces"
MEMORY = "memory"
AGE = "age"
FORK = "fork"
RATE_LIMIT = "rate_limit"
NOTHING_TO_EVALUATE = "nothing_to_evaluate"
SINK_ERROR = "sink_error"
BUILD_ERROR = "build_error"
SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True)
class Accounts:
    """The sampler's counts at one moment. Each local root that has ended is offered once.

    ``sampled_by``, ``not_sampled_by`` and ``dropped_by`` are counts by reason (``docs/evaluation.md`` lists them).
    ``stored`` items are in the sink; ``pending`` ones are neither stored nor dropped yet. ``chosen`` is the number of
    local roots that the rate sampled. The offered ones represent ``all_traces`` traces before head sampling.
    """

    sampled_by: Mapping[str, int]
    not_sampled_by: Mapping[str, int]
    dropped_by: Mapping[str, int]
    stored: int
    pending: int
    chosen: int
    all_traces: float

    def __add__(self, other: Accounts) -> Accounts:
        return Accounts(
            Counter(self.sampled_by) + Counter(other.sampled_by),
            Counter(self.not_sampled_by) + Counter(other.not_sampled_by),
            Counter(self.dropped_by) + Counter(other.dropped_by),
            self.stored + other.stored,
            self.pending + other.pending,
            self.chosen + other.chosen,
            self.all_traces + other.all_traces,
        )

    @property
    def effective_rate(self) -> float | None:
        """The share of all traces that the rate sampled; ``None`` before there is any."""
        return self.chosen / self.all_traces if self.all_traces else None

    @property
    def offered(self) -> int:
        """The number of local roots that have ended: sampled + not sampled."""
        return self.sampled + self.not_sampled

    @property
    def sampled(self) -> int:
        """The number of local roots that were sampled: stored + dropped + pending."""
        return sum(self.sampled_by.values())

    @property
    def not_sampled(self) -> int:
        """The number of those that were not sampled."""
        return sum(self.not_sampled_by.values())

    @property
    def dropped(self) -> int:
        """The number of local roots that were sampled and not stored."""
        return sum(self.dropped_by.values())


class Ledger:
    """Counts. It has no lock: its owner holds one around the counts that belong together."""

    def __init__(self) -> None:
        self._sampled: Counter[str] = Counter()
        self._not_sampled: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._stored = 0
        self._chosen = 0
        self._all_traces = 0.0

    def offer(self, by_rate: bool, kept_share: float) -> None:
        """A local root ended, of a trace that stands for ``1 / kept_share`` traces before head sampling."""
        self._chosen += by_rate
        self._all_traces += 1 / kept_share if kept_share > 0 else 1

    def sample(self, reason: str) -> None:
        self._sampled[reason] += 1

    def pass_over(self, reason: str) -> None:
        self._not_sampled[reason] += 1

    def store(self) -> None:
        self._stored += 1

    def drop(self, reason: str) -> None:
        self._dropped[reason] += 1

    def accounts(self) -> Accounts:
        dropped = self._dropped.total()
        return Accounts(
            dict(self._sampled),
            dict(self._not_sampled),
            dict(self._dropped),
            self._stored,
            self._sampled.total() - self._stored - dropped,
            self._chosen,
            self._all_traces,
        )
