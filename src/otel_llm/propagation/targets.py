"""What feedback is about: a span, a trace, a conversation, a response, or what has a key of the application's own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .. import semconv as s


class Kind(Enum):
    """The kinds of targets. The values are in tokens: don't change them."""

    SPAN = "s"
    TRACE = "t"
    CONVERSATION = "c"
    RESPONSE = "r"
    KEY = "k"


#: The attributes by which spans carry what a target names.
_ATTRIBUTES = {Kind.CONVERSATION: s.CONVERSATION_ID, Kind.RESPONSE: s.RESPONSE_ID}


@dataclass(frozen=True, slots=True)
class Target:
    """One target. Ids of traces and spans are hexadecimal.

    ``trace_id`` and ``span_id`` are known of spans and, in part, of traces; of a trace, ``span_id`` is the span that
    shows the feedback. ``attribute`` and ``value`` are what the spans of all others carry.
    """

    kind: Kind
    trace_id: str | None = None
    span_id: str | None = None
    attribute: str = ""
    value: str = ""

    @classmethod
    def by_attribute(cls, kind: Kind, value: str, attribute: str = "") -> Target:
        """The target that spans carry as ``attribute``, which the kinds other than a key have by themselves."""
        return cls(kind, attribute=_ATTRIBUTES.get(kind, attribute), value=value)

    @property
    def identity(self) -> str:
        """The same text for the same target, whatever else is known of it."""
        if self.kind is Kind.SPAN:
            return f"span:{self.trace_id}-{self.span_id}"
        if self.kind is Kind.TRACE:
            return f"trace:{self.trace_id}"
        return f"{self.kind.name.lower()}:{self.attribute}={self.value}"
