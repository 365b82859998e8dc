"""Makes the item from a local root and the spans below it.

``item.schema.json`` describes the item. What is not known is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from opentelemetry.trace import format_span_id, format_trace_id

from ... import semconv as s
from ..spans import SpanRecord
from . import cost, extraction
from .reader import SCHEMA, Item

_USAGE = "gen_ai.usage."
_MODEL_OPERATIONS = s.INFERENCE_OPERATIONS | {s.EMBEDDINGS}
_GENAI = ("gen_ai.", "otel_llm.")
#: The instrumentation scope of spans that the application makes with this package.
_MANUAL = "otel_llm.manual"
_MARKS = frozenset({s.LLM_EVAL_SAMPLED, s.LLM_EVAL_RATE})
#: Fields of a model call in the item -> attributes.
_OF_CALL = {
    "operation": s.OPERATION_NAME,
    "provider": s.PROVIDER_NAME,
    "model": s.REQUEST_MODEL,
    "response_model": s.RESPONSE_MODEL,
    "response_id": s.RESPONSE_ID,
    "error_type": s.ERROR_TYPE,
    "prompt_name": s.PROMPT_NAME,
    "prompt_version": s.PROMPT_VERSION,
    "prompt_hash": s.LLM_PROMPT_TEMPLATE_HASH,
}
_TIMES_OF_CALL = {
    "time_to_first_chunk": s.RESPONSE_TIME_TO_FIRST_CHUNK,
    "time_per_output_token": s.LLM_TIME_PER_OUTPUT_TOKEN,
}
#: Fields of the item -> attributes of the first span that has them.
_OF_TRACE = {
    "session_id": s.SESSION_ID,
    "user_id": s.USER_ID,
    "conversation_id": s.CONVERSATION_ID,
    "tenant_id": s.LLM_TENANT_ID,
    "experiment": s.LLM_EXPERIMENT_ID,
    "variant": s.LLM_EXPERIMENT_VARIANT,
}
_OF_SERVICE = {"service": "service.name", "environment": "deployment.environment.name"}


# --- what is in a trace --------------------------------------------------------------------------


class _Tree:
    def __init__(self, spans: Sequence[SpanRecord]) -> None:
        self._root = spans[0]
        self._by_id = {span.span_id: span for span in spans}

    def above(self, span: SpanRecord) -> Iterator[SpanRecord]:
        """The ancestors of ``span``, the nearest first."""
        passed = {span.span_id}
        above = self._by_id.get(span.parent_id or 0)
        while above is not None and above.span_id not in passed:
            yield above
            passed.add(above.span_id)
            above = self._by_id.get(above.parent_id or 0)

    def within(self, span: SpanRecord, stage: SpanRecord) -> bool:
        """Whether ``span`` is ``stage`` or below it. All are below the root, even if their parents were left out."""
        return stage is self._root or span is stage or any(above is stage for above in self.above(span))

    def outermost(self, spans: Iterable[SpanRecord]) -> list[SpanRecord]:
        """Those of ``spans`` that are not below another of them, by start time."""
        chosen = {span.span_id: span for span in spans}
        return sorted(
            (span for span in chosen.values() if all(above.span_id not in chosen for above in self.above(span))),
            key=lambda span: span.start_ns,
        )


def service_of(resource: Mapping[str, Any]) -> str | None:
    """The service's name in ``resource``, for the rules."""
    name = resource.get(_OF_SERVICE["service"])
    return name if isinstance(name, str) else None


def _operation(span: SpanRecord) -> object:
    return span.attributes.get(s.OPERATION_NAME)


def model_calls(spans: Sequence[SpanRecord]) -> list[SpanRecord]:
    """The model calls among ``spans``. A call below another is the same one in another layer, and counts once."""
    return _Tree(spans).outermost(span for span in spans if _operation(span) in _MODEL_OPERATIONS)


