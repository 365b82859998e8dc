"""An ASGI middleware that keeps session and user while a response streams, after the handler has returned it."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context

from .. import guard
from ..config import FEEDBACK_KEY
from . import feedback_tokens, state
from .api import propagate_attributes
from .attach import Frame
from .targets import Kind, Target

_logger = logging.getLogger("otel_llm")
#: The characters that the name of a header may have.
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
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

    ``feedback_header`` is the name of a response header, such as ``"x-feedback-token"``, for a token by which a browser
    can give feedback on the trace of the request (:func:`otel_llm.record_feedback`). The token expires after
    ``feedback_expires_in`` seconds. The header is left out if no span has begun when the response starts, or if there
    is no ``OTEL_LLM_FEEDBACK_KEY``, which is logged once.

    :raises ValueError: if ``feedback_header`` is not the name of a header.
    """

    def __init__(
        self,
        app: _App,
        identify: Callable[[_Scope], Mapping[str, Any] | None] | None = None,
        feedback_header: str | None = None,
        feedback_expires_in: float = feedback_tokens.DEFAULT_EXPIRY,
    ) -> None:
        if feedback_header is not None and not _HEADER.fullmatch(feedback_header):
            raise ValueError(f"feedback_header must be the name of a header, not {feedback_header!r}")
        self.app = app
        self._identify = identify
        self._feedback_header = feedback_header.lower().encode() if feedback_header else b""
        self._feedback_expires_in = feedback_expires_in
        self._warned = False

    async def __call__(self, scope: _Scope, receive: Any, send: Any) -> None:
        if scope.get("type") != "http":
            await self.app(scope, receive, send)
            return
        context = state.for_request(otel_context.get_current())
        if self._feedback_header:
            send = self._with_token(send, context)
        with Frame(context):
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

    def _with_token(self, send: Any, context: Context) -> Any:
        async def sending(message: Any) -> None:
            if message.get("type") == "http.response.start" and (header := self._header(context)) is not None:
                message = {**message, "headers": [*message.get("headers", ()), header]}
            await send(message)

        return sending

    @guard.never_raise
    def _header(self, context: Context) -> tuple[bytes, bytes] | None:
        """The response header with the token: for the server's span, if there is one around, else the first inside."""
        if not feedback_tokens.SHARED.keys:
            if not self._warned:
                self._warned = True
                _logger.warning("no header with a token of feedback is sent: %s is not set", FEEDBACK_KEY)
            return None
        span = trace.get_current_span(context).get_span_context()
        if not span.is_valid and (first := state.span_of_request(context)) is not None:
            span = first
        if not span.is_valid:
            return None
        target = Target(Kind.TRACE, trace.format_trace_id(span.trace_id), trace.format_span_id(span.span_id))
        return self._feedback_header, feedback_tokens.SHARED.issue(target, self._feedback_expires_in).encode()
