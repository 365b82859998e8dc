"""The trace of a judge's calls: its own, with a link to what it judges. It is never sampled for evaluation."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanContext, StatusCode, TraceFlags

from ... import semconv as s
from ...core import errors
from ...propagation.api import propagate_attributes
from ...propagation.attach import Frame
from ...version import __version__
from ..dataset.reader import Item
from ..exclusion import not_evaluated
from .asking import JudgeRequest
from .kept import judged_span

SCOPE = "otel_llm.evaluation"
#: On the spans of a judge and of its model calls, so that costs and dashboards can tell them apart.
TAG = "judge"


class JudgeSpan:
    """Around the calls of a judge for one request: ``with JudgeSpan(item, request, model): ...``

    What runs inside is in a trace of its own. ``attributes`` are what a verdict says of it.
    """

    def __init__(self, item: Item, request: JudgeRequest, model: str) -> None:
        self._item, self._request, self._model = item, request, model
        self._stack = ExitStack()
        self._span: Any = trace.INVALID_SPAN
        self.attributes: dict[str, Any] = {}

    def __enter__(self) -> Self:
        judged = _context_of(self._item)
        attributes = {
            s.LLM_OPERATION_NAME: s.JUDGE,
            s.LLM_EVALUATION_JUDGE_MODEL: self._model,
            s.LLM_EVALUATION_JUDGE_CRITERIA: [one.name for one in self._request.evaluators],
            s.LLM_TAGS: [TAG],
        }
        enter = self._stack.enter_context
        enter(Frame(Context()))
        enter(not_evaluated())
        enter(propagate_attributes(tags=[TAG]))
        tracer = trace.get_tracer(SCOPE, __version__)
        self._span = enter(
            tracer.start_as_current_span(
                f"{s.JUDGE} {self._item.get('name', '')}".strip(),
                attributes=attributes,
                links=[] if judged is None else [Link(judged)],
                record_exception=False,
                set_status_on_exception=False,
            )
        )
        self.attributes = {s.LLM_EVALUATION_JUDGE_MODEL: self._model}
        if self.context.is_valid:
            self.attributes[s.LLM_EVALUATION_JUDGE_TRACE_ID] = trace.format_trace_id(self.context.trace_id)
        return self

    @property
    def context(self) -> SpanContext:
        """The span itself, to link to."""
        context: SpanContext = self._span.get_span_context()
        return context

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    def fail(self, error: Exception) -> None:
        """Record that the judge could not be asked."""
        self.fail_with(str(errors.described(error, ())[s.ERROR_TYPE]))

    def fail_with(self, kind: str) -> None:
        """Record that there is no verdict, because of ``kind``."""
        self._span.set_attribute(s.ERROR_TYPE, kind)
        self._span.set_status(StatusCode.ERROR)


def _context_of(item: Item) -> SpanContext | None:
    """The span that is judged."""
    try:
        trace_id = int(str(item.get("trace_id")), 16)
        span_id = int(judged_span(item), 16)
    except ValueError:
        return None
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return context if context.is_valid else None
