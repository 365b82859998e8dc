"""The entry points that OpenTelemetry's launcher loads. Each costs next to nothing until its library is imported.

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
from .provider import LANGCHAIN, OPENAI, SAGEMAKER, Provider


class _OnImport(BaseInstrumentor):  # type: ignore[misc]
    """Instruments with ``provider`` as soon as its library is imported."""

    provider: Provider

    _arguments: dict[str, Any] | None = None
    _hooked = False

    def instrument(self, **kwargs: Any) -> Any:
        """Do nothing if it is done: :func:`otel_llm.setup` and the launcher may follow :func:`otel_llm.instrument`."""
        return None if self.is_instrumented_by_opentelemetry else super().instrument(**kwargs)

    def instrumentation_dependencies(self) -> Collection[str]:
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        self._arguments = kwargs
        if not self._hooked:  # wrapt keeps a hook for good, so one is enough
            self._hooked = True
            wrapt.register_post_import_hook(self._on_import, self.provider.library)
        elif (module := sys.modules.get(self.provider.library)) is not None:
            self._on_import(module)

    def configure(self, **kwargs: Any) -> None:
        """Use these settings and providers from the next call on, or as soon as the library is imported."""
        self._arguments = kwargs
        if (instrumentor := self._instrumentor()) is not None:
            instrumentor.configure(**kwargs)

    def _uninstrument(self, **kwargs: Any) -> None:
        self._arguments = None
        if (instrumentor := self._instrumentor()) is not None:
            instrumentor.uninstrument()

    def _instrumentor(self) -> Any:
        """The provider's instrumentor, if the library has been instrumented."""
        module = sys.modules.get(self.provider.module)
        if module is None:
            return None
        instrumentor = getattr(module, self.provider.instrumentor)()
        return instrumentor if instrumentor.is_instrumented_by_opentelemetry else None

    @guard.never_raise
    def _on_import(self, module: ModuleType) -> None:
        if self._arguments is None:
            return
        instrumentor = getattr(import_module(self.provider.module), self.provider.instrumentor)()
        if not instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.instrument(skip_dep_check=True, **self._arguments)


class OpenAI(_OnImport):
    provider = OPENAI


class LangChain(_OnImport):
    provider = LANGCHAIN


class SageMaker(_OnImport):
    provider = SAGEMAKER
