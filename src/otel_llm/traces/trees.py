"""Joins spans to traces, and sums up the usage and the cost of a trace."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from .. import semconv as s
from .money import add, cost_of
from .otlp import Span
from .unpriced import NOT_BILLED, reason

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
        return str(self.span.attributes.get("gen_ai.operation.name")) in MODEL_OPERATIONS

    @property
    def is_verdict(self) -> bool:
        """Whether it says what an evaluator or a person says of its parent. It may come hours later."""
        operation = self.span.attributes.get(s.LLM_OPERATION_NAME)
        return operation in (s.EVALUATE, s.FEEDBACK) and s.EVALUATION_NAME in self.span.attributes and not self.children

    @property
    def fetches(self) -> bool:
        """Whether it fetched the answer of a background response, and has its cost."""
        attributes = self.span.attributes
        return attributes.get(s.OPERATION_NAME) == s.FETCH_RESPONSE and cost_of(attributes) is not None

    @property
    def response_id(self) -> str | None:
        found = self.span.attributes.get(s.RESPONSE_ID)
        return found if isinstance(found, str) and found else None

    def walk(self) -> Iterator[Node]:
        """Yield this node and all below it, parents first. Not recursive, because a trace may be deep."""
        waiting: list[Node] = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))


@dataclass(frozen=True, slots=True)
class Usage:
    """The number of model calls of a trace, the tokens that they report (None if none of them reports any), and what
    they cost.

    `cost` is by currency, with that of background responses whose answer was fetched in the trace. `unpriced` is the
    number of calls that were billed, but whose cost is not known. `estimated`: a part of the tokens is.
    """

    calls: int
    input_tokens: int | None
    output_tokens: int | None
    cost: dict[str, Decimal]
    unpriced: int
    estimated: bool


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
        return any(node.span.is_error and not node.is_verdict for node in self.nodes())

    def model_calls(self) -> Iterator[Node]:
        """Yield the model calls. One inside another is the same call in another layer, and is not yielded."""
        waiting = list(reversed(self.roots))
        while waiting:
            node = waiting.pop()
            if node.is_model_call:
                yield node
            else:
                waiting.extend(reversed(node.children))

    def usage(self) -> Usage:
        """The sums over the model calls of the trace."""
        calls = unpriced = 0
        given: list[int] = []
        answered: list[int] = []
        cost: dict[str, Decimal] = {}
        estimated = False
        fetches = [node for node in self.nodes() if node.fetches]
        fetched = {node.response_id for node in fetches}
        for call in self.model_calls():
            calls += 1
            read, written = reported(call, s.USAGE_INPUT_TOKENS), reported(call, s.USAGE_OUTPUT_TOKENS)
            given += read
            answered += written
            paid = costs(call)
            if not paid and call.response_id not in fetched:
                unpriced += reason(call.span.attributes, bool(read or written)) not in NOT_BILLED
            estimated = estimated or is_estimated(call)
            add(cost, paid)
        for node in fetches:
            add(cost, costs(node))
        return Usage(
            calls,
            sum(given) if given else None,
            sum(answered) if answered else None,
            cost,
            unpriced,
            estimated,
        )


def number(attributes: dict[str, Any], name: str) -> float | int | None:
    """The attribute `name` if it is a finite number, otherwise None."""
    value = attributes.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def telling(call: Node, tells: Callable[[Node], bool]) -> list[Node]:
    """The model call itself if it `tells`, otherwise the topmost calls inside it that do."""
    found: list[Node] = []
    waiting = [call]
    while waiting:
        node = waiting.pop()
        if (node.is_model_call or node is call) and tells(node):
            found.append(node)
        else:
            waiting.extend(node.children)
    return found


def reported(call: Node, name: str) -> list[int]:
    """The tokens that a model call reports as attribute `name`; if it reports none, those of the calls inside it."""
    counts = (number(node.span.attributes, name) for node in telling(call, lambda node: _has(node, name)))
    return [int(count) for count in counts if count is not None]


def _has(node: Node, name: str) -> bool:
    return number(node.span.attributes, name) is not None


def costs(call: Node) -> dict[str, Decimal]:
    """What a model call cost, by currency; empty if that is not known."""
    total: dict[str, Decimal] = {}
    for node in telling(call, lambda node: cost_of(node.span.attributes) is not None):
        if (cost := cost_of(node.span.attributes)) is not None:
            add(total, {cost.currency: cost.amount})
    return total


def is_estimated(call: Node) -> bool:
    """Whether tokens of a model call were estimated, because the provider sent none."""
    return bool(telling(call, lambda node: node.span.attributes.get(s.LLM_USAGE_ESTIMATED) is True))


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
    timed = [node for node in ordered if not node.is_verdict] or ordered
    return Trace(
        trace_id,
        roots,
        start=min(node.span.start for node in timed),
        end=max(max(node.span.end, node.span.start) for node in timed),
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
