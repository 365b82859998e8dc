"""Watches answers: SDK streams, and raw responses that the caller reads itself.

The hooks are on the objects that the SDK made, so the caller gets the types it expects, and every way to read them is
seen: ``parse``, ``read``, ``iter_lines``, the ``close`` of a helper.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ... import guard
from ... import semconv as s
from ...core.call import Call
from ...core.request import Response
from ...core.streams import Accumulator, AsyncChunkIterator, BytesObserver, ChunkIterator, Observer
from ...protocols.sse import SSEDecoder
from . import errors

#: A JSON body longer than this many bytes is not read for telemetry.
_MAX_BODY_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reader:
    """How a provider reads the answer to one request: its JSON, or the chunks of a stream.

    ``accumulator`` makes what adds up the chunks; ``None`` where the endpoint never streams. ``stream`` says whether a
    stream was asked for.
    """

    whole: Callable[[Any], Response]
    accumulator: Callable[[], Accumulator] | None
    stream: bool


def watch_stream(call: Call, reader: Reader, stream: Any, hide: Callable[[Any], bool] | None) -> None:
    """Watch an SDK ``Stream`` or ``AsyncStream``: it reads from its ``_iterator``, and closes by its response.

    A stream over JSON has no chunks: the server, or a gateway before it, answered at once. The SDK gives the caller an
    empty stream; the answer, often an error, is in the bytes that it reads.
    """
    if reader.accumulator is None or _is_json(stream.response):
        watch_response(call, reader, stream.response)
        return
    observer = Observer(call, reader.accumulator(), timed=_timed(call))
    kind = AsyncChunkIterator if hasattr(stream, "__anext__") else ChunkIterator
    stream._iterator = kind(stream._iterator, observer, hide)
    note_exchange(call, stream.response)
    _watch_close(stream.response, observer, {})


def watch_response(call: Call, reader: Reader, response: Any) -> None:
    """Watch an HTTP response whose body is still to be read, through the bytes the caller reads."""
    # Speech streams by a field of its body, which the SDK does not look at.
    streamed = reader.stream or "text/event-stream" in response.headers.get("content-type", "")
    if streamed and reader.accumulator is not None and not _is_json(response):
        observer = BytesObserver(call, reader.accumulator(), SSEDecoder().feed, timed=_timed(call))
    else:
        observer = BytesObserver(call, _BodyAccumulator(reader, response), lambda data: [data], timed=False)
    iter_bytes, aiter_bytes = response.iter_bytes, response.aiter_bytes

    def watched(*args: Any, **kwargs: Any) -> Iterator[bytes]:
        yield from ChunkIterator(iter_bytes(*args, **kwargs), observer)

    async def watched_async(*args: Any, **kwargs: Any) -> AsyncIterator[bytes]:
        async for part in AsyncChunkIterator(aiter_bytes(*args, **kwargs), observer):
            yield part

    note_exchange(call, response)
    _watch_close(response, observer, {"iter_bytes": watched, "aiter_bytes": watched_async})


def _is_json(response: Any) -> bool:
    """Whether a response is one JSON document. The parts of a stream are events, or lines of JSON."""
    kind: str = response.headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower() == "application/json"


def _timed(call: Call) -> bool:
    return call.request.operation in s.INFERENCE_OPERATIONS


@guard.never_raise
def note_exchange(call: Call, response: Any) -> None:
    """Record the provider's request id and the SDK's retries on the span."""
    if not call.recording:
        return
    if (request_id := response.headers.get("x-request-id")) is not None:
        call.span.set_attribute(s.LLM_REQUEST_ID, request_id)
    if (retries := errors.retries(response)) is not None:
        call.span.set_attribute(s.LLM_REQUEST_RETRIES, retries)


def _watch_close(response: Any, observer: Observer, hooks: dict[str, Callable[..., Any]]) -> None:
    """Replace methods of ``response`` by ``hooks``. Closing the response removes them."""
    close, aclose = response.close, response.aclose

    def closing() -> None:
        unhook()
        try:
            close()
        finally:
            observer.closed()

    async def closing_async() -> None:
        unhook()
        try:
            await aclose()
        finally:
            observer.closed()

    def unhook() -> None:
        # A response that has been read can be pickled, which our functions would prevent.
        for name, hook in hooks.items():
            if vars(response).get(name) is hook:
                delattr(response, name)

    hooks |= {"close": closing, "aclose": closing_async}
    for name, hook in hooks.items():
        setattr(response, name, hook)


def read_body(response: Any) -> Any:
    """The JSON of a response that has been read, without parsing it for the caller; ``None`` if it is none."""
    if "json" not in response.headers.get("content-type", ""):
        return None
    return _json(response.content)


def _json(body: bytes) -> Any:
    if len(body) > _MAX_BODY_BYTES:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


class _BodyAccumulator:
    """Keeps a JSON body while it is read, and nothing of other bodies (audio, text)."""

    def __init__(self, reader: Reader, response: Any) -> None:
        self._reader = reader
        self._keep = "json" in response.headers.get("content-type", "")
        self._parts: list[bytes] = []
        self._size = 0
        self.model: str | None = None

    def add(self, chunk: bytes) -> None:
        if self._keep:
            self._parts.append(chunk)
            self._size += len(chunk)
            if self._size > _MAX_BODY_BYTES:
                self._keep = False
                self._parts.clear()

    def response(self) -> Response:
        # Of speech, only the text of the request matters: it is billed by that.
        return self._reader.whole(_json(b"".join(self._parts)) if self._parts else None)