def worth_evaluating(spans: Iterable[SpanRecord]) -> bool:
    """Whether the spans have any attribute of GenAI."""
    return any(name.startswith(_GENAI) and name not in _MARKS for span in spans for name in span.attributes)


# --- the item ------------------------------------------------------------------------------------


def build(
    root: SpanRecord,
    spans: Sequence[SpanRecord],
    calls: Sequence[SpanRecord],
    *,
    trace_id: int,
    resource: Mapping[str, Any],
    sampled_by: Sequence[str],
    rate: float | None,
    left_out: int,
) -> Item:
    """Make the item of ``root``, which is one of ``spans``.

    ``sampled_by`` are the rate and rules that sampled it, ``rate`` the one its spans were marked with; ``left_out``
    counts the spans that were not kept.
    """
    tree = _Tree(spans)
    all_inferences = [call for call in calls if _operation(call) in s.INFERENCE_OPERATIONS]
    stage = _stage(tree, root, spans, all_inferences)
    inferences = [call for call in all_inferences if tree.within(call, stage)]
    answering = _answering(inferences)
    around = _around(tree, stage, answering)
    answer = extraction.answer(around, answering)
    if answer is not None:  # the model that gave it may not have been the last one
        answering = next((call for call in reversed(inferences) if extraction.answer_of(call) == answer), answering)
    retrievals = tree.outermost(
        span
        for span in spans
        if _operation(span) == s.RETRIEVAL and s.RETRIEVAL_DOCUMENTS in span.attributes and tree.within(span, stage)
    )
    fetched = cost.fetched_in(spans)
    ordered = [root, *sorted((span for span in spans if span is not root), key=lambda span: span.start_ns)]
    made: Item = {
        "schema": SCHEMA,
        "id": f"{format_trace_id(trace_id)}-{format_span_id(root.span_id)}",
        "trace_id": format_trace_id(trace_id),
        "span_id": format_span_id(root.span_id),
        "name": root.name,
        **_found(_OF_SERVICE, resource),
        "started_at": datetime.fromtimestamp(root.start_ns / 1e9, UTC).isoformat(timespec="microseconds"),
        "duration": root.duration_ns / 1e9,
        "sampled_by": list(sampled_by),
        "rate": rate,
        "content_captured": extraction.captured(spans),
        "truncated": left_out > 0 or any(s.LLM_CONTENT_TRUNCATED in span.attributes for span in spans),
        "spans": len(spans),
        "spans_left_out": left_out,
        "error_type": _error_type(ordered, calls),
        "query": extraction.query(around, inferences[0] if inferences else None, answering),
        "answer": answer,
        "context": extraction.context(retrievals, around, answering),
        "messages": extraction.messages(answering, s.INPUT_MESSAGES) if answering is not None else None,
        "answered_by": None if answering is None else _answered_by(answering),
        "prompt": extraction.prompt(answering),
        **{key: _first(ordered, name) for key, name in _OF_TRACE.items()},
        "tags": list(dict.fromkeys(tag for span in ordered for tag in strings(span.attributes.get(s.LLM_TAGS)))),
        "metadata": _metadata(ordered),
        "usage": _total(calls),
        "cost": cost.total(calls, fetched),
        "calls": [_call(call, fetched) for call in calls],
    }
    return {key: value for key, value in made.items() if value not in (None, {}, []) or key in ("calls",)}


def _answering(inferences: Sequence[SpanRecord]) -> SpanRecord | None:
    """The inference that gave the answer: the last one with an answer, or the last one if no content is known."""
    by_end = sorted(inferences, key=lambda span: span.end_ns, reverse=True)
    speaking = (call for call in by_end if extraction.answer_of(call) is not None)
    succeeded = (call for call in by_end if not call.failed)
    return next(speaking, None) or next(succeeded, None) or next(iter(by_end), None)


