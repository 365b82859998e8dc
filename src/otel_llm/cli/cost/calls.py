"""A model call as `otel-llm cost` adds it up, and how the spans of traces and the items of a dataset become calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from otel_llm import semconv as s
from otel_llm.cli.cost.dimensions import Values, lookup
from otel_llm.cli.cost.savings import Savings
from otel_llm.traces.money import add, read
from otel_llm.traces.trees import Node, Trace, costs, is_estimated, reported
from otel_llm.traces.unpriced import reason

_USAGE = "gen_ai.usage."
#: The kinds of tokens that are added up, by what follows `gen_ai.usage.`.
INPUT, OUTPUT, CACHED = "input_tokens", "output_tokens", "cache_read.input_tokens"
TOKENS = (INPUT, CACHED, "cache_write.input_tokens", OUTPUT, "reasoning.output_tokens")


@dataclass(frozen=True, slots=True)
class Call:
    """A model call, or the fetching of a background response if the cost of the call is on the span of the fetching.

    `cost` is by currency, and empty if the call is unpriced; then `unpriced` is the reason. `trace_name` is the name of
    the trace's root.
    """

    trace_id: str
    span_id: str
    trace_name: str
    #: Nanoseconds since the epoch; None if the call's time is unreadable.
    started: int | None
    tokens: Mapping[str, int]
    cost: Mapping[str, Decimal]
    unpriced: str | None
    estimated: bool
    #: What caching saved, in the currency of the cost; None if that is not known.
    saved: Decimal | None
    #: The provider's id of the response, and whether the response was made by an earlier call.
    response_id: str | None
    fetched: bool
    #: The values of a dimension, such as `user`. Only tags may have several.
    values: Callable[[str], Values]


# --- from traces ---------------------------------------------------------------------------------

#: What a call has from the spans above it, if it has none of its own.
_INHERITED = frozenset(
    {
        *(s.USER_ID, s.SESSION_ID, s.CONVERSATION_ID, s.LLM_TENANT_ID, s.LLM_TAGS),
        *(s.LLM_EXPERIMENT_ID, s.LLM_EXPERIMENT_VARIANT),
    }
)


def of_trace(trace: Trace, savings: Savings) -> Iterator[Call]:
    """Yield the model calls of a trace, and what was fetched of background responses."""
    above: dict[int, Mapping[str, Any]] = {}
    for root in trace.roots:
        for node in root.walk():
            inherited = above.get(id(node), {})
            here = {
                name: value
                for name, value in node.span.attributes.items()
                if name in _INHERITED or name.startswith(s.LLM_METADATA_PREFIX)
            }
            passed_on = {**inherited, **here} if here else inherited
            above.update((id(child), passed_on) for child in node.children)
            above[id(node)] = inherited
    for node in (*trace.model_calls(), *(node for node in trace.nodes() if node.fetches)):
        yield _of_node(node, trace, above[id(node)], savings)


def _of_node(node: Node, trace: Trace, inherited: Mapping[str, Any], savings: Savings) -> Call:
    span = node.span
    attributes: dict[str, Any] = {**inherited}
    for layer in reversed([below for below in node.walk() if below.is_model_call]):
        attributes.update(layer.span.attributes)  # the outermost layer, which comes last, counts
    counts = {kind: reported(node, _USAGE + kind) for kind in TOKENS}
    tokens = {kind: sum(count) for kind, count in counts.items() if count}
    cost = costs(node)
    started = span.start or None
    return Call(
        trace.trace_id,
        span.span_id,
        trace.roots[0].span.name,
        started,
        tokens,
        cost,
        None if cost else reason(attributes, bool(tokens)),
        is_estimated(node),
        savings.of(attributes, started, cost),
        node.response_id,
        node.fetches,
        lookup(attributes, span.service, started),
    )


# --- from the items of a dataset -------------------------------------------------------------------

#: Fields of a call in an item -> attributes.
_OF_CALL = {
    "operation": s.OPERATION_NAME,
    "provider": s.PROVIDER_NAME,
    "model": s.REQUEST_MODEL,
    "response_model": s.RESPONSE_MODEL,
    "prompt_name": s.PROMPT_NAME,
    "prompt_version": s.PROMPT_VERSION,
    "error_type": s.ERROR_TYPE,
    "unpriced": s.LLM_UNPRICED_REASON,
}
#: Fields of an item -> attributes.
_OF_ITEM = {
    "session_id": s.SESSION_ID,
    "user_id": s.USER_ID,
    "conversation_id": s.CONVERSATION_ID,
    "experiment": s.LLM_EXPERIMENT_ID,
    "variant": s.LLM_EXPERIMENT_VARIANT,
    "tags": s.LLM_TAGS,
    "tenant_id": s.LLM_TENANT_ID,
}


def of_items(items: Iterable[Mapping[str, Any]], savings: Savings, problems: list[str]) -> Iterator[Call]:
    """Yield the model calls of items. A call that can't be read is added to `problems` and left out."""
    for item in items:
        calls = item.get("calls")
        for given in calls if isinstance(calls, list) else ():
            try:
                yield _of_item(given, item, savings)
            except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
                problems.append(f"item {item.get('id')}: call skipped ({type(error).__name__}: {error})")


def _of_item(given: Mapping[str, Any], item: Mapping[str, Any], savings: Savings) -> Call:
    attributes = {name: item[field] for field, name in _OF_ITEM.items() if field in item}
    attributes |= {s.LLM_METADATA_PREFIX + name: value for name, value in (item.get("metadata") or {}).items()}
    attributes |= {name: given[field] for field, name in _OF_CALL.items() if field in given}
    usage = given.get("usage") or {}
    tokens = {kind: int(usage[kind]) for kind in TOKENS if kind in usage}
    attributes |= {_USAGE + str(kind): count for kind, count in usage.items()}
    told = given.get("cost") or {}
    cost: dict[str, Decimal] = {}
    if (paid := read(told.get("amount"), told.get("currency"), told.get("source"))) is not None:
        add(cost, {paid.currency: paid.amount})
        attributes[s.LLM_USAGE_COST_SOURCE] = paid.source
    started = _nanoseconds(item.get("started_at"))
    return Call(
        str(item["trace_id"]),
        str(given["span_id"]),
        str(item.get("name") or ""),
        started,
        tokens,
        cost,
        None if cost else reason(attributes, bool(tokens)),
        given.get("usage_estimated") is True,
        savings.of(attributes, started, cost),
        None,
        False,
        lookup(attributes, str(item.get("service") or ""), started),
    )


def _nanoseconds(started_at: Any) -> int | None:
    try:
        return int(datetime.fromisoformat(str(started_at)).timestamp() * 1e9)
    except (ValueError, OverflowError):
        return None
