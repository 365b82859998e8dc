"""``@guarded`` checks what a function of the application takes and returns."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, ParamSpec, TypeVar

from ..background import finalizers
from ..core.execution import first
from . import stream, texts
from .guardrails import Guardrails
from .result import Blocked

_P = ParamSpec("_P")
_R = TypeVar("_R")
_NONE: Any = object()


def guarded(
    guardrails: Guardrails,
    *,
    argument: str | None = None,
    text: Callable[[Any], str | None] | None = None,
    fallback: Any = _NONE,
    overlap: int = stream.OVERLAP,
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Check what a function takes and returns: ``@guarded(guardrails)``.

    Decorates functions, coroutine functions, generators and asynchronous generators, methods among them, and returns
    one of the same kind. ``guardrails`` has the checks.

    ``argument`` is the name of the parameter that is the input (default: the first one): a text, or a list of messages
    in OpenAI's shape, of which those of the user and of tools are checked. The function gets the text as it was
    redacted. What it returns is the output: a text, ``None``, or an iterator over the pieces of a text, as a generator
    gives one. ``text`` turns the returned value, or each piece, into a text, such as the chunks of an SDK; then texts
    are what the caller gets.

    A stream is passed on as it comes, but for the last ``overlap`` characters and a word that has not ended: what a
    pattern finds across pieces is redacted or blocked before any of it is passed on, unless it is longer than that.

    If a text is blocked, :class:`.Blocked` is raised, and the function is not called, or its stream is closed. With
    ``fallback`` its value takes the place of the answer instead, or what it returns for the :class:`.Result` if it is a
    function; in a stream it comes behind what was passed on before.

    :raises ValueError: if the function has no parameter for the input.
    :raises TypeError: when an input or an output that is to be checked is no text.
    """
    if not isinstance(guardrails, Guardrails):
        raise TypeError(f"guarded takes Guardrails, not {type(guardrails).__name__}: @guarded(guardrails)")

    def decorate(function: Any) -> Any:
        if isinstance(function, staticmethod | classmethod):
            return type(function)(decorate(function.__func__))
        guarding = _Guarding(guardrails, function, argument, text, fallback, overlap)
        if inspect.isasyncgenfunction(function):
            return _async_generator(function, guarding)
        if inspect.iscoroutinefunction(function):
            return _coroutine(function, guarding)
        if inspect.isgeneratorfunction(function):
            return _generator(function, guarding)
        return _function(function, guarding)

    return decorate


