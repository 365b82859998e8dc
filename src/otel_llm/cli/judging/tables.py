"""Prints what evaluations came to, with rich."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from otel_llm import semconv as s
from otel_llm.cli.judging.spending import Spent
from otel_llm.cli.terminal import clean, emit, tell
from otel_llm.evaluation.judges.tally import Tally
from otel_llm.traces.money import listed

_LABELS = 4


def print_tallies(tallies: Iterable[Tally], console: Console) -> None:
    """Print a row for each evaluator."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("evaluator", no_wrap=True)
    for heading in ("judged", "failed", "mean", "errors", "not applicable"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("labels", overflow="fold")
    for tally in tallies:
        failed = tally.failed
        judged = tally.labels.total() or len(tally.scores)
        row = (
            tally.evaluator.name,
            f"{judged} ({tally.before} before)" if tally.before else str(judged),
            "-" if failed is None else f"{failed.value:.1%} ({failed.low:.1%} to {failed.high:.1%})",
            "-" if tally.mean is None else f"{tally.mean:.3g}",
            _counted(tally.errors),
            _counted(tally.not_applicable, "no "),
            ", ".join(f"{label} {count}" for label, count in tally.labels.most_common(_LABELS)),
        )
        style = "red" if tally.errors or (failed is not None and failed.value > 0) else ""
        table.add_row(*(Text(clean(cell), style=style) for cell in row))
    emit(console, table)


def _counted(counts: Mapping[str, int], before: str = "") -> str:
    return ", ".join(f"{count} ({before}{name})" for name, count in counts.items()) or "0"


def tell_spent(spent: Spent) -> None:
    """Say what the judge was asked, and what that cost."""
    if not spent.calls:
        return
    given, came = (spent.tokens.get(name, 0) for name in (s.USAGE_INPUT_TOKENS, s.USAGE_OUTPUT_TOKENS))
    said = f"{spent.calls} call(s) of the judge"
    if given or came:
        said += f", {given:,}→{came:,} tokens"
    if spent.costs:
        said += f", {money(spent.costs)}"
    if spent.unpriced:
        said += f" ({spent.unpriced} unpriced)" if spent.costs else ", unpriced"
    tell(said)


def tell_plan(
    items: int, tallies: Iterable[Tally], requests: int, characters: int, costs: Mapping[str, float], unpriced: int
) -> None:
    """Say what would be judged."""
    tell(f"{items} item(s)")
    for tally in tallies:
        lacking = tally.not_applicable.total()
        due = items - tally.before - lacking
        why = f", {lacking} not applicable ({_counted(tally.not_applicable, 'no ')})" if lacking else ""
        tell(f"{tally.evaluator.name} {tally.evaluator.revision}: {due} to judge, {tally.before} judged before{why}")
    cost = f", about {money(costs)}" if costs else ""
    cost += f" ({unpriced} unpriced)" if costs and unpriced else ", unpriced" if unpriced else ""
    tell(f"{requests} call(s) of the judge, about {characters // 4:,} input tokens{cost}")


def money(costs: Mapping[str, float]) -> str:
    """Amounts by currency."""
    return listed({currency: Decimal(repr(amount)) for currency, amount in costs.items()})
