"""What can be said, and asked, from anywhere below a span."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from opentelemetry import context as otel_context
from opentelemetry import trace

from .. import guard
from .. import semconv as s
from ..core.request import AttributeValue
from ..propagation import state
from ..propagation.state import Describes
from ..propagation.validation import Value
from . import content, operation, scope
from .requests import truth


def update_current_span(
    *,
    tags: Iterable[str] | None = None,
    metadata: Mapping[str, Value] | None = None,
    prompt: Describes | None = None,
    input: Any = content.NOTHING,  # noqa: A002
    output: Any = content.NOTHING,
    attributes: Mapping[str, AttributeValue] | None = None,
    response: Mapping[str, Any] | None = None,
    root: bool = False,
) -> None:
    """Tell more of the nearest manual span that is under way here; with ``root`` of the outermost one.

    ``input``, ``output`` and the prompt's variables are content; ``response`` is what the ``response`` of a chat,
    a completion or embeddings takes. Where there is none, nothing happens. For what shall hold for all spans
    below, there is :class:`otel_llm.propagate_attributes`. Values of other types
    are converted, or left out with a warning.
    """
    found: operation.Operation = scope.nearest(outermost=truth(root)) or operation.NOWHERE
    found.update(
        tags=tags,
        metadata=metadata,
        prompt=prompt,
        input=input,
        output=output,
        attributes=attributes,
        response=response,
    )


class Ids(TypedDict, total=False):
    """Of what is current: what is absent is not known. ``trace_id`` and ``span_id`` are hexadecimal."""

    trace_id: str
    span_id: str
    session_id: str
    user_id: str
    conversation_id: str
    prompt_name: str
    prompt_version: str
    prompt_hash: str
    experiment_id: str
    experiment_variant: str


_LED_BY = {
    s.PROMPT_NAME: "prompt_name",
    s.PROMPT_VERSION: "prompt_version",
    s.LLM_PROMPT_NAME: "prompt_name",
    s.LLM_PROMPT_VERSION: "prompt_version",
    s.LLM_PROMPT_TEMPLATE_HASH: "prompt_hash",
    s.LLM_EXPERIMENT_ID: "experiment_id",
    s.LLM_EXPERIMENT_VARIANT: "experiment_variant",
}


def current_ids() -> Ids:
    """The ids of what is current here, for logs and support tickets. Never raises."""
    return _ids() or {}


@guard.never_raise
def _ids() -> Ids:
    ids: dict[str, Any] = {}
    context = otel_context.get_current()
    about = trace.get_current_span(context).get_span_context()
    if about.is_valid:
        ids["trace_id"] = trace.format_trace_id(about.trace_id)
        ids["span_id"] = trace.format_span_id(about.span_id)
    told: dict[str, Any] = {}
    if (around := state.of(context)) is not None:
        for name in ("session_id", "user_id", "conversation_id"):
            if (value := getattr(around, name)) is not None:
                ids[name] = value
        for describes in (around.experiment, around.prompt):
            told |= describes.attributes() if describes is not None else {}
    if (nearest := scope.nearest(context)) is not None:
        told |= nearest.known
    ids |= {name: told[key] for key, name in _LED_BY.items() if key in told}
    return ids  # type: ignore[return-value]
