"""Prints items with rich. The text of an item is untrusted: it is escaped, and never interpreted as markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from otel_llm.cli.terminal import clean, emit
from otel_llm.cli.verdicts import told
from otel_llm.evaluation.results.verdict import Verdict
from otel_llm.traces.money import listed, read

_ID_LENGTH = 12
_QUERY_LENGTH = 200
#: The fields of an item that are shown, in this order, before its calls and its texts.
_FACTS = (
    *("id", "name", "service", "environment", "started_at", "duration", "sampled_by", "rate", "error_type"),
    *(
        "session_id",
        "user_id",
        "conversation_id",
        "tenant_id",
        "experiment",
        "variant",
        "tags",
        "metadata",
        "usage",
        "cost",
    ),
    *("answered_by", "spans", "spans_left_out", "content_captured", "truncated"),
)
_CALL = ("operation", "model", "response_model", "duration", "time_to_first_chunk", "finish_reasons", "usage")


def print_list(items: Iterable[dict[str, Any]], console: Console, verdicts: Sequence[Verdict] | None = None) -> None:
    """Print a table with a row for each item, with its one of `verdicts` if there are any."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), expand=True)
    for heading in ("id", "started"):
        table.add_column(heading, no_wrap=True)
    for heading in ("service", "name", "sampled by"):
        table.add_column(heading, overflow="ellipsis", no_wrap=True, max_width=24)
    for heading in ("s", "tokens"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("query", overflow="ellipsis", no_wrap=True, ratio=1)
    if verdicts is not None:
        table.add_column("verdict", overflow="ellipsis", no_wrap=True, ratio=2)
    for index, item in enumerate(items):
        style = "red" if item.get("error_type") else ""
        row = (
            str(item.get("id"))[:_ID_LENGTH],
            _moment(item.get("started_at")),
            item.get("service"),
            item.get("name"),
            _shown(item.get("sampled_by")),
            _seconds(item.get("duration")),
            _tokens(item.get("usage")),
            _query(item),
            *(() if verdicts is None else (_verdict(verdicts[index]),)),
        )
        table.add_row(*(Text(clean(_shown(cell)), style=style) for cell in row))
    emit(console, table)


def print_item(item: dict[str, Any], console: Console, verdicts: Sequence[Verdict] = ()) -> None:
    """Print everything that is known of one item, and the `verdicts` on it."""
    facts = _grid()
    for name in _FACTS:
        if name in item:
            shown = _cost(item[name]) if name == "cost" else _shown(item[name])
            facts.add_row(Text(name, style="bold"), _text(shown))
    emit(console, facts)
    for number, call in enumerate(item.get("calls") or (), 1):
        values = "  ".join([*(_shown(call[name]) for name in _CALL if name in call), *_paid(call)])
        emit(console, Text(clean(f"call {number}  {values}"), style="cyan"))
    for verdict in verdicts:
        said, style = told(verdict)
        emit(console, Text(said, style=style))
        if verdict.explanation:
            emit(console, _text(f"  {verdict.explanation}"))
    for heading, text in _texts(item):
        console.print()
        emit(console, Text(clean(heading), style="bold green"))
        emit(console, _text(text))


def _verdict(verdict: Verdict) -> str:
    """A verdict on one line."""
    return f"{told(verdict)[0]}  {verdict.explanation or ''}".strip()


def _texts(item: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """Yield pairs of a heading and a text: query, context, prompt, variables and answer."""
    if "query" in item:
        yield "query", str(item["query"])
    for number, document in enumerate(item.get("context") or (), 1):
        about = "  ".join(_shown(document[name]) for name in ("id", "score") if name in document)
        yield f"context {number}  {about}", str(document.get("content"))
    prompt = item.get("prompt") or {}
    if prompt:
        named = "  ".join(str(prompt[name]) for name in ("name", "version", "hash") if name in prompt)
        yield f"prompt  {named}", str(prompt.get("template") or "(text not captured)")
        for name, value in (prompt.get("variables") or {}).items():
            yield f"variable {name}", str(value)
    if "answer" in item:
        yield "answer", str(item["answer"])


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def _text(text: str) -> Text:
    return Text(clean(text, lines=True), overflow="fold")


def _shown(value: Any) -> str:
    """A field of an item as text on one line."""
    if isinstance(value, dict):
        return "  ".join(f"{name}={_shown(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return "" if value is None else str(value)


def _cost(by_currency: Any) -> str:
    """The amounts of an item, by currency. They may be far below a cent."""
    paid = (read(amount, currency) for currency, amount in by_currency.items()) if isinstance(by_currency, dict) else ()
    return listed({cost.currency: cost.amount for cost in paid if cost is not None})


def _paid(call: dict[str, Any]) -> list[str]:
    """What a call of an item cost, or why that is not known."""
    cost = call.get("cost")
    paid = read(cost.get("amount"), cost.get("currency")) if isinstance(cost, dict) else None
    if paid is None:
        return [f"unpriced: {call['unpriced']}"] if "unpriced" in call else []
    return [("~" if call.get("usage_estimated") is True else "") + listed({paid.currency: paid.amount})]


def _query(item: dict[str, Any]) -> str:
    if "query" in item:
        return " ".join(str(item["query"])[:_QUERY_LENGTH].split())
    return "" if item.get("content_captured") else "(content not captured)"


def _tokens(usage: Any) -> str:
    if not isinstance(usage, dict):
        return ""
    return "→".join(str(usage.get(name, "?")) for name in ("input_tokens", "output_tokens"))


def _seconds(duration: Any) -> str:
    return f"{duration:.2f}" if isinstance(duration, int | float) else ""


def _moment(started_at: Any) -> str:
    try:
        return datetime.fromisoformat(str(started_at)).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return "unknown time"
