"""What the application gives as feedback: values are converted, targets are recognised."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Span, SpanContext

from ... import semconv as s
from ...content.bounding import encode
from ...content.encoding import utf8
from ...content.values import notices, text_of
from ...evaluation.sampling.feedback import NEGATIVE, POSITIVE
from ...propagation import feedback_tokens, state
from ...propagation.targets import Kind, Target
from ...propagation.validation import MAX_LENGTH
from ..current import Ids

_TRACE_ID, _SPAN_ID = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{16}")
#: What a mapping may name a target by, beside an attribute.
_NAMED = {"response_id": Kind.RESPONSE, "conversation_id": Kind.CONVERSATION}

#: What a target may be given as.
GivenTarget = str | Span | SpanContext | Mapping[str, Any] | Target | None


def score_of(value: Any) -> float | None:
    """``value`` as a finite number; what is none is left out with a warning."""
    if value is None:
        return None
    try:
        number = float(value)
    except Exception:  # a value of the application may raise anything
        number = float("nan")
    if not isfinite(number):
        notices.tell("the score of feedback", value, "left out: it must be a finite number")
        return None
    if not isinstance(value, int | float):
        notices.tell("the score of feedback", value, "recorded as a number")
    return number


def content(value: Any, max_bytes: int) -> str | None:
    """A comment or a correction as a text of at most ``max_bytes`` bytes, as the content policy has it."""
    if not isinstance(value, str):
        value = text_of("the comment or correction of feedback", value, max_bytes) or ""
    return encode(value, max_bytes, s.EVALUATION_EXPLANATION)[0] or None


def label_of(value: Any) -> str | None:
    """``value`` as a short text."""
    return text_of("the label of feedback", value, MAX_LENGTH, s.EVALUATION_SCORE_LABEL)


def score_of_label(label: str | None) -> float | None:
    """1 or 0 for a label that is a thumb up or down, in one of the usual words."""
    word = (label or "").strip().lower()
    return 1.0 if word in POSITIVE else 0.0 if word in NEGATIVE else None


def target_of(given: GivenTarget) -> Target | None:
    """The target that ``given`` means; ``None`` if it is a trace and there is none, as where nothing is traced.

    :raises TypeError: if it is nothing that can be a target.
    :raises ValueError: if it names no target, or an id is none.
    :raises TokenError: if it is a token that was not issued here, or that has expired.
    """
    if given is None:
        return current()
    if isinstance(given, Target):
        return given
    if isinstance(given, str):
        return feedback_tokens.SHARED.read(given)
    if isinstance(given, Span):
        given = given.get_span_context()
    if isinstance(given, SpanContext):
        return _of_span(given, Kind.SPAN)
    if isinstance(given, Mapping):
        return _of_mapping(given)
    raise TypeError(
        "target must be a token, a span, or a mapping with trace_id, span_id, response_id, conversation_id or an"
        f" attribute, not {type(given).__name__}"
    )


def current() -> Target | None:
    """The current trace, else the one that began first in the current web request."""
    context = otel_context.get_current()
    here = trace.get_current_span(context).get_span_context()
    if not here.is_valid and (first := state.span_of_request(context)) is not None:
        here = first
    return _of_span(here, Kind.TRACE)


def _of_span(context: SpanContext, kind: Kind) -> Target | None:
    if not context.is_valid:
        return None
    return Target(kind, trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id))


def _of_mapping(given: Mapping[str, Any]) -> Target | None:
    if (trace_id := given.get("trace_id")) is not None:
        span_id = given.get("span_id")
        if not _is_id(_TRACE_ID, trace_id) or not (span_id is None or _is_id(_SPAN_ID, span_id)):
            raise ValueError("trace_id must be 32 hexadecimal digits, and span_id 16, not all zero")
        return Target(Kind.TRACE if span_id is None else Kind.SPAN, trace_id, span_id)
    for name, kind in _NAMED.items():
        if name in given:
            target = Target.by_attribute(kind, "")
            return replace(target, value=_value(given[name], target.attribute))
    others = {name: value for name, value in given.items() if name not in Ids.__annotations__}
    if not others and "span_id" not in given:
        return None  # what `current_ids()` returns where nothing is traced
    if len(others) != 1 or "span_id" in given or not all(isinstance(name, str) for name in others):
        named = ", ".join(name if isinstance(name, str) else type(name).__name__ for name in given)
        raise ValueError(f"target must have trace_id, response_id, conversation_id or one attribute, not {named}")
    ((name, value),) = others.items()
    name = utf8(name)
    # As `propagate_attributes(metadata={"ticket": ...})` puts it on spans.
    attribute = name if "." in name else s.LLM_METADATA_PREFIX + name
    return Target.by_attribute(Kind.KEY, _value(value, attribute), attribute)


def _value(value: Any, attribute: str) -> str:
    if (known := text_of("the target of feedback", value, MAX_LENGTH, attribute)) is None:
        raise ValueError("the target of feedback is empty")
    return known


def _is_id(form: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and form.fullmatch(value) is not None and bool(value.strip("0"))
