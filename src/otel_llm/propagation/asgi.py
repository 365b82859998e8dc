"""An ASGI middleware that keeps session and user while a response streams, after the handler has returned it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from opentelemetry import context as otel_context

from .. import guard
from . import state
from .api import propagate_attributes
from .attach import Frame

_Scope = MutableMapping[str, Any]
_App = Callable[[_Scope, Any, Any], Awaitable[None]]


class OtelLlmMiddleware:
    """Keeps session and user of a web request while its response streams.

    Use ``app.add_middleware(otel_llm.OtelLlmMiddleware)`` with Starlette, FastAPI or any other ASGI framework. What a
    handler sets by ``with otel_llm.propagate_attributes(...)`` then applies until the end of its request, including the
    body of a ``StreamingResponse`` and background tasks. Without the middleware it ends with the block.

    ``app`` is the ASGI application. ``identify`` is a function that takes the ASGI scope of each request and returns
    arguments of :class:`otel_llm.propagate_attributes` for the whole request, or ``None``. If it raises an error, the
    error is logged, and the request continues without them.
    """

    def __init__(self, app: _App, identify: Callable[[_Scope], Mapping[str, Any] | None] | None = None) -> None:
        self.app = app
        self._identify = identify

    async def __call__(self, scope: _Scope, receive: Any, send: Any) -> None:
        if scope.get("type") != "http":
            await self.app(scope, receive, send)
            return
        with Frame(state.for_request(otel_context.get_current())):
            about = self._about(scope) if self._identify is not None else None
            if about is None:
                await self.app(scope, receive, send)
            else:
                with about:
                    await self.app(scope, receive, send)

    @guard.never_raise
    def _about(self, scope: _Scope) -> propagate_attributes | None:
        said = self._identify(scope) if self._identify is not None else None
        return propagate_attributes(**said) if said else None
