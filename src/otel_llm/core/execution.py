"""Running a function of the caller's, or of an SDK, inside a call."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context

from ..propagation.attach import Frame
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
    try:
        with Frame(call.context if context is None else context):
            result = await function(*args, **kwargs)
    except BaseException as error:
        call.fail(error)
        raise
    complete(call, result)
    return result


def first(source: Any, finalizer: Callable[[Any], None] | None = None) -> Any:
    """The first step of the asynchronous generator ``source``, of which the event loop would get to know: at its end it
    would close ``source`` and the generator that drives it side by side, which fails. It knows that one, which closes
    ``source``; ``finalizer`` is given ``source`` if it is dropped before."""
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, finalizer)
    try:
        return source.__anext__()
    finally:
        sys.set_asyncgen_hooks(*hooks)
