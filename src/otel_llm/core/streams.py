"""Watches a streamed answer, and ends its call once, no matter how the stream ends.

:class:`ChunkIterator` and :class:`AsyncChunkIterator` replace the iterator that an SDK's stream, or the caller of a raw
response, reads from. They report to an :class:`Observer`. Code that sees the stream closed reports to it, too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from time import perf_counter_ns
from typing import Any, Protocol

from .. import guard
from ..background import finalizers
from .call import Call
from .request import Response


class Accumulator(Protocol):
    """Reads the chunks of one provider's streams, and makes a response of those that have come."""

    #: The model that answers, as soon as a chunk has named it.
    model: str | None

    def add(self, chunk: Any) -> None:
        """Take in one chunk."""

    def response(self) -> Response:
        """The response that the chunks so far make."""
        ...


class Observer:
    """Ends the call of a stream when the stream is exhausted, fails, is closed or is dropped.

    ``timed`` is false if the parts are pieces of one body, and not the model's chunks.
    """

    __slots__ = ("__weakref__", "_accumulator", "_call", "_timed", "reading", "source")

    def __init__(self, call: Call, accumulator: Accumulator, timed: bool = True) -> None:
        self._call = call
        self._accumulator = accumulator
        self._timed = timed
        #: Whether a chunk is awaited. If so, a close comes from the SDK, at the end or because of an error.
        self.reading = False
        #: The iterator that chunks are read from.
        self.source: Any = None
        call.owned_by(self)

    def chunk(self, chunk: Any) -> None:
        """A chunk has come."""
        accumulator = self._accumulator
        try:
            if self._timed:
                self._call.chunk(perf_counter_ns(), accumulator.model)
            accumulator.add(chunk)
        except Exception as error:
            guard.report("Observer.chunk", error)

    def drained(self) -> None:
        """The stream came to its end."""
        self._finish(None)

    def closed(self) -> None:
        """The stream was closed, at its end or before: by the caller, or by the SDK's generator."""
        if self.reading:
            return
        if getattr(self.source, "gi_running", False) or getattr(self.source, "ag_running", False):
            self._dropped()  # the generator runs, and nobody reads from it: it is being finalized
        else:
            self._finish("closed")

    def failed(self, error: BaseException) -> None:
        """Reading raised ``error``."""
        if not self._call.ended:
            self._call.fail(error, self._response())

    def abandon(self) -> None:
        """The stream will not be read any further."""
        self._finish("abandoned")

    def __del__(self) -> None:
        if not self._call.ended:
            self._dropped()

    def _dropped(self) -> None:
        if not self._call.ended:
            self._call.stop_clock()
            finalizers.run(lambda: self._finish("abandoned"))

    def _finish(self, outcome: str | None) -> None:
        if self._call.ended:
            return
        response = self._response()
        if response is not None and response.finish_reasons and None not in response.finish_reasons:
            outcome = None  # the answer was whole, only the stream's end was not read
        self._call.finish(response, outcome)

    def _response(self) -> Response | None:
        try:
            return self._accumulator.response()
        except Exception as error:
            guard.report("Observer._response", error)
            return None


class BytesObserver(Observer):
    """An observer of the bytes of a response, which ``decode`` turns into the chunks they complete."""

    __slots__ = ("_decode",)

    def __init__(
        self, call: Call, accumulator: Accumulator, decode: Callable[[bytes], list[Any]], timed: bool = True
    ) -> None:
        super().__init__(call, accumulator, timed)
        self._decode = decode

    @guard.never_raise
    def chunk(self, chunk: bytes) -> None:
        if not self._call.ended:
            for decoded in self._decode(chunk):
                super().chunk(decoded)


class ChunkIterator:
    """Stands in for ``iterator``: gives the same chunks, less those that ``hide`` accepts, and the same errors."""

    def __init__(self, iterator: Iterator[Any], observer: Observer, hide: Callable[[Any], bool] | None = None) -> None:
        self._iterator = observer.source = iterator
        self._observer = observer
        self._hide = guard.never_raise(hide) if hide is not None else None

    def __iter__(self) -> ChunkIterator:
        return self

    def __next__(self) -> Any:
        observer = self._observer
        while True:
            observer.reading = True
            try:
                chunk = next(self._iterator)
            except StopIteration:
                observer.drained()
                raise
            except BaseException as error:
                observer.failed(error)
                raise
            finally:
                observer.reading = False
            observer.chunk(chunk)
            if self._hide is None or not self._hide(chunk):
                return chunk

    def close(self) -> None:
        close = getattr(self._iterator, "close", None)
        self._observer.reading = True
        try:
            if close is not None:
                close()
        finally:
            self._observer.reading = False
            self._observer.closed()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._iterator, name)


class AsyncChunkIterator:
    """:class:`ChunkIterator` for asynchronous iterators."""

    def __init__(
        self, iterator: AsyncIterator[Any], observer: Observer, hide: Callable[[Any], bool] | None = None
    ) -> None:
        self._iterator = observer.source = iterator
        self._observer = observer
        self._hide = guard.never_raise(hide) if hide is not None else None

    def __aiter__(self) -> AsyncChunkIterator:
        return self

    async def __anext__(self) -> Any:
        observer = self._observer
        while True:
            observer.reading = True
            try:
                chunk = await anext(self._iterator)
            except StopAsyncIteration:
                observer.drained()
                raise
            except BaseException as error:
                observer.failed(error)
                raise
            finally:
                observer.reading = False
            observer.chunk(chunk)
            if self._hide is None or not self._hide(chunk):
                return chunk

    async def aclose(self) -> None:
        close = getattr(self._iterator, "aclose", None)
        self._observer.reading = True
        try:
            if close is not None:
                await close()
        finally:
            self._observer.reading = False
            self._observer.closed()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._iterator, name)
