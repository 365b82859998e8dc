"""Who is told that a call has ended, and what they are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .. import guard
from .request import AttributeValue, Request, Response

if TYPE_CHECKING:
    from opentelemetry.context import Context


@dataclass(frozen=True, slots=True)
class EndedCall:
    """A call that has ended, before its span has.

    ``attributes`` are set on the span next, and are part of the event: a listener may add to them.
    """

    request: Request
    response: Response
    #: The span, which is still recording if it is sampled.
    span: Any
    #: The context inside of the call.
    context: Context
    #: Nanoseconds since the epoch.
    started_at: int
    #: Seconds.
    duration: float
    #: Seconds; ``None`` if the answer did not come in chunks.
    time_to_first_chunk: float | None
    #: Seconds per output token and output tokens per second of a stream, by attribute.
    speed: Mapping[str, float]
    error_type: str | None
    attributes: dict[str, AttributeValue]
    #: The recorded content by attribute, possibly among other attributes; empty unless content is captured of every
    #: call.
    content: Mapping[str, Any]


class Listener(Protocol):
    """Called on the caller's thread, so it must be quick and must not block."""

    def __call__(self, ended: EndedCall, /) -> None: ...


class Listeners:
    """The listeners of one or more :class:`.Telemetry` objects. Adding and removing is safe during calls."""

    __slots__ = ("_all",)

    def __init__(self) -> None:
        self._all: tuple[Listener, ...] = ()

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, listener: Listener) -> None:
        self._all = (*self._all, listener)

    def remove(self, listener: Listener) -> None:
        """Remove ``listener``, if it is there."""
        self._all = tuple(one for one in self._all if one != listener)

    def notify(self, ended: EndedCall) -> None:
        """Call each listener. An error of one is reported, and the next is called."""
        for listener in self._all:
            try:
                listener(ended)
            except Exception as failure:
                guard.report("Listeners.notify", failure)


#: The listeners of every :class:`.Telemetry` that is not given its own.
SHARED = Listeners()
