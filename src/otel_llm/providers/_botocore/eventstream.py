"""Watching an event stream, sync or async, on the object that botocore made.

Its events come from a generator it holds, which is what we stand in for. An error that the endpoint sends becomes an
exception one step later, where the event is parsed. What we put there knows the stream weakly, so that one that was
read is freed when it is dropped.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Protocol

from ... import guard
from ...core.call import Call
from ...core.request import Response
from ...core.streams import Accumulator, AsyncChunkIterator, ChunkIterator, Observer


class Decoder(Protocol):
    """Gives what the bytes of payload parts, which may be split anywhere, complete."""

    def feed(self, data: bytes, /) -> list[Any]:
        """What ``data`` completes."""
        ...

    def end(self) -> list[Any]:
        """What the bytes before it are, now that no others follow."""
        ...


class _EventObserver(Observer):
    """An observer of payload parts. A part may hold half an event of the model's or several."""

    __slots__ = ("_decoder",)

    def __init__(self, call: Call, accumulator: Accumulator, decoder: Decoder) -> None:
        super().__init__(call, accumulator)
        self._decoder = decoder

    @guard.never_raise
    def chunk(self, chunk: Any) -> None:
        if self._call.ended or chunk.headers.get(":event-type") != "PayloadPart":
            return
        # Timed is what the caller gets: the part, if it completes anything of the answer.
        decoded = self._decoder.feed(chunk.payload)
        if decoded:
            super().chunk(decoded)

    def _response(self) -> Response | None:
        self._flush()
        return super()._response()

    @guard.never_raise
    def _flush(self) -> None:
        if rest := self._decoder.end():
            if self._call.streams:
                self._accumulator.add(rest)
            else:
                super().chunk(rest)


def watch_events(call: Call, accumulator: Accumulator, decoder: Decoder, stream: Any) -> None:
    """End ``call`` with ``stream``, however that ends; ``accumulator`` takes what ``decoder`` makes of its payload."""
    observer = _EventObserver(call, accumulator, decoder)
    events = getattr(stream, "_event_generator", None)
    if events is None:  # somebody's own stub
        observer.drained()
        return
    if hasattr(events, "__anext__"):
        stream._parse_event = _parsing_async(stream._parse_event, observer)
        stream._event_generator = AsyncChunkIterator(events, observer)
    else:
        stream._parse_event = _parsing(stream._parse_event, observer)
        stream._event_generator = ChunkIterator(events, observer)
    stream.close = _closing(stream.close, stream._raw_stream, observer)


def _parsing(method: Any, observer: Observer) -> Callable[[Any], Any]:
    held, parse = weakref.ref(method.__self__), method.__func__

    def parsed(event: Any) -> Any:
        try:
            return parse(held(), event)
        except BaseException as error:
            observer.failed(error)
            raise

    return parsed


def _parsing_async(method: Any, observer: Observer) -> Callable[[Any], Any]:
    held, parse = weakref.ref(method.__self__), method.__func__

    async def parsed(event: Any) -> Any:
        try:
            return await parse(held(), event)
        except BaseException as error:
            observer.failed(error)
            raise

    return parsed


def _closing(method: Any, raw: Any, observer: Observer) -> Callable[[], None]:
    held, close = weakref.ref(method.__self__), method.__func__

    def closing() -> None:
        try:
            if (stream := held()) is not None:
                close(stream)
            else:  # all that closing the stream comes down to
                raw.close()
        finally:
            observer.closed()

    return closing
