"""Instruments models behind SageMaker endpoints, no matter which SDK calls them.

The SageMaker SDK (2.x and 3.x), langchain-aws, boto3 and aiobotocore all use a client of ``sagemaker-runtime``, whose
calls are intercepted (:mod:`otel_llm.providers._botocore.clients`). An endpoint may serve anything. Only calls of
language models become spans; request and answer show which these are (:mod:`.invocation`, :mod:`.answers`).
"""

from __future__ import annotations

import sys
from functools import partial
from types import ModuleType
from typing import Any

from opentelemetry.context import Context, get_current

from ... import guard
from ... import semconv as s
from ...core import nesting
from ...core.call import Call
from ...core.execution import Complete, run, run_async
from ...core.request import AttributeValue, Request, Response
from ...instrumentation.instrumentor import Instrumentor
from ...instrumentation.patching import Target
from ...instrumentation.provider import SAGEMAKER
from ...propagation.suppression import quiet
from ...protocols.lines import Decoder
from ...protocols.openai.endpoint import Server
from ...protocols.openai.fields import string
from ...protocols.openai.items import CONVERTERS
from .._botocore import aio, errors
from .._botocore.bodies import BodyObserver, watch_body
from .._botocore.clients import ClientClasses
from .._botocore.eventstream import watch_events
from .body import Answer
from .invocation import (
    ASYNC_OPERATION,
    Invocation,
    is_json,
    is_readable,
    narrowest,
    read_request,
    server_at,
    server_of,
    start_attributes,
    target_of,
)
from .not_language_models import Misses
from .pieces import Pieces

_INVOKE, _STREAM, _ASYNC = "InvokeEndpoint", "InvokeEndpointWithResponseStream", "InvokeEndpointAsync"


