"""Traces embeddings. They have no callbacks, so the methods of every embeddings class are wrapped."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import wrapt
from opentelemetry.context import get_current

from ... import guard
from ... import semconv as s
from ...core import nesting
from ...core.call import Call
from ...core.execution import run, run_async
from ...core.request import AttributeValue, Request, Response
from ...instrumentation.instrumentor import Instrumentor
from . import models

_METHODS = ("embed_documents", "embed_query")
_PACKAGES = {
    "langchain_openai": "openai",
    "langchain_aws": "aws.bedrock",
    "langchain_google_genai": "gcp.gemini",
    "langchain_google_vertexai": "gcp.vertex_ai",
    "langchain_mistralai": "mistral_ai",
    "langchain_cohere": "cohere",
    "langchain_ibm": "ibm.watsonx.ai",
}


class Embeddings:
    """Wraps the methods of every embeddings class, including classes that are defined later, and restores them."""

    def __init__(self, instrumentor: Instrumentor) -> None:
        self._instrumentor = instrumentor
        self._base: Any = None
        self._patched: list[tuple[type, str, Any, Any]] = []

    @guard.never_raise
    def apply(self, module: ModuleType) -> None:
        """Wrap the existing classes, and those to come. ``module`` defines their base class."""
        if self._base is not None or not self._instrumentor.active:
            return
        self._base = base = module.Embeddings

        def __init_subclass__(kind: type, /, **kwargs: Any) -> None:  # noqa: N807
            super(base, kind).__init_subclass__(**kwargs)  # type: ignore[misc]
            self._patch(kind)

        base.__init_subclass__ = classmethod(__init_subclass__)
        pending = base.__subclasses__()
        while pending:
            kind = pending.pop()
            self._patch(kind)
            pending += kind.__subclasses__()

    def restore(self) -> None:
        if self._base is None:
            return
        del self._base.__init_subclass__
        self._base = None
        for kind, name, original, wrapper in self._patched:
            if vars(kind).get(name) is wrapper:
                setattr(kind, name, original)
        self._patched = []

    @guard.never_raise
    def _patch(self, kind: type) -> None:
        for method in _METHODS:
            for name, handler in ((method, self._handle), (f"a{method}", self._handle_async)):
                original = vars(kind).get(name)
                if original is not None and not hasattr(original, "_self_otel_llm"):
                    wrapper = wrapt.FunctionWrapper(original, handler)
                    wrapper._self_otel_llm = True  # type: ignore[attr-defined]
                    setattr(kind, name, wrapper)
                    self._patched.append((kind, name, original, wrapper))

    def _handle(self, wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
        call = _begin(self._instrumentor, instance)
        return wrapped(*args, **kwargs) if call is None else run(call, _complete, wrapped, args, kwargs)

    async def _handle_async(self, wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
        call = _begin(self._instrumentor, instance)
        if call is None:
            return await wrapped(*args, **kwargs)
        return await run_async(call, _complete, wrapped, args, kwargs)


@guard.never_raise
def _begin(instrumentor: Instrumentor, instance: Any) -> nesting.LayeredCall | None:
    telemetry = instrumentor.telemetry
    if not telemetry.traces(get_current()):
        return None
    if (outer := nesting.enclosing()) is not None and outer.request.operation == s.EMBEDDINGS:
        return None  # one embeddings method calls another
    request = _request(instance)
    call = nesting.start_outer(telemetry, request)
    call.context = nesting.enclose(call, call.context)
    return call


def _request(instance: Any) -> Request:
    fields = getattr(instance, "__dict__", {})
    names = ("model", "model_name", "model_id", "endpoint_name")
    model = next((fields[name] for name in names if isinstance(fields.get(name), str)), None)
    attributes: dict[str, AttributeValue] = {
        s.OPERATION_NAME: s.EMBEDDINGS,
        s.PROVIDER_NAME: _provider(type(instance)),
        **models.server(instance),
    }
    if model is not None:
        attributes[s.REQUEST_MODEL] = model
    return Request(s.EMBEDDINGS, model, attributes, 0)


def _provider(kind: type) -> str:
    if kind.__name__.startswith("Azure"):
        return "azure.ai.openai"
    package = kind.__module__.partition(".")[0]
    name = kind.__name__.removesuffix("Embeddings").removesuffix("Embedding").lower()
    return _PACKAGES.get(package) or models.provider_name(name or "langchain")


def _complete(call: Call, vectors: Any) -> None:
    call.finish(_response(vectors))


@guard.never_raise
def _response(vectors: Any) -> Response:
    first = vectors[0] if isinstance(vectors, list) and vectors else None
    length = len(first) if isinstance(first, list) else len(vectors) if first is not None else 0
    return Response(attributes={s.EMBEDDINGS_DIMENSION_COUNT: length} if length else {})
