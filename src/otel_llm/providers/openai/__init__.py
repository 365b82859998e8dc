"""The openai SDK.

Every method of every resource, sync and async, parsed, raw or streamed, ends in ``OpenAI.request``. That one method
(and its async twin) is wrapped; the endpoint it is about to call says what the call is. So a client made before, a
cached ``with_raw_response``, a helper of the SDK's and ``client.post(...)`` are all seen, once each, with the request
as it will be sent.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from functools import partial
from typing import Any

from opentelemetry.context import Context, get_current

from ... import guard
from ...config.choices import ForeignSpans
from ...core import nesting
from ...core.call import Call
from ...core.execution import Complete, run, run_async
from ...core.recording import Moment
from ...core.request import MAX_CHOICES
from ...instrumentation.instrumentor import Instrumentor
from ...instrumentation.patching import Target
from ...instrumentation.provider import OPENAI
from ...propagation import state
from ...propagation.attach import Frame
from ...protocols.openai import chat
from ...protocols.openai.endpoint import Endpoint, Exchange
from ...protocols.openai.fields import string
from ...protocols.openai.items import CONVERTERS
from ...semconv import LLM_REQUEST_ID
from .._stainless import errors
from .._stainless.foreign import ForeignInstrumentation
from .._stainless.gateway import GatewayCosts
from .._stainless.raw import Reader, note_exchange, read_body, watch_response, watch_stream
from . import endpoints, unknown
from .server import Servers

#: Methods that other instrumentations wrap: module, class and name.
_WRAPPED_BY_OTHERS = (
    ("openai.resources.chat.completions.completions", "Completions", "create"),
    ("openai", "OpenAI", "request"),
    ("openai", "AsyncOpenAI", "request"),
)


def _complete(
    exchange: Exchange, endpoint: Endpoint, hide: bool, costs: GatewayCosts | None, call: Call, result: Any
) -> None:
    """End ``call`` with what the SDK returned. If that is a stream, the stream's end will."""
    fields = getattr(result, "__dict__", {})  # asking a model for an attribute it lacks is slow
    if costs is not None:
        exchange.cost = costs.noted()
        costs.forget()
    try:
        if not (exchange.described or call.wanted):
            call.finish()
        elif "_iterator" in fields:
            watch_stream(call, _reader(exchange, endpoint), result, chat.is_usage_only if hide else None)
        elif (response := fields.get("http_response")) is not None:
            if response.is_closed:
                _finish_raw(call, endpoint, exchange, response)
            else:
                watch_response(call, _reader(exchange, endpoint), response)
        elif "is_closed" in fields:  # ``cast_to=httpx.Response``
            _finish_raw(call, endpoint, exchange, result)
        else:
            response = endpoint.read(exchange, result)
            if (request_id := fields.get("_request_id")) is not None:
                response.attributes[LLM_REQUEST_ID] = request_id
            elif "response" in fields:  # of the SDK's binary content, speech
                note_exchange(call, fields["response"])
            call.finish(response)
    except Exception as error:
        guard.report("openai: reading the answer", error)
        call.finish()


def _watched(parse: Callable[[Any], Any], exchange: Exchange, endpoint: Endpoint, call: Call) -> Callable[[Any], Any]:
    """``parse``, which the SDK calls with the answer before it returns what that gives.

    If ``parse`` fails, nobody else gets the answer: it was cut off, say, and is no valid JSON. It was paid for all the
    same, so ``call`` ends with both.
    """

    def parse_watched(answer: Any) -> Any:
        try:
            return parse(answer)
        except BaseException as error:
            call.fail(error, guard.never_raise(endpoint.read)(exchange, answer))
            raise

    return parse_watched


def _finish_raw(call: Call, endpoint: Endpoint, exchange: Exchange, http_response: Any) -> None:
    note_exchange(call, http_response)
    call.finish(endpoint.read(exchange, read_body(http_response)))


def _reader(exchange: Exchange, endpoint: Endpoint) -> Reader:
    accumulator = partial(endpoint.accumulator, exchange) if endpoint.accumulator is not None else None
    return Reader(partial(endpoint.read, exchange), accumulator, exchange.stream)


def _untraced(here: Context) -> AbstractContextManager[None]:
    """Keep our baggage out of a request that is not traced, such as one for a file."""
    private = state.private(here) if here else here
    return nullcontext() if private is here else Frame(private)


