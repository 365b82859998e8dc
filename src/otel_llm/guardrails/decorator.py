"""``@guarded`` checks what a function of the application takes and returns."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from ..core.execution import first
from .guarding import NONE, Guarding, aclose, settled
from .guardrails import Guardrails
from .result import Blocked
from .stream import OVERLAP

_P = ParamSpec("_P")
_R = TypeVar("_R")


def guarded(
    guardrails: Guardrails,
    *,
    argument: str | None = None,
    text: Callable[[Any], str | None] | None = None,
    fallback: Any = NONE,
    overlap: int = OVERLAP,
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
        guarding = Guarding(guardrails, function, argument, text, fallback, overlap)
        if inspect.isasyncgenfunction(function):
            return _async_generator(function, guarding)
        if inspect.iscoroutinefunction(function):
            return _coroutine(function, guarding)
        if inspect.isgeneratorfunction(function):
            return _generator(function, guarding)
        return _function(function, guarding)

    return decorate


def _function(function: Any, guarding: Guarding) -> Any:
    @functools.wraps(function)
    def guarded_function(*args: Any, **kwargs: Any) -> Any:
        try:
            args, kwargs = guarding.enter(args, kwargs)
        except Blocked as blocked:
            return guarding.instead(blocked)
        value = function(*args, **kwargs)
        if inspect.isawaitable(value):  # of a coroutine function that is not known as one
            return _awaited(value, guarding)
        try:
            return guarding.leave(value)
        except Blocked as blocked:
            return guarding.instead(blocked)

    return guarded_function


async def _awaited(value: Any, guarding: Guarding) -> Any:
    value = await value
    try:
        return await guarding.aleave(value)
    except Blocked as blocked:
        return await settled(guarding.instead(blocked))


def _coroutine(function: Any, guarding: Guarding) -> Any:
    @functools.wraps(function)
    async def guarded_function(*args: Any, **kwargs: Any) -> Any:
        try:
            args, kwargs = await guarding.aenter(args, kwargs)
        except Blocked as blocked:
            return await settled(guarding.instead(blocked))
        return await _awaited(function(*args, **kwargs), guarding)

    return guarded_function


def _generator(function: Any, guarding: Guarding) -> Any:
    @functools.wraps(function)
    def guarded_function(*args: Any, **kwargs: Any) -> Any:
        try:
            args, kwargs = guarding.enter(args, kwargs)
        except Blocked as blocked:
            yield guarding.instead(blocked)
            return
        yield from guarding.stream(function(*args, **kwargs))

    return guarded_function


def _async_generator(function: Any, guarding: Guarding) -> Any:
    @functools.wraps(function)
    async def guarded_function(*args: Any, **kwargs: Any) -> Any:
        try:
            args, kwargs = await guarding.aenter(args, kwargs)
        except Blocked as blocked:
            yield await settled(guarding.instead(blocked))
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
            await aclose(checked)

    return guarded_function
