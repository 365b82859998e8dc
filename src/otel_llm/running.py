"""Running a function of the caller's, or of an SDK, inside a call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context

from .call import Call

if TYPE_CHECKING:
    from opentelemetry.context import Context

#: What to do with the SDK's answer: end the call, or see to it that its stream does.
Complete = Callable[[Call, Any], None]


def run(
    call: Call,
    complete: Complete,
    function: Callable[..., Any],
    args: Any,
    kwargs: Any,
    context: Context | None = None,
) -> Any:
    """Run the caller's ``function`` inside ``call``, in ``context`` (default: its own), and return its very result."""
    token = otel_context.attach(call.context if context is None else context)
    try:
        result = function(*args, **kwargs)
    except BaseException as error:
        call.fail(error)
        raise
    finally:
        otel_context.detach(token)
    complete(call, result)
    return result


async def run_async(
    call: Call,
    complete: Complete,
    function: Callable[..., Awaitable[Any]],
    args: Any,
    kwargs: Any,
    context: Context | None = None,
) -> Any:
    """:func:`run` for coroutine functions."""
    inside = call.context if context is None else context
    token = otel_context.attach(inside)
    try:
        result = await function(*args, **kwargs)
    except GeneratorExit as error:
        # A coroutine dropped half-way is closed wherever the garbage collector runs: there is nothing to detach there.
        call.fail(error)
        if otel_context.get_current() is not inside:
            token = None  # type: ignore[assignment]
        raise
    except BaseException as error:
        call.fail(error)
        raise
    finally:
        if token is not None:
            otel_context.detach(token)
    complete(call, result)
    return result
