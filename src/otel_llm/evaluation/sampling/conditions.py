"""The conditions that rules can have. Each turns its value in a rule into a test of a span."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from ... import semconv as s
from ...core import finish_reasons
from ..dataset.extraction import is_number
from ..spans import SpanRecord
from .feedback import Said


@dataclass(frozen=True, slots=True)
class Seen:
    """A span as conditions see it. ``tokens`` are those of the span, or of the whole trace if it is the root."""

    span: SpanRecord
    tokens: int


Test = Callable[[Seen], bool]


def seen(spans: Iterable[SpanRecord], root: SpanRecord, calls: Iterable[SpanRecord]) -> list[Seen]:
    """The spans as conditions see them; ``calls`` are the model calls among them."""
    whole = sum(_tokens(call) for call in calls)
    return [Seen(span, whole if span is root else _tokens(span)) for span in spans]


def _tokens(span: SpanRecord) -> int:
    counts = (span.attributes.get(name) for name in (s.USAGE_INPUT_TOKENS, s.USAGE_OUTPUT_TOKENS))
    return sum(int(count) for count in counts if is_number(count))


# --- values in a rule -------------------------------------------------------------------------------


def text(value: Any) -> str | None:
    """``value`` as text, or ``None``. YAML and JSON read an unquoted ``7`` or ``2026-11-28`` as a number or a date."""
    if isinstance(value, int | float | date) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


def texts(value: Any) -> frozenset[str]:
    """Return a text or a list of texts as a set.

    :raises ValueError: if ``value`` is neither.
    """
    found = [text(one) for one in (value if isinstance(value, list | tuple) else [value])]
    if not found or not all(found):
        raise ValueError(f"must be a string or a list of strings, not {value!r}")
    return frozenset(one for one in found if one)


def mapping(value: Any) -> dict[str, Any]:
    """Return a mapping of names to values, with tuples instead of lists, as the SDK has attributes.

    :raises ValueError: if ``value`` is not one.
    """
    if not isinstance(value, Mapping) or not value or not all(isinstance(name, str) for name in value):
        raise ValueError(f"must map names to values, such as {{app.evaluate: true}}, not {value!r}")
    return {name: tuple(one) if isinstance(one, list) else one for name, one in value.items()}


def baggage_entries(value: Any) -> dict[str, str]:
    """Return a mapping of names to texts, as baggage has its entries.

    :raises ValueError: if ``value`` is not one.
    """
    entries = {name: str(one).lower() if isinstance(one, bool) else text(one) for name, one in mapping(value).items()}
    if None in entries.values():
        raise ValueError(f"must map names to texts, such as {{tenant: acme}}, not {value!r}")
    return {name: one for name, one in entries.items() if one is not None}


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ValueError(f"must be a number from 0, not {value!r}")
    return value


# --- conditions -------------------------------------------------------------------------------------


def _error(value: Any) -> Test:
    if value is not True:
        raise ValueError(f"must be true, or be left out, not {value!r}")
    return lambda seen: seen.span.failed


def _latency_over(value: Any) -> Test:
    limit = _number(value) * 1e9
    return lambda seen: seen.span.duration_ns > limit


def _tokens_over(value: Any) -> Test:
    limit = _number(value)
    return lambda seen: seen.tokens > limit


def _attribute_in(*names: str) -> Callable[[Any], Test]:
    def condition(value: Any) -> Test:
        wanted = texts(value)
        return lambda seen: any(_is_in(wanted, seen.span.attributes.get(name)) for name in names)

    return condition


def _is_in(wanted: frozenset[str], value: object) -> bool:
    return isinstance(value, str) and value in wanted


def _finish_reason(value: Any) -> Test:
    wanted = frozenset(finish_reasons.normalized(reason) for reason in texts(value))

    def test(seen: Seen) -> bool:
        reasons = seen.span.attributes.get(s.RESPONSE_FINISH_REASONS)
        return isinstance(reasons, list | tuple) and any(_is_in(wanted, reason) for reason in reasons)

    return test


def _span_name(value: Any) -> Test:
    wanted = texts(value)
    return lambda seen: seen.span.name in wanted


def _attribute(value: Any) -> Test:
    wanted = mapping(value)
    return lambda seen: all(_is_same(seen.span.attributes.get(name), one) for name, one in wanted.items())


def _is_same(value: object, wanted: object) -> bool:
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)  # True == 1 in Python


# --- feedback ---------------------------------------------------------------------------------------

_OF_FEEDBACK = ("name", "label", "score_below")
OfFeedback = Callable[[Said], bool]


def of_feedback(value: Any) -> OfFeedback:
    """The test of one feedback: ``negative``, ``any``, or a mapping with some of ``name``, ``label``, ``score_below``.

    :raises ValueError: if ``value`` is none of these.
    """
    if value == "any":
        return lambda said: True
    if value == "negative":
        return lambda said: said.negative
    if not isinstance(value, Mapping) or not value or not set(value) <= set(_OF_FEEDBACK):
        raise ValueError(f"must be negative, any, or a mapping with {', '.join(_OF_FEEDBACK)}, not {value!r:.80}")
    names = texts(value["name"]) if "name" in value else None
    labels = texts(value["label"]) if "label" in value else None
    below = value.get("score_below")
    if below is not None and not is_number(below):
        raise ValueError(f"score_below must be a number, not {below!r}")

    def test(said: Said) -> bool:
        return (
            (names is None or said.name in names)
            and (labels is None or said.label in labels)
            and (below is None or (said.score is not None and said.score < below))
        )

    return test


CONDITIONS: dict[str, Callable[[Any], Test]] = {
    "error": _error,
    "latency_over": _latency_over,
    "tokens_over": _tokens_over,
    "finish_reason": _finish_reason,
    "operation": _attribute_in(s.OPERATION_NAME, s.LLM_OPERATION_NAME),
    "span": _span_name,
    "prompt": _attribute_in(s.PROMPT_NAME),
    "prompt_version": _attribute_in(s.PROMPT_VERSION),
    "experiment": _attribute_in(s.LLM_EXPERIMENT_ID),
    "variant": _attribute_in(s.LLM_EXPERIMENT_VARIANT),
    "attribute": _attribute,
}