class _Guarding:
    """How the calls of one function are checked."""

    def __init__(
        self,
        guardrails: Guardrails,
        function: Any,
        argument: str | None,
        text: Callable[[Any], str | None] | None,
        fallback: Any,
        overlap: int,
    ) -> None:
        self.guardrails, self.overlap = guardrails, overlap
        self._text, self._fallback = text, fallback
        self._signature = inspect.signature(function)
        self._argument = argument or ""
        if guardrails.input:
            names = [name for name in self._signature.parameters if name not in ("self", "cls")]
            self._argument = argument or next(iter(names), "")
            if self._argument not in names:
                raise ValueError(f"{function!r} has no parameter {argument or 'that could be the input'}")

    # --- input -------------------------------------------------------------------------------------

    def enter(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """The arguments with the input as it was redacted.

        :raises Blocked: if the input is blocked.
        """
        bound, steps = self._inputs(args, kwargs)
        if steps is None:
            return args, kwargs
        try:
            asked, source = next(steps)
            while True:
                asked, source = steps.send(self.guardrails.check_input(asked, source).require())
        except StopIteration as stop:
            bound.arguments[self._argument] = stop.value
        return bound.args, bound.kwargs

    async def aenter(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """:meth:`enter` for coroutines."""
        bound, steps = self._inputs(args, kwargs)
        if steps is None:
            return args, kwargs
        try:
            asked, source = next(steps)
            while True:
                asked, source = steps.send((await self.guardrails.acheck_input(asked, source)).require())
        except StopIteration as stop:
            bound.arguments[self._argument] = stop.value
        return bound.args, bound.kwargs

    def _inputs(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        if not self.guardrails.input:
            return None, None
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound, texts.of(bound.arguments[self._argument])

    # --- output ------------------------------------------------------------------------------------

    def output(self, value: Any) -> str | None:
        """The returned ``value``, or one piece, as text.

        :raises TypeError: if it is none.
        """
        text = value if self._text is None else self._text(value)
        if text is not None and not isinstance(text, str):
            hint = "" if self._text else "; text=... says how to make a text of it"
            raise TypeError(f"guardrails check texts, not {type(text).__name__}{hint}")
        return text

    def leave(self, value: Any) -> Any:
        """The returned ``value`` as it may be passed on.

        :raises Blocked: if it is blocked.
        """
        if not self.guardrails.output:
            return value
        if isinstance(value, AsyncIterator):
            return self.astream(value)
        if isinstance(value, Iterator):
            return self.stream(value)
        text = self.output(value)
        return None if text is None else self.guardrails.check_output(text).require()

    async def aleave(self, value: Any) -> Any:
        """:meth:`leave` for coroutines."""
        if not self.guardrails.output:
            return value
        if isinstance(value, AsyncIterator):
            return self.astream(value)
        if isinstance(value, Iterator):
            return self.stream(value)
        text = self.output(value)
        return None if text is None else (await self.guardrails.acheck_output(text)).require()

    # --- streams -----------------------------------------------------------------------------------

    def stream(self, source: Iterator[Any]) -> Iterator[Any]:
        """What may be passed on of ``source``. It is closed in any case."""
        if not self.guardrails.output:
            yield from source
            return
        checked = stream.Stream(self.guardrails, self.overlap)
        try:
            for piece in source:
                if released := checked.feed(self.output(piece) or ""):
                    yield released
                if checked.blocked is not None or checked.full:
                    break
            if released := checked.finish():
                yield released
        finally:
            finalizers.run(checked.close)
            _close(source)
        if checked.blocked is not None:
            yield self.instead(Blocked(checked.blocked))

    async def astream(self, source: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """:meth:`stream` for asynchronous iterators."""
        if not self.guardrails.output:
            step = first(source) if inspect.isasyncgen(source) else source.__anext__()
            while True:
                try:
                    piece = await step
                except StopAsyncIteration:
                    return
                yield piece
                step = source.__anext__()
        checked = stream.Stream(self.guardrails, self.overlap)
        try:
            step = first(source) if inspect.isasyncgen(source) else source.__anext__()
            while True:
                try:
                    piece = await step
                except StopAsyncIteration:
                    break
                if released := await checked.afeed(self.output(piece) or ""):
                    yield released
                if checked.blocked is not None or checked.full:
                    break
                step = source.__anext__()
            if released := await checked.afinish():
                yield released
        finally:
            finalizers.run(checked.close)
            await _aclose(source)
        if checked.blocked is not None:
            instead = self.instead(Blocked(checked.blocked))
            yield await instead if inspect.isawaitable(instead) else instead

    # --- blocks ------------------------------------------------------------------------------------

    def instead(self, blocked: Blocked) -> Any:
        """What the caller gets instead of the answer.

        :raises Blocked: if there is nothing.
        """
        if self._fallback is _NONE:
            raise blocked.with_traceback(None)
        return self._fallback(blocked.result) if callable(self._fallback) else self._fallback


def _function(function: Any, guarding: _Guarding) -> Any:
    @functools.wraps(function)
    def guarded_function(*args: Any, **kwargs: Any) -> Any:
        try:
            args, kwargs = guarding.enter(args, kwargs)
        except Blocked as blocked:
            return guarding.instead(blocked)
        value = function(*args, **kwargs)
        try:
            return guarding.leave(value)
        except Blocked as blocked:
            return guarding.instead(blocked)

    return guarded_function


def _coroutine(function: Any, guarding: _Guarding) -> Any:
    @functools.wraps(function)
    async def guarded_function(*args: Any, **kwargs: Any) -> Any:
        try:
            args, kwargs = await guarding.aenter(args, kwargs)
        except Blocked as blocked:
            return await _settled(guarding.instead(blocked))
        value = await function(*args, **kwargs)
        try:
            return await guarding.aleave(value)
        except Blocked as blocked:
            return await _settled(guarding.instead(blocked))

    return guarded_function


def _generator(function: Any, guarding: _Guarding) -> Any:
    @functools.wraps(function)
    def guarded_function(*args: Any, **kwargs: Any) -> Any:
        try:
            args, kwargs = guarding.enter(args, kwargs)
        except Blocked as blocked:
            yield guarding.instead(blocked)
            return
        yield from guarding.stream(function(*args, **kwargs))

    return guarded_function


def _async_generator(function: Any, guarding: _Guarding) -> Any:
    @functools.wraps(function)
    async def guarded_function(*args: Any, **kwargs: Any) -> Any:
        try:
            args, kwargs = await guarding.aenter(args, kwargs)
        except Blocked as blocked:
            yield await _settled(guarding.instead(blocked))
            return
        checked = guarding.astream(function(*args, **kwargs))
        step = first(checked)
        try:
            while True:
                try:
                    released = await step
                except StopAsyncIteration:
                    break
                yield released
                step = checked.__anext__()
        finally:
            await _aclose(checked)

    return guarded_function


async def _settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def _close(source: Any) -> None:
    if callable(close := getattr(source, "close", None)):
        close()


async def _aclose(source: Any) -> None:
    """Close what a function returned: a generator, or the stream of an SDK, whose method is called ``close``."""
    close = getattr(source, "aclose", None) or getattr(source, "close", None)
    if callable(close):
        await _settled(close())
