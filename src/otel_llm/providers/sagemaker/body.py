"""Watching the body of an answer while the caller reads it.

The HTTP response below botocore's ``StreamingBody`` is hooked, not the body: whatever way the caller takes (``read`` at
once or in parts, lines, chunks, a context manager, which gives that very response) ends there, and the body stays what
botocore made. The hooks know the response weakly: with a cycle, one that is dropped unread would keep its connection
until the garbage collector runs.
"""

from __future__ import annotations

import io
import json
import re
import weakref
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from ... import guard
from ... import semconv as s
from ...core.call import Call
from ...core.request import Response
from ...core.streams import Observer
from ...protocols.lines import Decoder
from ...protocols.openai.fields import answered_error
from .._botocore.failures import as_botocore
from .answers import is_classification, read
from .invocation import Invocation
from .not_language_models import Misses
from .pieces import Pieces

#: A longer body is not read for telemetry, only its beginning.
MAX_BODY_BYTES = 4 * 1024 * 1024
_HEAD_BYTES = 4096
#: How the answer to a large batch of texts begins, in any shape that is read.
_VECTORS = re.compile(rb'\s*(?:\[[\s\[]*[-\d]|[\[{].*?"(?:embeddings?|vectors)"\s*:)', re.DOTALL)


class Answer:
    """Keeps the bytes of a body; at the end, reads them, and tells ``misses`` whether a language model gave them."""

    def __init__(self, call: Call, invocation: Invocation, length: int | None, misses: Misses) -> None:
        self._call = call
        self._invocation = invocation
        self._length = length
        self._misses = misses
        self._parts: list[bytes] = []
        self._size = 0
        self.whole = False
        self.model: str | None = None

    def add(self, part: bytes) -> None:
        was_short = self._size <= MAX_BODY_BYTES
        self._size += len(part)
        if was_short:
            self._parts.append(part)
            if self._size > MAX_BODY_BYTES:
                self._parts[:] = [b"".join(self._parts)[:_HEAD_BYTES]]
        if self._size == self._length:
            self.whole = True

    def response(self) -> Response:
        response = self._read()
        response.attributes.update(self._invocation.told)
        return response

    def _read(self) -> Response:
        body = b"".join(self._parts)
        self._parts.clear()
        if self._size > MAX_BODY_BYTES:
            return self._too_long(body)
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            return self._unparsed(body)
        code = answered_error(answer)
        found = read(self._invocation, answer) if code is None else None
        if found is None and code is None:
            return self._unknown(is_classification(answer))
        settle(self._call, self._invocation, found[0] if found is not None else None)
        if found is None:
            return Response(error=code)
        if not self._invocation.settled:
            self._misses.clear(self._invocation)
        return found[1]

    def _unparsed(self, body: bytes) -> Response:
        """Asked to stream over a route that can't, some containers answer with all events at once."""
        pieces, decoder = Pieces(self._invocation), Decoder()
        for event in (*decoder.feed(body), *decoder.end()):
            if isinstance(event, dict):
                pieces.add(event)
        if pieces.empty:
            return self._unknown(False)
        settle(self._call, self._invocation)
        return pieces.response()

    def _too_long(self, head: bytes) -> Response:
        """Only vectors are so long, of those that the request does not tell."""
        if self._invocation.settled or _VECTORS.match(head) is None:
            return self._unknown(False)
        settle(self._call, self._invocation, s.EMBEDDINGS)
        return Response()

    def _unknown(self, certain: bool) -> Response:
        """An answer in no known shape: a language model's, if the request says so, or there may be more of it."""
        if self.whole and not self._invocation.settled:
            self._misses.add(self._invocation, certain)
            self._call.discard()
        else:
            settle(self._call, self._invocation)
        return Response()


def settle(call: Call, invocation: Invocation, operation: str | None = None) -> None:
    """Tell ``call`` what it is, where the request alone did not; what a failed one was is as good as guessed."""
    if not invocation.settled:
        operation = operation or invocation.operation
        # What was embedded is no message of a conversation.
        call.settle(operation, invocation.waiting if operation in _WITH_CONTENT else None)


