"""Watches the body of an aiobotocore response, over aiohttp or httpx.

However the caller reads the body, the bytes pass one place: the reader of aiohttp's response, or the raw bytes of
httpx's. The former can't be hooked, so a proxy replaces it.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import wrapt

from ...core.streams import AsyncChunkIterator, Observer
from .bodies import Answer

if TYPE_CHECKING:
    _Proxy = wrapt.ObjectProxy[Any]
else:
    _Proxy = wrapt.ObjectProxy


def is_body(body: Any) -> bool:
    """Whether ``body`` is one of aiobotocore's."""
    return type(body).__module__ == "aiobotocore.response"


def watch_body(body: Any, observer: Observer, answer: Answer) -> None:
    """Watch what is read of ``body``. It is a proxy of the response in aiobotocore 2, and holds it since 3."""
    response = getattr(body, "_raw_stream", None) or body.__wrapped__
    if hasattr(response, "aiter_raw"):
        response.aiter_raw = _watched(response, observer, answer)
        response.aclose = _closing_async(response.aclose, observer)
        return
    response.content = _Reader(response.content, observer, answer)
    for name in ("close", "release"):
        setattr(response, name, _closing(response, name, observer))


def _watched(response: Any, observer: Observer, answer: Answer) -> Callable[..., AsyncIterator[Any]]:
    aiter_raw = response.aiter_raw

    async def parts(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        async for part in aiter_raw(*args, **kwargs):
            yield part
        answer.whole = True

    async def watched(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        async for part in AsyncChunkIterator(parts(*args, **kwargs), observer):
            yield part

    return watched


def _closing_async(close: Callable[[], Any], observer: Observer) -> Callable[[], Any]:
    async def closing() -> None:
        try:
            await close()
        finally:
            observer.closed()

    return closing


def _closing(response: Any, name: str, observer: Observer) -> Callable[[], Any]:
    """``response.close`` or ``.release``, which leaving its context calls; it holds ``response`` weakly."""
    held, close = weakref.ref(response), getattr(type(response), name)

    def closing() -> Any:
        response = held()
        if response is None:
            return None
        try:
            return close(response)
        finally:
            observer.closed()

    return closing


class _Reader(_Proxy):
    """A proxy of aiohttp's ``StreamReader`` that reports what is read."""

    def __init__(self, reader: Any, observer: Observer, answer: Answer) -> None:
        super().__init__(reader)
        self._self_observer = observer
        self._self_answer = answer

    async def _self_read(self, name: str, *args: Any) -> Any:
        observer, answer = self._self_observer, self._self_answer
        observer.reading = True
        try:
            found = await getattr(self.__wrapped__, name)(*args)
        except BaseException as error:
            observer.failed(error)
            raise
        finally:
            observer.reading = False
        observer.chunk(found[0] if isinstance(found, tuple) else found)
        if answer.whole or self.__wrapped__.at_eof():
            answer.whole = True
            observer.drained()
        return found

    async def read(self, n: int = -1) -> Any:
        return await self._self_read("read", n)

    async def readany(self) -> Any:
        return await self._self_read("readany")

    async def readline(self, *args: Any) -> Any:
        return await self._self_read("readline", *args)

    async def readexactly(self, n: int) -> Any:
        return await self._self_read("readexactly", n)

    async def readuntil(self, *args: Any) -> Any:
        return await self._self_read("readuntil", *args)

    async def readchunk(self) -> Any:
        return await self._self_read("readchunk")

    # Methods that iterate call ``read`` of ``self``, which has to be the proxy.

    def __aiter__(self) -> Any:
        return type(self.__wrapped__).__aiter__(self)

    def iter_chunked(self, n: int) -> Any:
        return type(self.__wrapped__).iter_chunked(self, n)

    def iter_any(self) -> Any:
        return type(self.__wrapped__).iter_any(self)

    def iter_chunks(self) -> Any:
        return type(self.__wrapped__).iter_chunks(self)
