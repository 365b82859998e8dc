"""Watches an event stream, sync or async. The caller gets the object that botocore made.

The stream has a generator of its events, which is replaced. An error that the endpoint sends becomes an exception one
step later, when the event is parsed. The replacements refer to the stream weakly, so that a stream that has been read
is freed when it is dropped.
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
    """Decodes the bytes of payload parts, which may be split anywhere."""

    def feed(self, data: bytes, /) -> list[Any]:
        """Return the values that are complete with ``data``."""
        ...

    def end(self) -> list[Any]:
        """Return what the remaining bytes decode to, as none follow."""
        ...


class _EventObserver(Observer):
    """An observer of payload parts. A part may hold half an event of the model, or several."""

    __slots__ = ("_decoder",)

    def __init__(self, call: Call, accumulator: Accumulator, decoder: Decoder) -> None:
        super().__init__(call, accumulator)
        self._decoder = decoder

    @guard.never_raise
    def chunk(self, chunk: Any) -> None:
        if self._call.ended or chunk.headers.get(":event-type") != "PayloadPart":
            return
        # A part is timed if it completes anything of the answer.
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
    """End ``call`` when ``stream`` ends. ``decoder`` decodes its payload for ``accumulator``."""
    observer = _EventObserver(call, accumulator, decoder)
    events = getattr(stream, "_event_generator", None)
    if events is None:  # a stub
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
            else:  # closing the stream does no more than that
                raw.close()
        finally:
            observer.closed()

    return closing
