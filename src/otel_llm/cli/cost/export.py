"""A summary as JSON and as CSV.

Amounts are exact. In JSON they are texts, because most programs read a number as a binary fraction.
"""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TextIO

from otel_llm.cli.cost.calls import TOKENS
from otel_llm.cli.cost.totals import Summary, Totals
from otel_llm.cli.terminal import clean

#: A spreadsheet runs a cell that begins with one of these as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_json(summary: Summary, traces: int) -> dict[str, Any]:
    """The summary, with the dearest `traces`, as JSON values."""
    return {
        "by": list(summary.by),
        "first_call": _time(summary.first),
        "last_call": _time(summary.last),
        "total": _totals(summary.total, summary),
        "groups": [
            {**dict(zip(summary.by, key, strict=True)), **_totals(totals, summary)}
            for key, totals in summary.groups.items()
        ],
        "traces": {
            "count": len(summary.traces),
            "dearest": [
                {
                    "trace_id": trace.trace_id,
                    "name": trace.name,
                    "started": _time(trace.started),
                    **_totals(trace.totals, summary),
                }
                for trace in summary.dearest(traces)
            ],
        },
    }


def _totals(totals: Totals, summary: Summary) -> dict[str, Any]:
    shares = {currency: totals.share(currency, summary.total) for currency in totals.cost}
    return {
        "calls": totals.calls,
        "tokens": dict(totals.tokens),
        "cost": {currency: exact(amount) for currency, amount in totals.cost.items()},
        "share": {currency: round(float(share), 6) for currency, share in shares.items() if share is not None},
        "unpriced": dict(totals.unpriced),
        "not_billed": dict(totals.not_billed),
        "estimated": totals.estimated,
        "caching_saved": {currency: exact(amount) for currency, amount in totals.saved.items()},
        "caching_saved_unknown": totals.saving_unknown,
    }


def _time(nanoseconds: int | None) -> str | None:
    try:
        return None if nanoseconds is None else datetime.fromtimestamp(nanoseconds / 1e9, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return None


def exact(amount: Decimal) -> str:
    """All digits of `amount`, without an exponent."""
    return f"{amount:f}"


def write_csv(summary: Summary, out: TextIO) -> None:
    """Write a row for each group, with a column for each currency."""
    currencies = summary.currencies
    writer = csv.writer(out, lineterminator="\n")
    columns = [*summary.by, "calls", *(kind.replace(".", "_") for kind in TOKENS), "unpriced_calls", "estimated_calls"]
    amounts = [f"{what}_{clean(currency)}" for currency in currencies for what in ("cost", "share")]
    writer.writerow(map(_cell, [*columns, *amounts]))
    for key, totals in summary.groups.items():
        tokens = (totals.tokens.get(kind, "") for kind in TOKENS)
        row = [totals.calls, *tokens, totals.unpriced.total(), totals.estimated]
        for currency in currencies:
            amount, share = totals.cost.get(currency), totals.share(currency, summary.total)
            row += ["" if amount is None else exact(amount), "" if share is None else f"{share:.6f}"]
        writer.writerow([*("" if value is None else _cell(value) for value in key), *row])


def _cell(text: str) -> str:
    """A text from telemetry that neither controls a terminal nor is a formula."""
    shown = clean(text)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
