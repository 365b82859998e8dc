"""The entry points: they cost a program next to nothing until it imports a library that is traced.

Each stands for a provider's instrumentor, whose modules (mappings, streams, messages) are imported only then.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from importlib import import_module
from types import ModuleType
from typing import Any

import wrapt
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from .. import guard


class _OnImport(BaseInstrumentor):  # type: ignore[misc]
    """Instruments with ``provider``'s ``instrumentor`` as soon as ``library`` is imported."""

    library: str
    provider: str
    instrumentor: str

    _arguments: dict[str, Any] | None = None
    _hooked = False

    def instrumentation_dependencies(self) -> Collection[str]:
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        self._arguments = kwargs
        if not self._hooked:  # wrapt keeps a hook for good, so one is enough
            self._hooked = True
            wrapt.register_post_import_hook(self._on_import, self.library)
        elif (module := sys.modules.get(self.library)) is not None:
            self._on_import(module)

    def _uninstrument(self, **kwargs: Any) -> None:
        self._arguments = None
        if (module := sys.modules.get(f"otel_llm.providers.{self.provider}")) is not None:
            instrumentor = getattr(module, self.instrumentor)()
            if instrumentor.is_instrumented_by_opentelemetry:
                instrumentor.uninstrument()

    @guard.never_raise
    def _on_import(self, module: ModuleType) -> None:
        if self._arguments is None:
            return
        instrumentor = getattr(import_module(f"otel_llm.providers.{self.provider}"), self.instrumentor)()
        if not instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.instrument(skip_dep_check=True, **self._arguments)


class OpenAI(_OnImport):
    library = provider = "openai"
    instrumentor = "OpenAIInstrumentor"


class LangChain(_OnImport):
    library, provider = "langchain_core", "langchain"
    instrumentor = "LangChainInstrumentor"


class SageMaker(_OnImport):
    """Every SDK for SageMaker calls by botocore, and imports it first."""

    library, provider = "botocore", "sagemaker"
    instrumentor = "SageMakerInstrumentor"