class OpenAIInstrumentor(Instrumentor):
    """Instruments the ``openai`` package."""

    provider = OPENAI
    error_readers = (errors.read,)

    def targets(self) -> list[Target]:
        self._servers = Servers()
        self._unknown = unknown.UnknownEndpoints()
        self._foreign = ForeignInstrumentation(self.provider.library, _WRAPPED_BY_OTHERS)
        return [
            Target("openai", "OpenAI.request", self._request),
            Target("openai", "AsyncOpenAI.request", self._request_async),
            *self._received(),
        ]

    def configure(self, **kwargs: Any) -> None:
        super().configure(**kwargs)
        settings = self.telemetry.settings
        self._converter = CONVERTERS[settings.capture_media]
        self._costs = GatewayCosts(settings.cost_headers) if settings.cost else None
        if self._costs is not None and self._patcher is not None:
            self._patcher.apply(self.targets())

    def _received(self) -> list[Target]:
        """Where responses come in with their headers: only of interest for what gateways tell of costs."""
        if self._costs is None:
            return []
        return [Target("openai", f"{kind}._process_response", self._note) for kind in ("OpenAI", "AsyncOpenAI")]

    def _note(self, wrapped: Any, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._costs is not None:
            self._costs.note(kwargs.get("response"))
        return wrapped(*args, **kwargs)

    def _request(self, wrapped: Any, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        current = get_current()
        try:
            begun = self._begin(current, client, args, kwargs)
        except Exception as error:
            guard.report("openai: reading the request", error)
            begun = None
        if begun is None:
            started = self._starts(current, client, args, kwargs)
            with _untraced(current):
                result = wrapped(*args, **kwargs)
            if started is not None:
                self._answered(current, client, args, kwargs, result, started)
            return result
        call, completion, args = begun
        return run(call, completion, wrapped, args, kwargs)

    async def _request_async(self, wrapped: Any, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        current = get_current()
        try:
            begun = self._begin(current, client, args, kwargs)
        except Exception as error:
            guard.report("openai: reading the request", error)
            begun = None
        if begun is None:
            started = self._starts(current, client, args, kwargs)
            with _untraced(current):
                result = await wrapped(*args, **kwargs)
            if started is not None:
                self._answered(current, client, args, kwargs, result, started)
            return result
        call, completion, args = begun
        return await run_async(call, completion, wrapped, args, kwargs)

    @guard.never_raise
    def _starts(self, current: Context, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Moment | None:
        """When a request that makes no span starts, if its answer may show that it should."""
        if not self.telemetry.traces(current) or self._foreign.watches(client):
            return None
        options = args[1] if len(args) > 1 else kwargs["options"]
        if endpoints.find(options.method, options.url) is not None:
            return None
        return unknown.starts(options.method, options.url)

    @guard.never_raise
    def _answered(
        self,
        current: Context,
        client: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        result: Any,
        started: Moment,
    ) -> None:
        options = args[1] if len(args) > 1 else kwargs["options"]
        body = _body(options)
        exchange = Exchange(
            self._servers.of(client),
            options.url,
            body,
            string(body.get("model")),
            bool(kwargs.get("stream")),
            False,
            self._converter,
        )
        self._unknown.answered(self.telemetry, exchange, result, current, started)

    def _leaves(self, context: Context) -> bool:
        """Whether a call is left to the other instrumentation of its client: if that makes a span of it that we can
        tell, what we know goes there."""
        foreign = self.telemetry.foreign
        if foreign.mode is ForeignSpans.OWN or (foreign.mode is ForeignSpans.JOIN and foreign.covers(context)):
            return False
        self._foreign.report()
        return True

    def _begin(
        self, current: Context, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Call, Complete, tuple[Any, ...]] | None:
        """Start the call for ``client.request(cast_to, options, ...)``; ``None`` if it is not traced."""
        telemetry = self.telemetry
        if not telemetry.traces(current):
            return None
        options = args[1] if len(args) > 1 else kwargs["options"]
        endpoint = endpoints.KNOWN.get((options.method, options.url)) or endpoints.find(options.method, options.url)
        if endpoint is None or (self._foreign.watches(client) and self._leaves(current)):
            return None
        if self._costs is not None:
            self._costs.forget()
        body = _body(options)
        exchange = Exchange(
            self._servers.of(client),
            options.url,
            body,
            string(body.get("model")),
            bool(kwargs.get("stream")),
            telemetry.keeps_content,
            self._converter,
        )
        request = endpoint.request(exchange)
        request.texts, request.input_kept = body, True  # the SDK has made the body for this request
        exchange.choices = min(request.choices, MAX_CHOICES)
        call = nesting.start(telemetry, request, current)
        exchange.described = call.described
        asks_usage = (
            exchange.stream
            and endpoint.usage_on_request
            and telemetry.settings.stream_usage
            and "include_usage" not in (body.get("stream_options") or {})
            and not _is_raw(options)
        )
        parses = callable(getattr(options, "post_parser", None)) and not _is_raw(options)
        if asks_usage or parses:
            changed = copy(options)
            if asks_usage:
                changed.json_data = {
                    **body,
                    "stream_options": {**(body.get("stream_options") or {}), "include_usage": True},
                }
                changed.extra_json = None  # it is in the body now, and would overwrite the options there
            if parses:
                changed.post_parser = _watched(options.post_parser, exchange, endpoint, call)
            if len(args) > 1:
                args = (args[0], changed, *args[2:])
            else:
                kwargs["options"] = changed
        return call, partial(_complete, exchange, endpoint, asks_usage, self._costs), args


def _body(options: Any) -> dict[str, Any]:
    """What will be sent as JSON."""
    body: dict[str, Any] = options.json_data if isinstance(options.json_data, dict) else dict(options.params)
    return {**body, **options.extra_json} if options.extra_json else body


def _is_raw(options: Any) -> bool:
    """Whether the caller reads the raw response, where it would see a chunk that we asked for."""
    headers = options.headers
    return isinstance(headers, dict) and any(name.lower() == "x-stainless-raw-response" for name in headers)
