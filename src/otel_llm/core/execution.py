"""Runs a function of the caller or of an SDK inside a call."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context

from ..propagation.attach import Frame
from .call import Call

if TYPE_CHECKING:
    from opentelemetry.context import Context

#: Called with the SDK's answer: it ends the call, or watches the stream that will.
Complete = Callable[[Call, Any], None]


def run(
    call: Call,
    complete: Complete,
    function: Callable[..., Any],
    args: Any,
    kwargs: Any,
    context: Context | None = None,
) -> Any:
    """Run ``function`` inside ``call`` and return its result unchanged.

    The context of the call is current while it runs, or ``context`` if it is given.
    """
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
    """The first step of the asynchronous generator ``source``, hidden from the event loop.

    At its end, the event loop closes all generators that it knows, at the same time. Closing ``source`` beside the
    generator that drives it would fail. So the loop gets to know only the latter, which closes ``source``. If
    ``source`` is dropped before, ``finalizer`` is called with it.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, finalizer)
    try:
        return source.__anext__()
    finally:
        sys.set_asyncgen_hooks(*hooks)
