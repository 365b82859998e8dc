"""Prints traces with rich. Text from the input is untrusted: it is escaped, and never interpreted as markup."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from otel_llm import semconv as s
from otel_llm.cli import verdicts
from otel_llm.cli.content import lines_of
from otel_llm.cli.terminal import clean, emit
from otel_llm.traces.money import cost_of, listed
from otel_llm.traces.otlp import Span
from otel_llm.traces.trees import Node, Trace, Usage, number

_NANO = 1_000_000_000
_MESSAGE_LENGTH = 200
#: The width of a bar, for a terminal of at least that width.
_BAR_WIDTHS = ((120, 24), (96, 16))
_SEPARATOR = "  "


def show(traces: Iterable[Trace], console: Console, *, content: bool) -> None:
    """Print each trace as a tree; with `content`, also the captured content."""
    for index, trace in enumerate(traces):
        if index:
            console.print()
        emit(console, _heading(trace))
        for root in trace.roots:
            emit(console, _tree(root, trace, _bar_width(console.width), content))


def _bar_width(width: int) -> int:
    return next((bar for least, bar in _BAR_WIDTHS if width >= least), 0)


def _heading(trace: Trace) -> Text:
    text = Text("trace ", style="bold")
    text.append(trace.trace_id)
    facts = [
        _moment(trace.start),
        _duration(trace.end - trace.start),
        *_totals(trace.usage()),
        *_session_and_user(trace),
    ]
    text.append(_SEPARATOR + _SEPARATOR.join(facts), style="not bold dim")
    return text


def _totals(usage: Usage) -> list[str]:
    if not usage.calls:
        return []
    totals = ["1 model call" if usage.calls == 1 else f"{usage.calls:,} model calls"]
    about = "~" if usage.estimated else ""
    if tokens := _in_out(usage.input_tokens, usage.output_tokens):
        totals.append(f"{about}{tokens} tokens")
    if usage.cost:
        unpriced = f" ({usage.unpriced:,} unpriced)" if usage.unpriced else ""
        totals.append(clean(about + listed(usage.cost) + unpriced))
    return totals


def _session_and_user(trace: Trace) -> Iterable[str]:
    for what in ("session", "user"):
        ids = sorted(
            {str(node.span.attributes[f"{what}.id"]) for node in trace.nodes() if f"{what}.id" in node.span.attributes}
        )
        if ids:
            yield clean(f"{what} {', '.join(ids)}")


def _tree(root: Node, trace: Trace, bar_width: int, content: bool) -> Tree:
    """The tree below one root. Not recursive, because a trace may be deep."""
    tree = Tree(_row(root, None, trace, bar_width, content), guide_style="dim")
    waiting = [(root, tree)]
    while waiting:
        node, branch = waiting.pop()
        for child in node.children:
            if child.is_verdict:
                continue
            below = branch.add(_row(child, node, trace, bar_width, content))
            waiting.append((child, below))
    return tree


def _row(node: Node, parent: Node | None, trace: Trace, bar_width: int, content: bool) -> RenderableType:
    span = node.span
    grid = Table.grid(padding=(0, 1, 0, 0), expand=True)
    grid.add_column(ratio=1, overflow="fold")
    grid.add_column(justify="right", no_wrap=True, width=8)
    cells: list[RenderableType] = [_label(node, parent), Text(_duration(span.end - span.start), style="dim")]
    if bar_width:
        grid.add_column(no_wrap=True, width=bar_width)
        cells.append(_bar(span, trace, bar_width))
    grid.add_row(*cells)
    extra = [*_errors(span), *(_content(node) if content else ())]
    return Group(grid, *extra) if extra else grid


def _label(node: Node, parent: Node | None) -> Text:
    span, attributes = node.span, node.span.attributes
    is_genai = any(name.startswith(("gen_ai.", "otel_llm.")) for name in attributes)
    text = Text(clean(span.name) or "(no name)", style=_name_style(span, is_genai))
    plain = "not bold"
    requested, response_model = attributes.get("gen_ai.request.model"), attributes.get("gen_ai.response.model")
    if requested and str(requested) not in span.name:
        text.append(_SEPARATOR + clean(str(requested)), style=plain)
    if response_model and response_model != requested:
        text.append(f"{_SEPARATOR}as {clean(str(response_model))}", style=plain + " dim")
    for fact, style in _facts(node, parent):
        text.append(_SEPARATOR + fact, style=f"{plain} {style}")
    if span.is_error:
        text.append(_SEPARATOR + clean(str(attributes.get("error.type") or "error")), style="bold red")
    if span.service and (parent is None or parent.span.service != span.service):
        text.append(f"{_SEPARATOR}[{clean(span.service)}]", style=plain + " magenta")
    if node.is_orphan:
        text.append(f"{_SEPARATOR}(parent not in the input)", style=plain + " yellow")
    return text


def _name_style(span: Span, is_genai: bool) -> str:
    if span.is_error:
        return "bold red"
    return "bold cyan" if is_genai else "" if not span.parent_id else "dim"


def _facts(node: Node, parent: Node | None) -> Iterable[tuple[str, str]]:
    attributes = node.span.attributes
    above = _tags(parent) if parent is not None else []
    if tags := [tag for tag in _tags(node) if tag not in above]:
        yield clean(" ".join(f"#{tag}" for tag in tags)), "blue"
    for prefix in ("gen_ai", "otel_llm"):  # the second is on steps, where the conventions have no attribute
        prompt, version = (attributes.get(f"{prefix}.prompt.{what}") for what in ("name", "version"))
        if not prompt:
            continue
        yield clean(f"prompt {prompt}@{version}" if version else f"prompt {prompt}"), "blue"
        break
    about = "~" if attributes.get(s.LLM_USAGE_ESTIMATED) is True else ""
    if tokens := _tokens(node):
        yield about + tokens, "green"
    if cost := cost_of(attributes):
        yield clean(about + listed({cost.currency: cost.amount})), "green"
    elif reason := attributes.get(s.LLM_UNPRICED_REASON):
        yield clean(f"unpriced: {reason}"), "yellow"
    if (first := number(attributes, "gen_ai.response.time_to_first_chunk")) is not None:
        yield f"first chunk {_duration(first * _NANO)}", "yellow"
    if (speed := number(attributes, "otel_llm.response.output_tokens_per_second")) is not None:
        yield f"{speed:,.1f} tok/s", "yellow"
    reasons = attributes.get("gen_ai.response.finish_reasons")
    if isinstance(reasons, list) and reasons:
        yield clean(", ".join(map(str, reasons))), "dim"
    yield from verdicts.facts(node)


def _tags(node: Node) -> list[Any]:
    tags = node.span.attributes.get("otel_llm.tags")
    return tags if isinstance(tags, list) else []


def _tokens(node: Node) -> str:
    def count(name: str) -> int | None:
        value = number(node.span.attributes, f"gen_ai.usage.{name}")
        return None if value is None else int(value)

    totals = _in_out(count("input_tokens"), count("output_tokens"))
    if not totals:
        return ""
    parts = {
        "cached": count("cache_read.input_tokens"),
        "cache written": count("cache_write.input_tokens"),
        "reasoning": count("reasoning.output_tokens"),
    }
    details = ", ".join(f"{value:,} {name}" for name, value in parts.items() if value)
    return f"{totals} tokens ({details})" if details else f"{totals} tokens"


def _in_out(input_tokens: int | None, output_tokens: int | None) -> str:
    if input_tokens is None and output_tokens is None:
        return ""
    if output_tokens is None:
        return f"{input_tokens:,}"
    return f"{'?' if input_tokens is None else f'{input_tokens:,}'}→{output_tokens:,}"


def _errors(span: Span) -> Iterable[RenderableType]:
    kinds = [
        str(event.attributes["exception.type"])
        for event in span.events
        if event.name == "exception"
        and event.attributes.get("exception.type") != span.attributes.get("error.type")
        and "exception.type" in event.attributes
    ]
    message = span.status_message if span.is_error else ""
    if len(message) > _MESSAGE_LENGTH:
        message = message[:_MESSAGE_LENGTH] + "…"
    text = ": ".join(filter(None, [", ".join(kinds), message]))
    if text:
        yield Padding(Text(clean(text), style="red", overflow="fold"), (0, 0, 0, 2))


def _content(node: Node) -> Iterable[RenderableType]:
    for label, text in (*lines_of(node.span.attributes), *verdicts.explanations(node)):
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(Text(clean(label) + ":", style="bold"), Text(clean(text, lines=True)))
        yield Padding(grid, (0, 0, 0, 2))


def _bar(span: Span, trace: Trace, width: int) -> Text:
    """A bar that shows when in the trace the span ran."""
    whole = max(trace.end - trace.start, 1)
    first = min((span.start - trace.start) * width // whole, width - 1)
    cells = max(round((span.end - span.start) * width / whole), 1)
    style = "red" if span.is_error else "cyan" if "gen_ai.operation.name" in span.attributes else "dim"
    return Text(" " * first + "━" * min(cells, width - first), style=style)


def _duration(nanoseconds: float) -> str:
    seconds = nanoseconds / _NANO
    if seconds < 0:
        return "no end"
    if seconds < 0.001:
        return f"{seconds * 1_000_000:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1000:.{0 if seconds >= 0.1 else 1}f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    return f"{seconds // 60:.0f}m {seconds % 60:02.0f}s" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _moment(nanoseconds: int) -> str:
    try:
        return datetime.fromtimestamp(nanoseconds / _NANO).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "unknown time"
