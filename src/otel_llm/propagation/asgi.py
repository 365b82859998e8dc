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
    """``app.add_middleware(otel_llm.OtelLlmMiddleware)``, for Starlette, FastAPI and any other ASGI framework.

    What a handler says by ``with otel_llm.propagate_attributes(...)`` then holds until the end of its request, also for
    the body that it returns in a ``StreamingResponse`` and for background tasks. Without it, it ends with the ``with``.

    ``identify`` is called with the ASGI scope of each request. It gives arguments of
    :class:`otel_llm.propagate_attributes` that hold for the whole request, or ``None``. An error in it is logged, and
    the request goes on without them.
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
