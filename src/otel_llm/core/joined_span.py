"""A span of another scope that a call of ours has joined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.trace import Link, Span, SpanContext, Status, StatusCode
from opentelemetry.util.types import Attributes, AttributeValue

from ..semconv import ERROR_TYPE


class JoinedSpan(Span):
    """Adds to a span the attributes that it lacks, as long as it has not ended.

    Its name, its end and whether it failed are its owner's business: the owner may call a second model where the first
    one fails. What the owner sets, before or after, stays.
    """

    def __init__(self, span: Any, added: dict[str, Any]) -> None:
        """``added`` is what has been added to ``span`` before, by a call that was part of the same operation."""
        self._span = span
        self._added = added

    @property
    def attributes(self) -> Mapping[str, Any]:
        """What is on the span now."""
        return self._span.attributes or {}

    def is_recording(self) -> bool:
        return bool(self._span.is_recording())

    def get_span_context(self) -> SpanContext:
        context: SpanContext = self._span.get_span_context()
        return context

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        self.set_attributes({key: value})

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        if not self._span.is_recording():  # the SDK would log it
            return
        there, added = self.attributes, self._added
        missing = object()
        lacking = {
            name: value
            for name, value in attributes.items()
            if name != ERROR_TYPE and (name not in there or there[name] == added.get(name, missing))
        }
        self._span.set_attributes(lacking)
        there = self.attributes  # as the SDK keeps them
        added.update((name, there[name]) for name in lacking if name in there)

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        if self._span.is_recording():
            self._span.add_event(name, attributes, timestamp)

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        if self._span.is_recording():
            self._span.add_link(context, attributes)

    def add_links(self, links: Any) -> None:
        for link in links:
            if isinstance(link, Link):
                self.add_link(link.context, link.attributes)

    def update_name(self, name: str) -> None:
        """The name is the owner's."""

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """The status is the owner's."""

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """The owner sees the exception too."""

    def end(self, end_time: int | None = None) -> None:
        """The end is the owner's."""
