"""Makes items of traces that were exported: as the sampler does in the process, but of the whole trace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from opentelemetry.trace import SpanContext

from ... import semconv as s
from ..spans import SpanRecord
from . import item
from .reader import Item

if TYPE_CHECKING:
    from ...content.upload import Store
    from ...traces.otlp import Span
    from ...traces.trees import Node, Trace

#: What sampled an item: the application, which marked its spans, or somebody who added it afterwards.
MARKED, ADDED = "marked", "added"
_VERDICTS = frozenset({s.EVALUATE, s.FEEDBACK})


def items(trace: Trace, uploads: Store | None = None) -> Iterator[Item]:
    """Yield the items of a trace: one, or one for each part whose parent is missing.

    Verdicts on the trace are no part of it. Content that was uploaded is read from ``uploads``.
    """
    for root in trace.roots:
        found = list(_kept(root))
        spans = [_record(span, uploads) for span in found]
        if not spans or not item.worth_evaluating(spans):
            continue
        rate = found[0].attributes.get(s.LLM_EVAL_RATE)
        yield item.build(
            spans[0],
            spans,
            item.model_calls(spans),
            trace_id=int(trace.trace_id, 16),
            resource=found[0].resource,
            sampled_by=[MARKED if found[0].attributes.get(s.LLM_EVAL_SAMPLED) is True else ADDED],
            rate=rate if isinstance(rate, float) else None,
            left_out=0,
        )


def _kept(root: Node) -> Iterator[Span]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.span.attributes.get(s.LLM_OPERATION_NAME) not in _VERDICTS:
            yield node.span
            waiting.extend(reversed(node.children))


def _record(span: Span, uploads: Store | None) -> SpanRecord:
    trace_id = int(span.trace_id, 16)
    record = SpanRecord(
        span.name,
        int(span.span_id, 16),
        SpanContext(trace_id, int(span.parent_id, 16), is_remote=False) if span.parent_id else None,
        span.start,
        max(span.start, span.end),
        span.is_error,
        span.scope,
        span.attributes if uploads is None else uploads.resolved(span.attributes),
    )
    return record.clean()
