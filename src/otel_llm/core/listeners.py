"""Who is told of a call: before a model call starts, and when a call has ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .. import guard
from .. import semconv as s
from .request import AttributeValue, Request, Response

if TYPE_CHECKING:
    from opentelemetry.context import Context


NO_CONTENT: Mapping[str, Any] = {}


class Cost(NamedTuple):
    """What a call cost: an amount, its ISO 4217 currency, and whether the ``provider`` told it or it is ``local``."""

    amount: float
    currency: str
    source: str


@dataclass(slots=True)  # A frozen one takes several times as long to make, and one is made for each call.
class EndedCall:
    """A call that has ended, before its span has.

    ``attributes`` are set on the span next, and are part of the event: a listener may add to them. A listener that
    wants content takes it while it is called: afterwards it is gone.
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
    #: What it cost; ``None`` if that is not known.
    cost: Cost | None = None
    #: Why that is not known; ``None`` if nothing was charged, or costs are off.
    unpriced: str | None = None

    @property
    def cut_off(self) -> bool:
        """Whether a stream was left or broke off before its end, so that it did not tell all of its usage."""
        return (
            self.time_to_first_chunk is not None
            and (self.error_type is not None or s.LLM_STREAM_OUTCOME in self.attributes)
            and not any(self.response.finish_reasons or ())
        )

    def forget_content(self) -> None:
        """Let go of all that holds the caller's messages: metrics, which come later, need none of it."""
        self.content = NO_CONTENT
        self.response.billed = ()
        self.request.content = self.request.texts = self.request.prompt = self.response.output = None


class Listener(Protocol):
    """Called on the caller's thread, so it must be quick and must not block."""

    def __call__(self, ended: EndedCall, /) -> None: ...


class Completer(Protocol):
    """Completes what is known of calls. It is asked on the caller's thread, before the listeners are told."""

    def holds(self, ended: EndedCall, rest: Callable[[], None], /) -> bool:
        """Complete ``ended`` and its attributes: a pricer says what the call cost, an estimator how many tokens it had.

        Return whether that has to wait: then ``rest``, which ends the span, is called when it is done, by another
        thread.
        """
        ...

    def flush(self, seconds: float, /) -> bool:
        """Complete what waits; return whether that took at most ``seconds``."""
        ...

    def close(self, seconds: float, /) -> None:
        """Complete what waits for ``seconds``, pass the rest on as it is, and complete no call from now on."""
        ...


class Listeners:
    """The listeners of one or more :class:`.Telemetry` objects. Adding and removing is safe during calls."""

    __slots__ = ("_preparing", "all", "estimator", "pricer")

    def __init__(self) -> None:
        self.all: tuple[Listener, ...] = ()
        self.pricer: Completer | None = None
        #: It asks the pricer itself, when it knows the tokens.
        self.estimator: Completer | None = None
        self._preparing: tuple[Callable[[Request], object], ...] = ()

    @property
    def completer(self) -> Completer | None:
        """What completes calls that have ended."""
        return self.estimator or self.pricer

    def flush(self, seconds: float) -> bool:
        """Complete the calls that wait; return whether that took at most ``seconds``."""
        deadline = monotonic() + seconds
        completed = [
            one.flush(max(deadline - monotonic(), 0.0)) for one in (self.estimator, self.pricer) if one is not None
        ]
        return all(completed)

    def give_up(self) -> None:
        """Pass on the calls that wait as they are, because the process ends."""
        for one in (self.estimator, self.pricer):
            if one is not None:
                one.close(0.0)

    def before_start(self, prepare: Callable[[Request], object]) -> None:
        """Call ``prepare`` with the request of each model call before its span starts: it may add to the request."""
        self._preparing = (*self._preparing, prepare)

    def not_before_start(self, prepare: Callable[[Request], object]) -> None:
        """No longer call ``prepare``."""
        self._preparing = tuple(one for one in self._preparing if one != prepare)

    def prepare(self, request: Request) -> None:
        """Call what is to be called before a model call starts. An error is reported, and the next is called."""
        for prepare in self._preparing:
            try:
                prepare(request)
            except Exception as failure:
                guard.report("Listeners.prepare", failure)

    def add(self, listener: Listener) -> None:
        self.all = (*self.all, listener)

    def remove(self, listener: Listener) -> None:
        """Remove ``listener``, if it is there."""
        self.all = tuple(one for one in self.all if one != listener)

    def notify(self, ended: EndedCall) -> None:
        """Call each listener. An error of one is reported, and the next is called."""
        for listener in self.all:
            try:
                listener(ended)
            except Exception as failure:
                guard.report("Listeners.notify", failure)


#: The listeners of every :class:`.Telemetry` that is not given its own.
SHARED = Listeners()
