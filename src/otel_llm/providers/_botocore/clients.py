"""Intercepts calls on the class that botocore makes for each client of a service.

Other instrumentations wrap ``BaseClient._make_api_call``. A method of the client's own class is called before that one,
no matter which was added first. So our wrapper is always the outer one, and can suppress the others for a call that we
trace. It also reaches clients that were made before the instrumentation, by any SDK.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from ... import guard
from ...instrumentation.patching import Target

#: ``(client, wrapped, arguments) -> result``, where ``wrapped(*arguments)`` makes the call.
Handler = Callable[[Any, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]

_METHOD = "_make_api_call"


class ClientClasses:
    """The client classes that are wrapped now: those that have a certain method."""

    def __init__(self, method: str, handler: Handler, async_handler: Handler) -> None:
        """Clients of the service are recognised by their ``method``, such as ``invoke_endpoint``."""
        self._having = method
        self._handler = handler
        self._async_handler = async_handler
        self._lock = threading.Lock()
        self._wrapped: weakref.WeakSet[type] = weakref.WeakSet()

    def targets(self) -> list[Target]:
        """The functions that make client classes."""
        return [
            Target("botocore.client", "ClientCreator._create_client_class", self._created),
            Target("aiobotocore.client", "AioClientCreator._create_client_class", self._created_async),
        ]

    def wrap_existing(self) -> None:
        """Wrap the classes of existing clients."""
        client = sys.modules.get("botocore.client")
        if (base := getattr(client, "BaseClient", None)) is not None:
            for kind in _subclasses(base):
                self._wrap(kind)

    def restore(self) -> None:
        with self._lock:
            for kind in list(self._wrapped):
                if getattr(vars(kind).get(_METHOD), "_otel_llm", False):
                    delattr(kind, _METHOD)
            self._wrapped.clear()

    def _created(self, wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        kind = wrapped(*args, **kwargs)
        self._wrap(kind)
        return kind

    async def _created_async(self, wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        kind = await wrapped(*args, **kwargs)
        self._wrap(kind)
        return kind

    @guard.never_raise
    def _wrap(self, kind: Any) -> None:
        if self._having in vars(kind) and _METHOD not in vars(kind):
            with self._lock:
                setattr(kind, _METHOD, self._method(kind))
                self._wrapped.add(kind)

    def _method(self, kind: Any) -> Any:
        handler, async_handler = self._handler, self._async_handler

        # The next method is looked up at each call: botocore's own, or the wrapper of another library.
        def _make_api_call(client: Any, *args: Any, **kwargs: Any) -> Any:
            return handler(client, getattr(super(kind, client), _METHOD), args, kwargs)

        async def _make_api_call_async(client: Any, *args: Any, **kwargs: Any) -> Any:
            return await async_handler(client, getattr(super(kind, client), _METHOD), args, kwargs)

        aio = sys.modules.get("aiobotocore.client")
        is_async = aio is not None and issubclass(kind, aio.AioBaseClient)
        method: Any = _make_api_call_async if is_async else _make_api_call
        method.__name__ = _METHOD
        method._otel_llm = True
        return method


def _subclasses(kind: Any) -> Iterator[type]:
    for one in kind.__subclasses__():
        yield one
        yield from _subclasses(one)
