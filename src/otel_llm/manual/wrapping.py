"""Running a function, of whatever kind, inside of an operation. What comes out is of the same kind."""

from __future__ import annotations

import copy
import functools
import inspect
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from functools import partial
from inspect import CO_ITERABLE_COROUTINE
from types import FunctionType, MethodType, coroutine
from typing import Any

import wrapt
from opentelemetry import context as otel_context
from opentelemetry.context import Context

from ..core.execution import first
from ..core.telemetry import Telemetry
from ..propagation.attach import Frame, Resumed
from . import scope
from .operation import Operation

#: Makes the operation that a call, of these arguments, is.
Make = Callable[[tuple[Any, ...], dict[str, Any]], Operation]
#: Told of the value that an operation's function returned.
Returned = Callable[[Operation, Any], None]

#: What stays itself in a class, though it has a ``__get__``. A partial becomes a method since Python 3.14.
_NO_METHODS = (MethodType, partial) if sys.version_info < (3, 14) else (MethodType,)


class _BoundFunction(wrapt.BoundFunctionWrapper):  # type: ignore[misc,type-arg,unused-ignore]
    """A method; pickled and copied as methods are."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        return getattr, (self.__self__, self.__name__)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return getattr(copy.deepcopy(self.__self__, memo), self.__name__)


class _Function(wrapt.FunctionWrapper):  # type: ignore[misc,type-arg,unused-ignore]
    """Stands in for a generator function (its body runs when it is iterated, the call itself is seen at once), and for
    what is a function but not of Python's own kind."""

    __bound_function_wrapper__ = _BoundFunction

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__qualname__  # as functions are pickled, and copied

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self


class _Callable(wrapt.ObjectProxy):  # type: ignore[misc,type-arg,unused-ignore]
    """Stands in for an object that is called and is no function; each has a class of its own, with its ``__call__``."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__wrapped__.__reduce_ex__(protocol)  # elsewhere it is not observed

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self


def wrap(function: Any, make: Make, returned: Returned | None = None) -> Any:
    """``function``, every call of which is an operation that ``make`` makes."""
    if isinstance(function, staticmethod | classmethod):
        return type(function)(wrap(function.__func__, make, returned))
    if isinstance(function, type) or not callable(function):
        raise TypeError(f"observe decorates functions, not {'classes' if isinstance(function, type) else function!r}")
    if hasattr(type(function), "__get__") and not isinstance(function, _NO_METHODS):
        observed = _wrap_function(function, make, returned)
        return observed if isinstance(function, FunctionType) else _like(function, observed)
    # In a class it would not become a method, as a function does; and that its __call__ is asynchronous must be seen.
    itself = isinstance(function, partial | MethodType) or inspect.iscoroutinefunction(function)
    called = function if itself else function.__call__
    call = staticmethod(_wrap_function(called, make, returned))
    return type(str(type(function).__name__), (_Callable,), {"__call__": call})(function)


def _wrap_function(function: Any, make: Make, returned: Returned | None) -> Any:
    if inspect.isgeneratorfunction(function):
        flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
        return _generator_function(function, make, _drive_awaited if flags & CO_ITERABLE_COROUTINE else _drive)
    if inspect.isasyncgenfunction(function):
        return _generator_function(function, make, _drive_async)
    if inspect.iscoroutinefunction(function):
        return _coroutine_function(function, make, returned)
    return _function(function, make, returned)


def _like(function: Any, observed: Any) -> Any:
    """``observed``, with all else that ``function`` has: what ``functools.cache`` gives can be emptied."""

    def call(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        return observed(*args, **kwargs) if instance is None else observed(instance, *args, **kwargs)

    return _Function(function, call)


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
    @functools.wraps(function)
    async def observed(*args: Any, **kwargs: Any) -> Any:
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

    return observed


# --- generators ----------------------------------------------------------------------------------


def _generator_function(function: Any, make: Make, drive: Callable[..., Any]) -> Any:
    bound = isinstance(function, MethodType)  # the arguments are those after the instance, as its signature has them

    def call(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        context = otel_context.get_current()
        made = wrapped(*args, **kwargs)
        telemetry = scope.telemetry(context)
        if telemetry is None:
            return made
        given = args if instance is None or bound else (instance, *args)
        driven = drive(make, made, context, telemetry, given, kwargs)
        driven.__name__, driven.__qualname__ = made.__name__, made.__qualname__
        return driven

    return _Function(function, call)


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
            except GeneratorExit as closing:
                with frame:
                    result = source.close()
                if result is None:
                    raise
                operation.end(closing)
                return result  # for whoever closes it, since Python 3.13
            except BaseException as error:
                step = partial(source.throw, error)
    except BaseException as error:
        operation.end(error)
        del step  # it may hold the error, which holds this frame
        raise
    operation.end()
    return result


#: :func:`_drive` for what ``types.coroutine`` decorates: a generator that is awaited.
_drive_awaited = coroutine(FunctionType(_drive.__code__, globals()))


async def _drive_async(
    make: Make, source: Any, context: Context, telemetry: Telemetry, args: Any, kwargs: Any
) -> AsyncGenerator[Any, Any]:
    """:func:`_drive` for asynchronous generators."""
    operation = make(args, kwargs)
    inside = operation.begin(context, telemetry)
    frame = Resumed(context if inside is None else inside)
    step: Callable[[], Any] = partial(first, source)
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
        del step
        raise
    operation.end()
