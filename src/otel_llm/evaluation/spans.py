"""Copies what the evaluation needs of a span that ended."""

from __future__ import annotations

import sys
from sys import getsizeof
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.trace import SpanContext, StatusCode

from ..content import boundary

if TYPE_CHECKING:  # items can also be made of spans that were exported, without the SDK
    from opentelemetry.sdk.trace import ReadableSpan

_OWN_SCOPES = "otel_llm."
#: The bytes of a span without the values of its attributes.
_SPAN_BYTES = 2000
#: Texts of fewer characters are counted as if each took one byte.
_SHORT = 256
#: Other types whose values may be large, or may contain large ones.
_CONTAINERS = frozenset({bytes, dict, tuple})


class SpanRecord(NamedTuple):
    """What is kept of a span that ended. Times are nanoseconds since the epoch; ``scope`` names the instrumentation."""

    name: str
    span_id: int
    parent: SpanContext | None
    start_ns: int
    end_ns: int
    failed: bool
    scope: str
    attributes: dict[str, Any]

    @classmethod
    def of(cls, span: ReadableSpan, span_id: int) -> SpanRecord:
        attributes: Any = span.attributes
        scope = span.instrumentation_scope
        return cls(
            span.name,
            span_id,
            span.parent,
            span.start_time or 0,
            span.end_time or 0,
            span.status.status_code is StatusCode.ERROR,  # the description is not kept: it may be as long as a prompt
            "" if scope is None else scope.name,
            attributes.copy(),  # several times faster than `dict(...)`, which looks up each key
        )

    def whole(self) -> SpanRecord:
        """This one with the content that this process has uploaded, which the span only refers to."""
        upload = sys.modules.get("otel_llm.content.upload")
        return self if upload is None else self._replace(attributes=upload.SHARED.resolved(self.attributes))

    def clean(self) -> SpanRecord:
        """This one as the content policy has it. Our own spans have passed the policy already."""
        if self.scope.startswith(_OWN_SCOPES):
            return self
        return self._replace(name=boundary.clean_text(self.name), attributes=boundary.cleaned(self.attributes))

    @property
    def parent_id(self) -> int | None:
        return None if self.parent is None else self.parent.span_id

    @property
    def duration_ns(self) -> int:
        return self.end_ns - self.start_ns

    def size(self) -> int:
        """The approximate number of bytes in memory."""
        size = _SPAN_BYTES
        for value in self.attributes.values():
            if value.__class__ is str:
                length = len(value)
                size += length if length < _SHORT else getsizeof(value)
            elif value.__class__ in _CONTAINERS:
                size += _size(value)
        return size


def _size(value: Any) -> int:
    size = getsizeof(value)
    if value.__class__ is tuple:
        size += sum(map(_size, value))
    elif value.__class__ is dict:
        size += sum(map(_size, value)) + sum(map(_size, value.values()))
    return size
