"""What became of every trace and item, exactly: ``offered = sampled + not sampled``, and
``sampled = stored + dropped + pending``."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Protocol

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from ... import semconv as s
from ...version import __version__

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

SCOPE = "otel_llm.evaluation"

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
    """The accounts at one moment, by reason: each local root that ended is offered once.

    ``chosen`` of them were the rate's, and they stand for ``all_traces`` before head sampling.
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
        return self.sampled + self.not_sampled

    @property
    def sampled(self) -> int:
        return sum(self.sampled_by.values())

    @property
    def not_sampled(self) -> int:
        return sum(self.not_sampled_by.values())

    @property
    def dropped(self) -> int:
        return sum(self.dropped_by.values())


class Ledger:
    """Counts. It has no lock: its owner holds one around all that belongs together."""

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


class Accountable(Protocol):
    def accounts(self) -> Accounts: ...


#: Whose accounts are published together: a meter keeps the first callback that it is given.
_owners: weakref.WeakKeyDictionary[object, weakref.WeakSet[Accountable]] = weakref.WeakKeyDictionary()


def publish(owner: Accountable, meter_provider: MeterProvider | None) -> None:
    """Publish the accounts of ``owner``, added to those of other owners, for as long as it lives.

    The instruments are observable: recording on the application's thread would cost more than all the rest.
    """
    meter = metrics.get_meter(SCOPE, __version__, meter_provider)
    owners = _owners.setdefault(metrics if meter_provider is None else meter_provider, weakref.WeakSet())
    owners.add(owner)

    def observe(
        read: Callable[[Accounts], Iterable[Observation]],
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def callback(options: CallbackOptions) -> Iterable[Observation]:
            known = [one.accounts() for one in list(owners)]
            return read(reduce(add, known)) if known else []

        return callback

    meter.create_observable_counter(
        s.METRIC_LLM_EVAL_TRACES,
        [observe(_traces)],
        "{trace}",
        "Traces whose local root ended, by whether they were sampled for evaluation, and by what.",
    )
    meter.create_observable_counter(
        s.METRIC_LLM_EVAL_ITEMS,
        [observe(_items)],
        "{item}",
        "Sampled traces that were stored as items for evaluation, or dropped, and why.",
    )
    meter.create_observable_up_down_counter(
        s.METRIC_LLM_EVAL_PENDING,
        [observe(lambda accounts: [Observation(accounts.pending)])],
        "{item}",
        "Sampled traces that are neither stored nor dropped yet.",
    )
    meter.create_observable_gauge(
        s.METRIC_LLM_EVAL_EFFECTIVE_RATE,
        [observe(_effective_rate)],
        "1",
        "Share of all traces, before head sampling where that is known, that the rate sampled.",
    )


def _traces(accounts: Accounts) -> list[Observation]:
    return [
        *_by_reason("sampled", accounts.sampled_by),
        *_by_reason("not_sampled", accounts.not_sampled_by),
    ]


def _items(accounts: Accounts) -> list[Observation]:
    return [
        Observation(accounts.stored, {s.LLM_EVAL_OUTCOME: "stored"}),
        *_by_reason("dropped", accounts.dropped_by),
    ]


def _by_reason(outcome: str, counts: Mapping[str, int]) -> list[Observation]:
    return [
        Observation(count, {s.LLM_EVAL_OUTCOME: outcome, s.LLM_EVAL_REASON: reason}) for reason, count in counts.items()
    ]


def _effective_rate(accounts: Accounts) -> list[Observation]:
    return [] if accounts.effective_rate is None else [Observation(accounts.effective_rate)]
