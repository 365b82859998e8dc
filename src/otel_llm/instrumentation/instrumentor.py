"""The base class of all instrumentors: it patches from a table when the library is imported, and restores exactly."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Collection, Sequence
from types import ModuleType
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from ..core.errors import ErrorReader
from ..core.telemetry import Telemetry
from .patching import Patcher, Target
from .provider import Provider

_logger = logging.getLogger("otel_llm")


class Instrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Instruments one library. A subclass declares the library and the table of functions to wrap.

    ``instrument()`` takes ``settings`` (:class:`otel_llm.Settings`; default: the environment's) and
    ``tracer_provider``, ``meter_provider``, ``logger_provider`` (default: the global ones, also when set later).
    """

    #: The library, its supported versions, and the instrumentation scope.
    provider: Provider
    #: How errors of the library's SDKs are read.
    error_readers: Sequence[ErrorReader] = ()

    telemetry: Telemetry
    _patcher: Patcher | None = None

    @abstractmethod
    def targets(self) -> Sequence[Target]:
        """What to wrap."""

    @property
    def active(self) -> bool:
        """Whether the library is instrumented. Wrappers that could not be removed check this."""
        return self.telemetry.on

    def instrumentation_dependencies(self) -> Collection[str]:
        return (f"{self.provider.distribution} {self.provider.supported}",)

    def accept(self, module: ModuleType) -> bool:
        """Whether the version of ``module``, which was just imported, is supported. If not, a warning is logged."""
        from packaging.specifiers import SpecifierSet

        provider, version = self.provider, getattr(module, "__version__", None)
        if version is None or SpecifierSet(provider.supported).contains(version, prereleases=True):
            return True
        _logger.warning(
            "%s %s is not instrumented: otel-llm supports %s%s",
            provider.library,
            version,
            provider.library,
            provider.supported,
        )
        return False

    def configure(self, **kwargs: Any) -> None:
        """Use these settings and providers from the next call on; calls under way keep theirs."""
        self.telemetry = Telemetry(
            self.provider.scope,
            kwargs.get("settings"),
            kwargs.get("tracer_provider"),
            kwargs.get("meter_provider"),
            kwargs.get("logger_provider"),
            error_readers=self.error_readers,
        )

    def _instrument(self, **kwargs: Any) -> None:
        self.configure(**kwargs)
        if self._patcher is None:
            self._patcher = Patcher(self.accept)
        self._patcher.apply(self.targets())

    def _uninstrument(self, **kwargs: Any) -> None:
        self.telemetry.on = False
        if self._patcher is not None:
            self._patcher.restore()
