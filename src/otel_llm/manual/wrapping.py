"""Wraps a function so that each call runs inside a manual span. The wrapper is of the same kind as the function."""

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

#: Makes the operation for one call, given its positional and keyword arguments.
Make = Callable[[tuple[Any, ...], dict[str, Any]], Operation]
#: Called with the operation and the value that the function returned.
Returned = Callable[[Operation, Any], None]

#: Types that have a ``__get__`` and still don't become methods in a class. A partial does since Python 3.14.
_NO_METHODS = (MethodType, partial) if sys.version_info < (3, 14) else (MethodType,)


class _BoundFunction(wrapt.BoundFunctionWrapper):  # type: ignore[misc,type-arg,unused-ignore]
    """A method. It is pickled and copied as other methods are."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        return getattr, (self.__self__, self.__name__)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return getattr(copy.deepcopy(self.__self__, memo), self.__name__)


class _Function(wrapt.FunctionWrapper):  # type: ignore[misc,type-arg,unused-ignore]
    """Replaces a generator function, or a function that is not one of Python's own, such as a compiled one.

    A generator function needs it because its body runs only when it is iterated, and its span starts with the call.
    """

    __bound_function_wrapper__ = _BoundFunction

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__qualname__  # functions are pickled by name

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self


class _Callable(wrapt.ObjectProxy):  # type: ignore[misc,type-arg,unused-ignore]
    """Replaces an object that is callable but not a function. Each gets a subclass with a ``__call__`` of its own."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__wrapped__.__reduce_ex__(protocol)  # the unpickled object is the original, without spans

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self


def wrap(function: Any, make: Make, returned: Returned | None = None) -> Any:
    """Return ``function`` wrapped so that each call is an operation that ``make`` makes.

    :raises TypeError: if ``function`` is a class or not callable.
    """
    if isinstance(function, staticmethod | classmethod):
        return type(function)(wrap(function.__func__, make, returned))
    if isinstance(function, type):
        raise TypeError(f"observe decorates functions, not the class {function.__name__}")
    if not callable(function):
        raise TypeError(f"observe decorates functions, not {function!r}")
    if hasattr(type(function), "__get__") and not isinstance(function, _NO_METHODS):
        observed = _wrap_function(function, make, returned)
        return observed if isinstance(function, FunctionType) else _like(function, observed)
    # Anything else is an object that is called as it is, without becoming a method of a class that holds it. Of other
    # types than these, only __call__ shows whether it is a coroutine function or a generator function.
    shows_kind = isinstance(function, partial | MethodType) or inspect.iscoroutinefunction(function)
    call = staticmethod(_wrap_function(function if shows_kind else function.__call__, make, returned))
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
    """``observed`` with the other attributes of ``function``, such as ``cache_clear`` of ``functools.cache``."""

    def call(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        return observed(*args, **kwargs) if instance is None else observed(instance, *args, **kwargs)

    return _Function(function, call)


def _function(function: Any, make: Make, returned: Returned | None) -> Any:
    get_current, attach, detach = otel_context.get_current, otel_context.attach, otel_context.detach

    @functools.wraps(function)
    def observed(*args: Any, **kwargs: Any) -> Any:
        context = get_current()
        telemetry = scope.manual_telemetry.listening(context)
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
        telemetry = scope.manual_telemetry.listening(context)
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
    # The signature of a bound method has no self, so the instance is not among its arguments.
    is_bound = isinstance(function, MethodType)

    def call(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        context = otel_context.get_current()
        made = wrapped(*args, **kwargs)
        telemetry = scope.manual_telemetry.listening(context)
        if telemetry is None:
            return made
        given = args if instance is None or is_bound else (instance, *args)
        driven = drive(make, made, context, telemetry, given, kwargs)
        driven.__name__, driven.__qualname__ = made.__name__, made.__qualname__
        return driven

    return _Function(function, call)


def _drive(
    make: Make, source: Any, context: Context, telemetry: Telemetry, args: Any, kwargs: Any
) -> Generator[Any, Any, Any]:
    """Pass on what the generator ``source`` yields. Only the code of ``source`` runs inside the operation."""
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
                return result  # since Python 3.13, close() returns it
            except BaseException as error:
                step = partial(source.throw, error)
    except BaseException as error:
        operation.end(error)
        del step  # breaks a reference cycle: step may refer to the error, which refers to this frame
        raise
    operation.end()
    return result


#: :func:`_drive` for generators that are awaited, which ``types.coroutine`` makes.
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
