"""Publishes the accounts of evaluation samplers as metrics."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Protocol

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from ... import semconv as s
from ...version import __version__
from .accounting import Accounts

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

SCOPE = "otel_llm.evaluation"


class Accountable(Protocol):
    def accounts(self) -> Accounts: ...


class Publications:
    """Whose accounts are published, by meter provider.

    The accounts of all samplers with one meter provider are published together, because a meter keeps only the first
    callback that it is given for an instrument.
    """

    def __init__(self) -> None:
        self._owners: weakref.WeakKeyDictionary[object, weakref.WeakSet[Accountable]] = weakref.WeakKeyDictionary()

    def publish(self, owner: Accountable, meter_provider: MeterProvider | None) -> None:
        """Publish the accounts of ``owner``, added to those of other owners, for as long as it lives.

        The instruments are observable: recording on the application's thread would cost more than everything else.
        """
        meter = metrics.get_meter(SCOPE, __version__, meter_provider)
        owners = self._owners.setdefault(metrics if meter_provider is None else meter_provider, weakref.WeakSet())
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


#: The publications of this process: providers and their meters are the process's, too.
SHARED = Publications()
