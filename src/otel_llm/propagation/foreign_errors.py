"""A span processor that removes error texts from the spans of other libraries, as a provider's may quote the prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.trace import Status

from .. import guard
from .. import semconv as s
from ..content.boundary import clean_text
from .slot import IdleProcessor

_MESSAGE, _STACK_TRACE = s.EXCEPTION_MESSAGE, s.EXCEPTION_STACKTRACE


class ForeignErrorProcessor(IdleProcessor):
    """Removes the exception message, the text in the stack trace and the status description of spans that are not ours.

    With ``keep_text``, where content is captured, only credentials are removed.
    """

    def __init__(self, keep_text: bool = False) -> None:
        self._keep_text = keep_text

    @guard.never_raise
    def on_end(self, span: Any) -> None:
        scope = span.instrumentation_scope
        if scope is not None and scope.name.startswith("otel_llm."):
            return
        status = span.status
        if status.description:
            span._status = Status(status.status_code, clean_text(status.description) if self._keep_text else None)
        for event in span.events:
            known = event.attributes or {}
            if _MESSAGE in known or _STACK_TRACE in known:
                event._attributes = self._without_text(known)

    #: Before an SDK had this, exporters that were added earlier still saw the texts.
    _on_ending = on_end

    def _without_text(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        kept = dict(attributes)
        if self._keep_text:
            return kept | {name: clean_text(str(kept[name])) for name in (_MESSAGE, _STACK_TRACE) if name in kept}
        kept.pop(_MESSAGE, None)
        if _STACK_TRACE in kept:
            lines = str(kept[_STACK_TRACE]).splitlines()
            kept[_STACK_TRACE] = "\n".join(line for line in lines if line.startswith('  File "'))
        return kept
