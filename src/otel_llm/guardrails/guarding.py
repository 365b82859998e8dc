"""How the calls of one decorated function are checked: its argument, its result, its stream."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from ..background import finalizers
from ..core.execution import first
from . import stream, texts
from .guardrails import Guardrails
from .result import Blocked

#: Stands for a fallback that is not given; ``None`` may be one.
NONE: Any = object()


class Guarding:
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
            await aclose(source)
        if checked.blocked is not None:
            instead = self.instead(Blocked(checked.blocked))
            yield await instead if inspect.isawaitable(instead) else instead

    # --- blocks ------------------------------------------------------------------------------------

    def instead(self, blocked: Blocked) -> Any:
        """What the caller gets instead of the answer.

        :raises Blocked: if there is nothing.
        """
        if self._fallback is NONE:
            raise blocked.with_traceback(None)
        return self._fallback(blocked.result) if callable(self._fallback) else self._fallback


async def settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def _close(source: Any) -> None:
    if callable(close := getattr(source, "close", None)):
        close()


async def aclose(source: Any) -> None:
    """Close what a function returned: a generator, or the stream of an SDK, whose method is called ``close``."""
    close = getattr(source, "aclose", None) or getattr(source, "close", None)
    if callable(close):
        await settled(close())
