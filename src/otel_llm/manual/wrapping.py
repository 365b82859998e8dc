"""Running a function, of whatever kind, inside of an operation. What comes out is of the same kind."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from functools import partial
from typing import Any

import wrapt
from opentelemetry import context as otel_context
from opentelemetry.context import Context

from ..frame import Frame, Resumed
from ..telemetry import Telemetry
from . import scope
from .operation import Operation

#: Makes the operation that a call, of these arguments, is.
Make = Callable[[tuple[Any, ...], dict[str, Any]], Operation]
#: Told of the value that an operation's function returned.
Returned = Callable[[Operation, Any], None]


class _GeneratorFunction(wrapt.FunctionWrapper):  # type: ignore[misc,type-arg,unused-ignore]
    """Stands in for a generator function: its body runs when it is iterated, the call itself is seen at once."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__qualname__  # as functions are pickled


def wrap(function: Any, make: Make, returned: Returned | None = None) -> Any:
    """``function``, every call of which is an operation that ``make`` makes."""
    if isinstance(function, staticmethod | classmethod):
        return type(function)(wrap(function.__func__, make, returned))
    if isinstance(function, type) or not callable(function):
        raise TypeError(f"observe decorates functions, not {'classes' if isinstance(function, type) else function!r}")
    if _is(inspect.isgeneratorfunction, function):
        return _generator_function(function, make, _drive)
    if _is(inspect.isasyncgenfunction, function):
        return _generator_function(function, make, _drive_async)
    if _is(inspect.iscoroutinefunction, function):
        return _coroutine_function(function, make, returned)
    return _function(function, make, returned)


def _is(kind: Callable[[Any], bool], function: Any) -> bool:
    return kind(function) or kind(type(function).__call__)


def _function(function: Any, make: Make, returned: Returned | None) -> Any:
    get_current, attach, detach = otel_context.get_current, otel_context.attach, otel_context.detach

    @functools.wraps(function)
    def observed(*args: Any, **kwargs: Any) -> Any:
        context = get_current()
        telemetry = scope.telemetry(context)
        if telemetry is None:
            return function(*args, **kwargs)
        operation = make(args, kwargs)
        inside = operation.begin(context, telemetry)
        if inside is None:
            return function(*args, **kwargs)
        token = attach(inside)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            operation.end(error)
            raise
        finally:
            detach(token)
        if returned is not None:
            returned(operation, result)
        operation.end()
        return result

    return observed


def _coroutine_function(function: Any, make: Make, returned: Returned | None) -> Any:
    async def run(args: Any, kwargs: Any) -> Any:
        context = otel_context.get_current()
        telemetry = scope.telemetry(context)
        if telemetry is None:
            return await function(*args, **kwargs)
        operation = make(args, kwargs)
        inside = operation.begin(context, telemetry)
        if inside is None:
            return await function(*args, **kwargs)
        frame = Frame(inside)
        try:
            with frame:
                result = await function(*args, **kwargs)
        except BaseException as error:
            operation.end(error)
            raise
        if returned is not None:
            returned(operation, result)
        operation.end()
        return result

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def observed_async(*args: Any, **kwargs: Any) -> Any:
            return await run(args, kwargs)

        return observed_async

    @functools.wraps(function)
    def observed(*args: Any, **kwargs: Any) -> Any:
        return run(args, kwargs)

    return observed


# --- generators ----------------------------------------------------------------------------------


def _generator_function(function: Any, make: Make, drive: Callable[..., Any]) -> Any:
    def call(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        context = otel_context.get_current()
        made = wrapped(*args, **kwargs)
        telemetry = scope.telemetry(context)
        if telemetry is None:
            return made
        given = args if instance is None else (instance, *args)
        driven = drive(make, made, context, telemetry, given, kwargs)
        driven.__name__, driven.__qualname__ = made.__name__, made.__qualname__
        return driven

    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return _GeneratorFunction(function, call)

    @functools.wraps(function)
    def observed(*args: Any, **kwargs: Any) -> Any:
        return call(function, None, args, kwargs)

    return observed


def _drive(
    make: Make, source: Any, context: Context, telemetry: Telemetry, args: Any, kwargs: Any
) -> Generator[Any, Any, Any]:
    """The generator ``source``, which runs inside of an operation; whoever reads from it does not."""
    operation = make(args, kwargs)
    inside = operation.begin(context, telemetry)
    frame = Resumed(context if inside is None else inside)
    step: Callable[[], Any] = partial(next, source)
    try:
        while True:
            with frame:
                try:
                    item = step()
                except StopIteration as stop:
                    result = stop.value
                    break
            operation.item(item)
            try:
                step = partial(source.send, (yield item))
            except GeneratorExit:
                with frame:
                    source.close()
                raise
            except BaseException as error:
                step = partial(source.throw, error)
    except BaseException as error:
        operation.end(error)
        raise
    operation.end()
    return result


async def _drive_async(
    make: Make, source: Any, context: Context, telemetry: Telemetry, args: Any, kwargs: Any
) -> AsyncGenerator[Any, Any]:
    """:func:`_drive` for asynchronous generators."""
    operation = make(args, kwargs)
    inside = operation.begin(context, telemetry)
    frame = Resumed(context if inside is None else inside)
    step: Callable[[], Any] = partial(_first, source)
    try:
        while True:
            with frame:
                try:
                    item = await step()
                except StopAsyncIteration:
                    break
            operation.item(item)
            try:
                step = partial(source.asend, (yield item))
            except GeneratorExit:
                with frame:
                    await source.aclose()
                raise
            except BaseException as error:
                step = partial(source.athrow, error)
    except BaseException as error:
        operation.end(error)
        raise
    operation.end()


def _first(source: Any) -> Any:
    """The first step of ``source``, which the event loop gets to know of then: at its end it would close ``source`` and
    what drives it side by side, which fails. It knows what drives it; that closes ``source``."""
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return source.__anext__()
    finally:
        sys.set_asyncgen_hooks(*hooks)