_WITH_CONTENT = frozenset({"chat", "text_completion"})


def watch_body(body: Any, raw: Any, observer: Observer, answer: Answer) -> None:
    """See what is read from ``raw``, the response that botocore's ``body`` reads from."""
    if isinstance(raw, io.BytesIO):  # a stub's: all of it is here
        observer.chunk(raw.getvalue()[raw.tell() :])
        answer.whole = True
        observer.drained()
    elif hasattr(raw, "__dict__") and (names := _hookable(raw.__class__)):
        hooks = _Hooks(body, raw, observer, answer, names)
        for name in names:
            raw.__dict__[name] = getattr(hooks, name)
    else:  # somebody's own stub
        observer.drained()


@lru_cache(maxsize=16)
def _hookable(kind: Any) -> tuple[str, ...]:
    """The methods of ``kind`` that all reading ends in, and its closing."""
    return tuple(name for name in ("read", "read1", "read_chunked", "close") if hasattr(kind, name))


class _Hooks:
    """The functions that stand in for those of an HTTP response, until its end."""

    __slots__ = ("_answer", "_body", "_connection", "_file", "_kind", "_names", "_observer", "_raw")

    def __init__(self, body: Any, raw: Any, observer: Observer, answer: Answer, names: tuple[str, ...]) -> None:
        self._body = weakref.ref(body)
        self._raw = weakref.ref(raw)
        self._kind: Any = type(raw)
        self._names = names
        # What closing the response comes down to, for when it is finalized and no longer to be had.
        self._file, self._connection = getattr(raw, "_fp", None), getattr(raw, "_connection", None)
        self._observer = observer
        self._answer = answer

    def read(self, *args: Any, **kwargs: Any) -> Any:
        return self._read("read", args, kwargs)

    def read1(self, *args: Any, **kwargs: Any) -> Any:
        return self._read("read1", args, kwargs)

    def _read(self, name: str, args: Any, kwargs: Any) -> Any:
        raw = self._raw()
        observer = self._observer
        observer.reading = True  # a close seen now is the response's own
        try:
            data = getattr(self._kind, name)(raw, *args, **kwargs)
        except BaseException as error:
            self._unhook(raw)
            observer.failed(error)
            raise
        finally:
            observer.reading = False
        observer.chunk(data)
        amount = args[0] if args else kwargs.get("amt")
        if self._answer.whole or (amount is None and name == "read") or (not data and amount != 0):
            self._drained(raw)
        return data

    def read_chunked(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        raw = self._raw()
        observer = self._observer
        try:
            for data in self._kind.read_chunked(raw, *args, **kwargs):
                observer.chunk(data)
                yield data
        except GeneratorExit:
            raise
        except BaseException as error:
            self._unhook(raw)
            observer.failed(error)
            raise
        self._drained(raw)

    def close(self, *args: Any, **kwargs: Any) -> Any:
        raw = self._raw()
        if raw is None:
            for part in (self._file, self._connection):
                if part is not None:
                    part.close()
            return None
        if self._body() is None:  # nobody closes it: it is being finalized, and the observer next
            return self._kind.close(raw, *args, **kwargs)
        if not self._observer.reading:
            self._unhook(raw)
        try:
            return self._kind.close(raw, *args, **kwargs)
        finally:
            self._observer.closed()

    def _drained(self, raw: Any) -> None:
        self._answer.whole = True
        self._unhook(raw)
        self._observer.drained()

    def _unhook(self, raw: Any) -> None:
        held = raw.__dict__
        for name in self._names:
            if getattr(held.get(name), "__self__", None) is self:
                del held[name]


class BodyObserver(Observer):
    """An observer of the parts of a body: pieces of one answer, not chunks of a model's."""

    __slots__ = ()

    def chunk(self, chunk: Any) -> None:
        try:
            if isinstance(chunk, bytes) and not self._call.ended:
                self._accumulator.add(chunk)
        except Exception as error:
            guard.report("BodyObserver.chunk", error)

    def failed(self, error: BaseException) -> None:
        super().failed(as_botocore(error))