class SageMakerInstrumentor(Instrumentor):
    """Instruments calls of SageMaker endpoints through botocore and aiobotocore."""

    provider = SAGEMAKER
    error_readers = (errors.read,)

    def accept(self, module: ModuleType) -> bool:
        botocore = sys.modules.get("botocore")
        return super().accept(botocore) if botocore is not None else True

    def targets(self) -> list[Target]:
        self._classes = ClientClasses("invoke_endpoint", self._call, self._call_async)
        self._misses = Misses()
        # The local mode of the SDKs (2.x and 3.x): a client with the same methods, which calls a container over HTTP.
        local = "local.local_session", "LocalSagemakerRuntimeClient.invoke_endpoint"
        return [
            *self._classes.targets(),
            *(Target(f"sagemaker.{place}{local[0]}", local[1], self._call_local) for place in ("", "core.")),
        ]

    def _instrument(self, **kwargs: Any) -> None:
        super()._instrument(**kwargs)
        self._classes.wrap_existing()

    def _uninstrument(self, **kwargs: Any) -> None:
        super()._uninstrument(**kwargs)
        self._classes.restore()

    # --- a call ----------------------------------------------------------------------------------

    def _call_local(self, wrapped: Any, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        begun = self._begin_local(client, *args, **kwargs)
        if begun is None:
            return wrapped(*args, **kwargs)
        call, complete = begun
        return run(call, complete, wrapped, args, kwargs)

    @guard.never_raise
    def _begin_local(self, client: Any, *args: Any, **kwargs: Any) -> tuple[Call, Complete] | None:
        arguments = {**dict(zip(("Body", "EndpointName", "ContentType"), args, strict=False)), **kwargs}
        current = get_current()
        if not self.telemetry.traces(current):
            return None
        return self._begin_invocation(server_at("localhost", client.serving_port), arguments, False, current)

    def _call(self, client: Any, wrapped: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        begun = self._begin(client, args, kwargs)
        if begun is None:
            return wrapped(*args, **kwargs)
        call, complete = begun

        return run(call, complete, wrapped, args, kwargs, _quiet(call))

    async def _call_async(self, client: Any, wrapped: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        begun = self._begin(client, args, kwargs)
        if begun is None:
            return await wrapped(*args, **kwargs)
        call, complete = begun

        return await run_async(call, complete, wrapped, args, kwargs, _quiet(call))

    def _begin(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Call, Complete] | None:
        try:
            current = get_current()
            if kwargs or len(args) != 2 or not self.telemetry.traces(current):
                return None
            operation, arguments = args
            meta = client.meta
            if meta.service_model.service_name != "sagemaker-runtime" or not isinstance(arguments, dict):
                return None
            if operation in (_INVOKE, _STREAM):
                return self._begin_invocation(server_of(meta.endpoint_url), arguments, operation == _STREAM, current)
            if operation == _ASYNC:
                return self._begin_async(server_of(meta.endpoint_url), arguments, current)
        except Exception as error:
            guard.report("sagemaker: reading the request", error)
        return None

    def _begin_invocation(
        self, server: Server, arguments: dict[str, Any], stream: bool, context: Context
    ) -> tuple[Call, Complete] | None:
        telemetry = self.telemetry
        content = CONVERTERS[telemetry.settings.capture_media]
        asked = read_request(server, arguments, stream, telemetry.keeps_content, content)
        if asked is None:
            return None
        made, request = asked
        if not made.settled and self._misses.enough(made):
            return None
        return nesting.start(telemetry, request, context), partial(self._complete, made)

    def _complete(self, made: Invocation, call: Call, result: Any) -> None:
        try:
            if not call.wanted:
                call.finish()
            elif made.stream:
                made.told = told_beside(result)
                watch_events(call, Pieces(made), Decoder(), result["Body"])
            else:
                self._watch(call, made, result)
        except Exception as error:
            _unread(call, error)

    def _watch(self, call: Call, made: Invocation, result: dict[str, Any]) -> None:
        """Watch the caller read the body, if it may be a language model's."""
        if not made.settled and not is_json(result.get("ContentType")):
            self._misses.add(made, certain=True)
            call.discard()
            return
        body = result["Body"]
        made.told = told_beside(result)
        answer = Answer(call, made, length_of(result), self._misses)
        observer = BodyObserver(call, answer, timed=False)
        if aio.is_body(body):
            aio.watch_body(body, observer, answer)
            return
        watch_body(body, getattr(body, "_raw_stream", body), observer, answer)

    def _begin_async(self, server: Server, arguments: dict[str, Any], context: Context) -> tuple[Call, Complete] | None:
        """Read the start of an inference whose answer will be in S3, where it is not seen.

        The input is in S3 as well, or part of the request. If the request has it, and it alone shows that this is an
        inference, the call is an inference. Otherwise it is only the start of an invocation.
        """
        if not is_json(arguments.get("ContentType")):
            return None
        telemetry = self.telemetry
        asked = None
        if is_readable(arguments.get("Body")):
            content = CONVERTERS[telemetry.settings.capture_media]
            asked = read_request(server, arguments, False, telemetry.keeps_content, content)
            if asked is None:
                return None
        started = start_attributes(arguments)
        if asked is not None and asked[0].settled:
            request = asked[1]
            request.attributes.update(started)
            return nesting.start(telemetry, request, context), _started
        target = target_of(arguments)
        attributes: dict[str, AttributeValue] = {**target, **started}
        if server.address is not None:
            attributes[s.SERVER_ADDRESS] = server.address
            if server.port is not None:
                attributes[s.SERVER_PORT] = server.port
        return Call.begin(telemetry, Request(ASYNC_OPERATION, narrowest(target), attributes, 0), context), _started


def _unread(call: Call, error: Exception) -> None:
    """End ``call`` without an answer, because reading the answer failed."""
    guard.report("sagemaker: reading the answer", error)
    call.finish()


def _started(call: Call, result: Any) -> None:
    """End the call that started an asynchronous inference."""
    try:
        call.finish(_start_of(result))
    except Exception as error:
        _unread(call, error)


def _start_of(result: Any) -> Response:
    response = Response(attributes=told_beside(result))
    for name, attribute in (
        ("InferenceId", s.LLM_SAGEMAKER_INFERENCE_ID),
        ("OutputLocation", s.LLM_SAGEMAKER_OUTPUT_LOCATION),
        ("FailureLocation", s.LLM_SAGEMAKER_FAILURE_LOCATION),
    ):
        if value := string(result.get(name)):
            response.attributes[attribute] = value
    return response


def _quiet(call: Call) -> Context:
    """The context of ``call``, in which the instrumentation of botocore makes no second span."""
    return quiet(call.context)


def told_beside(result: dict[str, Any]) -> dict[str, AttributeValue]:
    """Attributes of the response's metadata, such as the request id."""
    about = result.get("ResponseMetadata") or {}
    attributes: dict[str, AttributeValue] = {}
    if request_id := string(about.get("RequestId")):
        attributes[s.AWS_REQUEST_ID] = request_id
    if type(retries := about.get("RetryAttempts")) is int and retries > 0:
        attributes[s.LLM_REQUEST_RETRIES] = retries
    if variant := string(result.get("InvokedProductionVariant")):
        attributes[s.LLM_SAGEMAKER_INVOKED_VARIANT] = variant
    return attributes


def length_of(result: dict[str, Any]) -> int | None:
    """The length of the body by its ``content-length`` header."""
    headers = (result.get("ResponseMetadata") or {}).get("HTTPHeaders") or {}
    length = headers.get("content-length")
    return int(length) if isinstance(length, str) and length.isdecimal() else None
