"""Adds up model calls: in all, by group and by trace. Sums are exact, and amounts of two currencies stay apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from otel_llm.cli.cost.calls import Call
from otel_llm.cli.cost.fetched import joined
from otel_llm.traces.money import add
from otel_llm.traces.unpriced import NOT_BILLED

#: The value of a dimension, None where a call has none.
Key = tuple[str | None, ...]


@dataclass(slots=True)
class Totals:
    """Sums over calls."""

    calls: int = 0
    tokens: Counter[str] = field(default_factory=Counter)
    cost: dict[str, Decimal] = field(default_factory=dict)
    #: The number of unpriced calls by reason, and of calls that cost nothing.
    unpriced: Counter[str] = field(default_factory=Counter)
    not_billed: Counter[str] = field(default_factory=Counter)
    #: The number of calls whose tokens were estimated.
    estimated: int = 0
    #: What caching saved, as far as that is known, and the number of calls with cached tokens of which it is not.
    saved: dict[str, Decimal] = field(default_factory=dict)
    saving_unknown: int = 0
    #: The number of priced calls by currency.
    priced: Counter[str] = field(default_factory=Counter)

    def add(self, call: Call) -> None:
        self.calls += 1
        self.tokens.update(call.tokens)
        add(self.cost, call.cost)
        self.priced.update(call.cost.keys())
        self.estimated += call.estimated
        if call.saved is None:
            self.saving_unknown += 1
        elif call.saved:
            add(self.saved, dict.fromkeys(call.cost, call.saved))
        if call.unpriced is not None:
            (self.not_billed if call.unpriced in NOT_BILLED else self.unpriced)[call.unpriced] += 1

    def merge(self, other: Totals) -> None:
        self.calls += other.calls
        self.tokens.update(other.tokens)
        add(self.cost, other.cost)
        self.priced.update(other.priced)
        self.unpriced.update(other.unpriced)
        self.not_billed.update(other.not_billed)
        self.estimated += other.estimated
        add(self.saved, other.saved)
        self.saving_unknown += other.saving_unknown

    def share(self, currency: str, of: Totals) -> Decimal | None:
        """The share of what `of` costs in `currency`; None if either is not known."""
        part, whole = self.cost.get(currency), of.cost.get(currency)
        return part / whole if part is not None and whole else None


@dataclass(slots=True)
class TraceTotals:
    """What one trace cost, and what is known of it."""

    trace_id: str
    name: str
    #: Nanoseconds since the epoch, of the first call; None if unreadable.
    started: int | None
    totals: Totals = field(default_factory=Totals)


@dataclass(slots=True)
class Summary:
    """All that `otel-llm cost` shows. `groups` is by the values of the dimensions `by`, the dearest first."""

    by: tuple[str, ...]
    total: Totals
    groups: dict[Key, Totals]
    traces: list[TraceTotals]
    #: Calls that are in several groups, because they have several tags.
    repeated: int
    first: int | None
    last: int | None

    @property
    def currencies(self) -> list[str]:
        """The one with the most calls first."""
        priced = self.total.priced
        return sorted(priced, key=lambda currency: (-priced[currency], currency))

    def dearest(self, count: int) -> list[TraceTotals]:
        """The `count` dearest traces, of each currency, the dearest first."""
        found: dict[str, TraceTotals] = {}
        for currency in self.currencies:
            paid = [trace for trace in self.traces if trace.totals.cost.get(currency)]
            paid.sort(key=lambda trace: (-trace.totals.cost[currency], trace.trace_id))
            found.update((trace.trace_id, trace) for trace in paid[:count])
        return list(found.values())


def summarize(calls: Iterable[Call], by: tuple[str, ...], takes: Callable[[Call], bool]) -> Summary:
    """Add up those of `calls` that `takes` accepts. A call that comes twice counts once."""
    total = Totals()
    groups: dict[Key, Totals] = {}
    traces: dict[str, TraceTotals] = {}
    seen: set[tuple[str, str]] = set()
    repeated = 0
    first: int | None = None
    last: int | None = None
    for call in joined(calls):
        if (call.trace_id, call.span_id) in seen or not takes(call):
            continue
        seen.add((call.trace_id, call.span_id))
        total.add(call)
        keys = _keys(call, by)
        repeated += len(keys) > 1
        for key in keys:
            groups.setdefault(key, Totals()).add(call)
        trace = traces.setdefault(call.trace_id, TraceTotals(call.trace_id, call.trace_name, call.started))
        trace.totals.add(call)
        if call.started is not None:
            trace.started = min(call.started, trace.started or call.started)
            first, last = min(call.started, first or call.started), max(call.started, last or 0)
    summary = Summary(by, total, {}, list(traces.values()), repeated, first, last)
    summary.groups = dict(sorted(groups.items(), key=lambda group: _rank(group[0], group[1], summary)))
    return summary


def _keys(call: Call, by: tuple[str, ...]) -> list[Key]:
    """The groups of a call: one for each combination of its values."""
    keys: list[Key] = [()]
    for dimension in by:
        values: tuple[str | None, ...] = call.values(dimension) or (None,)
        keys = [(*key, value) for key in keys for value in values]
    return keys


def _rank(key: Key, totals: Totals, summary: Summary) -> tuple[object, ...]:
    """Groups of days in the order of time, others the dearest first."""
    days = tuple(value or "" for value, dimension in zip(key, summary.by, strict=True) if dimension == "day")
    costs = tuple(-totals.cost.get(currency, Decimal(0)) for currency in summary.currencies)
    return (days, costs, -totals.calls, tuple(value or "" for value in key))
