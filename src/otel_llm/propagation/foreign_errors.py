"""A span processor that applies the content policy to the spans of other libraries, and removes error texts from them.

A web framework's span may quote a provider's error, and an HTTP client's has URLs with keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.trace import Status

from .. import guard
from .. import semconv as s
from ..content.boundary import SHARED, clean_text, cleaned
from .slot import IdleProcessor

_MESSAGE, _STACK_TRACE = s.EXCEPTION_MESSAGE, s.EXCEPTION_STACKTRACE
#: What has the text of an error, on a span, an event or a link.
_TEXTS = frozenset({_MESSAGE, "error.message"})


class ForeignErrorProcessor(IdleProcessor):
    """Applies the policy to attributes, events and links of spans that are not ours, and removes texts of errors.

    These are the exception message, the text in the stack trace and the status description. With ``keep_text``, where
    content is captured, the policy is all that is applied to them. An SDK span processor by its methods.
    """

    def __init__(self, keep_text: bool = False) -> None:
        self._captured = keep_text
        #: Whether the SDK calls ``_on_ending``.
        self._before_end = False

    def _on_ending(self, span: Any) -> None:
        self._before_end = True
        self._scrub(span)

    def on_end(self, span: Any) -> None:
        """For an SDK without ``_on_ending``. There, exporters that were added earlier still see the texts."""
        if not self._before_end:
            self._scrub(span)

    @guard.never_raise
    def _scrub(self, span: Any) -> None:
        scope = span.instrumentation_scope
        if scope is not None and scope.name.startswith("otel_llm."):
            return
        keep_text = self._captured and SHARED.shows_errors
        status = span.status
        if status.description:
            told = clean_text(status.description, _MESSAGE) if keep_text else None
            span._status = Status(status.status_code, told)
        span._name = clean_text(span.name)
        told_of = cleaned if keep_text else _cleaned_without_text
        _replace(span, span.attributes or {}, told_of(span.attributes or {}))
        for part in (*span.events, *span.links):
            part._attributes = told_of(part.attributes or {})


def _replace(span: Any, known: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    if told == dict(known):
        return
    try:
        for name in known.keys() - told.keys():
            del span._attributes[name]
        for name, value in told.items():
            if known.get(name) != value:
                span._attributes[name] = value
    except TypeError:  # the span has ended
        span._attributes = told


def _cleaned_without_text(known: Mapping[str, Any]) -> dict[str, Any]:
    attributes = {name: value for name, value in known.items() if name not in _TEXTS}
    if _STACK_TRACE in attributes:
        lines = str(attributes[_STACK_TRACE]).splitlines()
        attributes[_STACK_TRACE] = "\n".join(line for line in lines if line.startswith('  File "'))
    return cleaned(attributes)
