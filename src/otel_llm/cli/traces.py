"""Joins spans to traces, and sums up the usage of a trace."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from otel_llm.cli.otlp import Span

#: The operations that are model calls. Agents and workflows report sums of these.
MODEL_OPERATIONS = frozenset({"chat", "text_completion", "generate_content", "embeddings"})


@dataclass(slots=True)
class Node:
    """A span and its children. `is_orphan`: its parent is not in the input."""

    span: Span
    children: list[Node] = field(default_factory=list)
    is_orphan: bool = False

    @property
    def is_model_call(self) -> bool:
        return self.span.attributes.get("gen_ai.operation.name") in MODEL_OPERATIONS

    def walk(self) -> Iterator[Node]:
        """Yield this node and all below it, parents first. Not recursive, because a trace may be deep."""
        waiting: list[Node] = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))


@dataclass(frozen=True, slots=True)
class Usage:
    """The number of model calls of a trace, and the tokens that they report; None if none of them reports any."""

    calls: int
    input_tokens: int | None
    output_tokens: int | None


@dataclass(slots=True)
class Trace:
    """A trace. `start` and `end` are in nanoseconds since the epoch."""

    trace_id: str
    roots: list[Node]
    start: int
    end: int

    def nodes(self) -> Iterator[Node]:
        for root in self.roots:
            yield from root.walk()

    @property
    def has_error(self) -> bool:
        return any(node.span.is_error for node in self.nodes())

    def usage(self) -> Usage:
        """The usage of the trace. A model call inside another is the same call in another layer, and counts once."""
        calls = 0
        sums: dict[str, int | None] = {"gen_ai.usage.input_tokens": None, "gen_ai.usage.output_tokens": None}
        waiting = list(self.roots)
        while waiting:
            node = waiting.pop()
            if not node.is_model_call:
                waiting.extend(node.children)
                continue
            calls += 1
            for name, total in sums.items():
                if (tokens := _reported(node, name)) is not None:
                    sums[name] = (total or 0) + tokens
        return Usage(calls, *sums.values())


def number(attributes: dict[str, Any], name: str) -> float | int | None:
    """The attribute `name` if it is a finite number, otherwise None."""
    value = attributes.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def _reported(call: Node, name: str) -> int | None:
    """The tokens that a model call reports; if it reports none, those of the topmost calls inside it that do."""
    found: list[int] = []
    waiting = [call]
    while waiting:
        node = waiting.pop()
        own = number(node.span.attributes, name) if node.is_model_call else None
        if own is None:
            waiting.extend(node.children)
        else:
            found.append(int(own))
    return sum(found) if found else None


def join(spans: Iterable[Span]) -> list[Trace]:
    """The traces of `spans`, in the order of their start. A span that occurs twice counts once."""
    by_trace: dict[str, dict[str, Node]] = {}
    for span in spans:
        by_trace.setdefault(span.trace_id, {}).setdefault(span.span_id, Node(span))
    return sorted((_trace(trace_id, nodes) for trace_id, nodes in by_trace.items()), key=lambda trace: trace.start)


def _trace(trace_id: str, nodes: dict[str, Node]) -> Trace:
    ordered = sorted(nodes.values(), key=lambda node: (node.span.start, -node.span.end))
    roots: list[Node] = []
    for node in ordered:
        parent = nodes.get(node.span.parent_id)
        if parent is not None:
            parent.children.append(node)
        else:
            node.is_orphan = bool(node.span.parent_id)
            roots.append(node)
    _break_cycles(ordered, roots)
    return Trace(
        trace_id,
        roots,
        start=min(node.span.start for node in ordered),
        end=max(max(node.span.end, node.span.start) for node in ordered),
    )


def _break_cycles(ordered: list[Node], roots: list[Node]) -> None:
    """Make a root of the first span of each cycle, so that all spans are shown.

    In broken data, spans can be each other's parents.
    """
    reached = {id(node) for root in roots for node in root.walk()}
    if len(reached) == len(ordered):
        return
    parents = {id(child): node for node in ordered for child in node.children}
    for node in ordered:
        if id(node) in reached:
            continue
        parents[id(node)].children.remove(node)
        node.is_orphan = True
        roots.append(node)
        reached.update(id(below) for below in node.walk())
