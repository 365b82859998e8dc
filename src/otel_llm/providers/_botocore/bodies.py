"""Watches the body of a response while the caller reads it.

The hooks are on the HTTP response below botocore's ``StreamingBody``, because every way to read the body ends there:
``read`` at once or in parts, lines, chunks, or the context manager, which returns the HTTP response itself. The body
stays the object that botocore made. The hooks refer to the response weakly. A reference cycle would keep the connection
of a response that is dropped unread until the garbage collector runs.
"""

from __future__ import annotations

import io
import weakref
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Protocol

from ... import guard
from ...core.streams import Accumulator, Observer
from .failures import as_botocore


class Answer(Accumulator, Protocol):
    """Reads the bytes of a body, part by part, and makes a response of them."""

    #: Whether the last part has come.
    whole: bool


def watch_body(body: Any, raw: Any, observer: Observer, answer: Answer) -> None:
    """Watch what is read from ``raw``, the HTTP response below botocore's ``body``."""
    if isinstance(raw, io.BytesIO):  # of a stub, and complete
        observer.chunk(raw.getvalue()[raw.tell() :])
        answer.whole = True
        observer.drained()
    elif hasattr(raw, "__dict__") and (names := _hookable(raw.__class__)):
        hooks = _Hooks(body, raw, observer, answer, names)
        for name in names:
            raw.__dict__[name] = getattr(hooks, name)
    else:  # another kind of stub
        observer.drained()


@lru_cache(maxsize=16)
def _hookable(kind: Any) -> tuple[str, ...]:
    """The methods of ``kind`` that read, which every way to read the body calls, and the one that closes it."""
    return tuple(name for name in ("read", "read1", "read_chunked", "close") if hasattr(kind, name))


class _Hooks:
    """Replacements for methods of an HTTP response, until it has been read or closed."""

    __slots__ = ("_answer", "_body", "_connection", "_file", "_kind", "_names", "_observer", "_raw")

    def __init__(self, body: Any, raw: Any, observer: Observer, answer: Answer, names: tuple[str, ...]) -> None:
        self._body = weakref.ref(body)
        self._raw = weakref.ref(raw)
        self._kind: Any = type(raw)
        self._names = names
        # Closing the response closes these two. When it is being finalized, the weak reference to it is dead.
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
        observer.reading = True  # a close during the read comes from the response itself
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
        if self._body() is None:  # it is being finalized, and the observer will be, too
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
    """An observer of the parts of a body, which are not the model's chunks."""

    __slots__ = ()

    def chunk(self, chunk: Any) -> None:
        try:
            if isinstance(chunk, bytes) and not self._call.ended:
                self._accumulator.add(chunk)
        except Exception as error:
            guard.report("BodyObserver.chunk", error)

    def failed(self, error: BaseException) -> None:
        super().failed(as_botocore(error))
