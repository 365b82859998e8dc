"""Prints a summary with rich. Names come from telemetry and are untrusted: they are escaped, and never markup."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice

from rich.console import Console
from rich.table import Table
from rich.text import Text

from otel_llm.cli.cost.calls import CACHED, INPUT, OUTPUT
from otel_llm.cli.cost.totals import Key, Summary, Totals
from otel_llm.cli.terminal import clean, emit
from otel_llm.traces.money import places_for, shown
from otel_llm.traces.unpriced import EXPLAINED

NONE = "(none)"
#: The kinds of tokens that have a column, with its heading.
_TOKENS = {INPUT: "input", CACHED: "cached", OUTPUT: "output"}
_BAR_WIDTHS = ((110, 20), (90, 12))


def print_summary(summary: Summary, console: Console, *, limit: int, traces: int) -> None:
    """Print the groups, at most `limit` of them, the dearest `traces`, and what has no cost."""
    emit(console, _heading(summary))
    console.print()
    emit(console, _groups(summary, limit, next((bar for least, bar in _BAR_WIDTHS if console.width >= least), 0)))
    for part in (_dearest(summary, traces), _without_cost(summary)):
        if part is not None:
            console.print()
            emit(console, part)


def _heading(summary: Summary) -> Text:
    total = summary.total
    text = Text("cost ", style="bold")
    amounts = " + ".join(f"{shown(total.cost[currency])} {clean(currency)}" for currency in summary.currencies)
    text.append(amounts or "unknown", style="bold green" if amounts else "bold yellow")
    facts = [f"{total.calls:,} model call{'' if total.calls == 1 else 's'}"]
    if len(summary.traces) > 1:
        facts.append(f"{len(summary.traces):,} traces")
    if summary.first is not None and summary.last is not None:
        facts.append(f"{moment(summary.first)} to {moment(summary.last)} UTC")
    facts += [
        f"caching saved {shown(amount)} {clean(currency)} ({amount / (amount + total.cost[currency]):.0%})"
        for currency, amount in total.saved.items()
    ]
    if total.unpriced:
        facts.append(f"{total.unpriced.total():,} unpriced")
    if total.estimated:
        facts.append(f"{total.estimated:,} with estimated tokens")
    text.append("  " + "  ".join(facts), style="not bold dim")
    return text


def moment(nanoseconds: int) -> str:
    try:
        return datetime.fromtimestamp(nanoseconds / 1e9, UTC).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return "unknown time"


# --- groups --------------------------------------------------------------------------------------


def _groups(summary: Summary, limit: int, bar_width: int) -> Table:
    shown_groups = list(islice(summary.groups.items(), limit))
    rest = Totals()
    for _, totals in islice(summary.groups.items(), limit, None):
        rest.merge(totals)
    columns = [currency for currency in summary.currencies if summary.total.cost[currency]]
    places = {
        currency: _places([totals.cost[currency] for _, totals in shown_groups if totals.cost.get(currency)])
        for currency in summary.currencies
    }
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for dimension in summary.by:
        table.add_column(clean(dimension), overflow="fold", max_width=48)
    kinds = [kind for kind in _TOKENS if kind != CACHED or summary.total.tokens[CACHED]]
    for heading in ("calls", *(_TOKENS[kind] for kind in kinds), *map(clean, summary.currencies)):
        table.add_column(heading, justify="right", no_wrap=True)
    if columns:
        table.add_column(
            "share" if len(columns) == 1 else f"share of {clean(columns[0])}", justify="right", no_wrap=True
        )
    if summary.total.unpriced:
        table.add_column("unpriced", justify="right", no_wrap=True)
    if columns and bar_width:
        table.add_column("", no_wrap=True, width=bar_width)

    def row(names: Iterable[str], totals: Totals, style: str = "", *, bar: bool = True) -> None:
        share = totals.share(columns[0], summary.total) if columns else None
        cells = [Text(name, style=style) for name in names]
        cells += [Text(cell, style=style) for cell in _numbers(totals, kinds, places)]
        if columns:
            cells.append(Text("" if share is None else f"{share:.1%}", style=style))
        if summary.total.unpriced:
            cells.append(Text(f"{totals.unpriced.total():,}" if totals.unpriced else "", style="yellow"))
        if columns and bar_width:
            cells.append(_bar(share or Decimal(0), bar_width) if bar else Text(""))
        table.add_row(*cells)

    for key, totals in shown_groups:
        row(_names(key), totals)
    if rest.calls:
        others = len(summary.groups) - len(shown_groups)
        row(_named(f"({others:,} more, --limit)", summary), rest, "dim")
    if len(summary.groups) > 1:
        row(_named("total", summary), summary.total, "bold", bar=False)
    return table


def _names(key: Key) -> list[str]:
    return [NONE if value is None else clean(value) for value in key]


def _named(name: str, summary: Summary) -> list[str]:
    return [name, *[""] * (len(summary.by) - 1)]


def _places(amounts: list[Decimal]) -> int:
    """As many decimals as the dearest group needs, so that a column is aligned, and one more for the others."""
    return min(places_for(max(amounts, default=Decimal(0))) + 1, 8)


def _numbers(totals: Totals, kinds: list[str], places: dict[str, int]) -> Iterable[str]:
    yield f"{totals.calls:,}"
    for kind in kinds:
        yield f"{totals.tokens[kind]:,}" if kind in totals.tokens else ""
    for currency, count in places.items():
        amount = totals.cost.get(currency)
        yield "" if amount is None else shown(amount, count)


def _bar(share: Decimal, width: int) -> Text:
    cells = round(share * width)
    return Text("━" * min(max(cells, 1 if share else 0), width), style="cyan")


# --- traces and what has no cost -------------------------------------------------------------------


def _dearest(summary: Summary, count: int) -> Table | None:
    dearest = summary.dearest(count)
    if not dearest:
        return None
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("dearest traces", no_wrap=True)
    table.add_column("started (UTC)", no_wrap=True)
    for heading in ("calls", "cost"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("name", overflow="ellipsis", no_wrap=True)
    for trace in dearest:
        cost = trace.totals.cost
        amounts = " + ".join(f"{shown(amount)} {clean(currency)}" for currency, amount in sorted(cost.items()))
        cells = (
            trace.trace_id,
            "" if trace.started is None else moment(trace.started),
            f"{trace.totals.calls:,}",
            amounts,
            clean(trace.name),
        )
        table.add_row(*map(Text, cells))
    return table


def _without_cost(summary: Summary) -> Table | None:
    total = summary.total
    reasons = [*total.unpriced.most_common(), *total.not_billed.most_common()]
    if not reasons:
        return None
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("without cost", no_wrap=True)
    table.add_column("calls", justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    for reason, calls in reasons:
        style = "yellow" if reason in total.unpriced else "dim"
        table.add_row(Text(clean(reason), style=style), f"{calls:,}", Text(EXPLAINED.get(reason, ""), style="dim"))
    return table
