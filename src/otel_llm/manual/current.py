"""Functions for code anywhere below a manual span: add to that span, and read the current ids."""

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
from .requests import boolean


def update_current_span(
    *,
    tags: Iterable[str] | None = None,
    metadata: Mapping[str, Value] | None = None,
    prompt: Describes | None = None,
    input: Any = content.UNSET,  # noqa: A002
    output: Any = content.UNSET,
    attributes: Mapping[str, AttributeValue] | None = None,
    response: Mapping[str, Any] | None = None,
    root: bool = False,
) -> None:
    """Add to the nearest manual span that encloses the current code; with ``root``, to the outermost one.

    ``tags`` and ``metadata`` are added to those that it has, at most 32 of each; ``attributes`` are set. ``prompt`` is
    a :class:`.Prompt` or a text that one made. ``input``, ``output`` and the variables of ``prompt`` are content: they
    are recorded only if content is captured. ``response`` has arguments of the method ``response`` of
    :class:`otel_llm.chat_span`, ``completion_span`` or ``embeddings_span``.

    Without such a span nothing happens. Values of other types are converted, or left out with a warning. Nothing is
    raised. To set attributes of all spans below, use :class:`otel_llm.propagate_attributes`.
    """
    found: operation.Operation = scope.nearest(outermost=boolean(root)) or operation.NO_OPERATION
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
    """The current ids. Those that are not known are absent. ``trace_id`` and ``span_id`` are hexadecimal."""

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


#: The attributes of prompts and experiments, and their names in :class:`Ids`.
_NAMES = {
    s.PROMPT_NAME: "prompt_name",
    s.PROMPT_VERSION: "prompt_version",
    s.LLM_PROMPT_NAME: "prompt_name",
    s.LLM_PROMPT_VERSION: "prompt_version",
    s.LLM_PROMPT_TEMPLATE_HASH: "prompt_hash",
    s.LLM_EXPERIMENT_ID: "experiment_id",
    s.LLM_EXPERIMENT_VARIANT: "experiment_variant",
}


def current_ids() -> Ids:
    """Return the ids of the current trace, span, session, user, conversation, prompt and experiment.

    They are meant for log records and support tickets. Ids that are not known are absent. Nothing is raised.
    """
    return _ids() or {}


@guard.never_raise
def _ids() -> Ids:
    ids: dict[str, Any] = {}
    context = otel_context.get_current()
    span_context = trace.get_current_span(context).get_span_context()
    if span_context.is_valid:
        ids["trace_id"] = trace.format_trace_id(span_context.trace_id)
        ids["span_id"] = trace.format_span_id(span_context.span_id)
    attributes: dict[str, Any] = {}
    if (around := state.of(context)) is not None:
        for name in ("session_id", "user_id", "conversation_id"):
            if (value := getattr(around, name)) is not None:
                ids[name] = value
        for describes in (around.experiment, around.prompt):
            if describes is not None:
                attributes |= describes.attributes()
    if (nearest := scope.nearest(context)) is not None:
        attributes |= nearest.known
    ids |= {name: attributes[key] for key, name in _NAMES.items() if key in attributes}
    return ids  # type: ignore[return-value]