def _stage(tree: _Tree, root: SpanRecord, spans: Iterable[SpanRecord], inferences: Iterable[SpanRecord]) -> SpanRecord:
    """The span in which the question is answered.

    It is the outermost of the application's spans around an inference that recorded its input or output, else the root.
    """
    around = {above.span_id for inference in inferences for above in tree.above(inference)}
    told = [
        span
        for span in spans
        if span.span_id in around and span.scope == _MANUAL and not extraction.STEP.isdisjoint(span.attributes)
    ]
    return next(iter(tree.outermost(told)), root)


def _around(tree: _Tree, stage: SpanRecord, answering: SpanRecord | None) -> list[SpanRecord]:
    """The steps around the answer, from the stage inwards."""
    above = [] if answering is None else [span for span in tree.above(answering) if tree.within(span, stage)]
    steps = [stage, *(span for span in reversed(above) if span is not stage)]
    return [span for span in steps if _operation(span) not in _MODEL_OPERATIONS]


def _answered_by(call: SpanRecord) -> dict[str, Any]:
    """The span that verdicts on the answer refer to."""
    return {"span_id": format_span_id(call.span_id), **_found({"response_id": s.RESPONSE_ID}, call.attributes)}


def _call(span: SpanRecord, fetched: Mapping[object, cost.Paid]) -> dict[str, Any]:
    made = {"span_id": format_span_id(span.span_id), "duration": span.duration_ns / 1e9}
    made |= _found(_OF_CALL, span.attributes)
    made |= {
        key: value for key, name in _TIMES_OF_CALL.items() if extraction.is_number(value := span.attributes.get(name))
    }
    if reasons := strings(span.attributes.get(s.RESPONSE_FINISH_REASONS)):
        made["finish_reasons"] = reasons
    if usage := _usage(span):
        made["usage"] = usage
    if span.attributes.get(s.LLM_USAGE_ESTIMATED) is True:
        made["usage_estimated"] = True
    if (paid := cost.of_call(span, fetched)) is not None:
        made["cost"] = paid
    elif isinstance(reason := span.attributes.get(s.LLM_UNPRICED_REASON), str):
        made["unpriced"] = reason
    return made


def _usage(span: SpanRecord) -> dict[str, int]:
    return {
        name.removeprefix(_USAGE): int(count)
        for name, count in span.attributes.items()
        if name.startswith(_USAGE) and extraction.is_number(count)
    }


def _total(calls: Iterable[SpanRecord]) -> dict[str, int]:
    total: dict[str, int] = {}
    for call in calls:
        for name, count in _usage(call).items():
            total[name] = total.get(name, 0) + count
    return total


def _found(names: Mapping[str, str], attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes whose values are texts. Other code may set attributes of any type."""
    return {key: value for key, name in names.items() if isinstance(value := attributes.get(name), str)}


def strings(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list | tuple) else []


def _first(spans: Iterable[SpanRecord], name: str) -> str | None:
    return next((value for span in spans if isinstance(value := span.attributes.get(name), str)), None)


def _error_type(ordered: Iterable[SpanRecord], calls: Iterable[SpanRecord]) -> str | None:
    """The error type of the last model call that failed for good, else of the outermost failed span that has one.

    A web framework's span around the call often has no error type, or only the HTTP status.
    """
    answered = [call.start_ns for call in calls if not call.failed]
    for_good = [call for call in calls if call.failed and not any(start >= call.end_ns for start in answered)]
    by_end = sorted(for_good, key=lambda call: call.end_ns, reverse=True)
    failed = [*by_end, *(span for span in ordered if span.failed)]
    kinds = (span.attributes.get(s.ERROR_TYPE) for span in failed)
    return next((str(kind) for kind in kinds if kind), "_OTHER" if failed else None)


def _metadata(ordered: Iterable[SpanRecord]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for span in ordered:
        for name, value in span.attributes.items():
            if name.startswith(s.LLM_METADATA_PREFIX):
                found.setdefault(name.removeprefix(s.LLM_METADATA_PREFIX), value)
    return found
