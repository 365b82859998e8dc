"""Instrumenting from code, for applications that do not start under ``opentelemetry-instrument``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Literal

from opentelemetry.instrumentation.environment_variables import OTEL_PYTHON_DISABLED_INSTRUMENTATIONS

from ..config import Settings
from ..content import boundary
from ..manual.scope import manual_telemetry
from ..propagation import feedback_tokens
from . import children, start_up
from .installation import INSTALLATION

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from ..instrumentation.entry_points import _OnImport

#: The libraries that are instrumented: one entry point each.
Library = Literal["langchain", "openai", "sagemaker"]
_PREFIX = "otel_llm_"


def _instrumentors(libraries: Iterable[str] | None) -> list[_OnImport]:
    """The instrumentors of ``libraries``, by default of all."""
    found = {
        point.name.removeprefix(_PREFIX): point
        for point in entry_points(group="opentelemetry_instrumentor")
        if point.name.startswith(_PREFIX)
    }
    wanted = list(found if libraries is None else libraries)
    if unknown := [library for library in wanted if library not in found]:
        raise ValueError(f"otel-llm does not instrument {', '.join(unknown)}; it knows {', '.join(sorted(found))}")
    made: list[Any] = [found[library].load()() for library in wanted]
    return made


def _disabled(instrumentor: _OnImport) -> bool:
    """Whether the environment names ``instrumentor`` among those that the launcher leaves out."""
    names = {name.strip() for name in os.environ.get(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS, "").split(",")}
    return not names.isdisjoint({"*", f"{_PREFIX}{instrumentor.provider.name}"})


def instrument(
    *libraries: Library,
    settings: Settings | None = None,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    logger_provider: LoggerProvider | None = None,
) -> None:
    """Instrument ``libraries``: ``"langchain"``, ``"openai"``, ``"sagemaker"``.

    The default is all of them, except those that ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS`` names (``otel_llm_openai``,
    or ``*`` for all). A library that is passed by name is instrumented in any case. The libraries may be imported
    before or later. This function imports none of them, and a library that is not installed is not an error.

    ``settings`` defaults to those of the environment. ``tracer_provider``, ``meter_provider`` and ``logger_provider``
    default to the global ones, even if these are set later.

    It may be called again. Settings or providers that are passed then apply from the next model call on, also to
    ``libraries`` that are already instrumented, and to manual spans. If none are passed, what is instrumented does not
    change.

    :raises ValueError: for a library that otel-llm does not know; the message lists those it does.
    """
    instrumentors = _instrumentors(libraries or None)
    if not libraries:
        instrumentors = [one for one in instrumentors if one.is_instrumented_by_opentelemetry or not _disabled(one)]
    INSTALLATION.watch(tracer_provider)
    children.watch()
    providers: dict[str, Any] = {
        "tracer_provider": tracer_provider,
        "meter_provider": meter_provider,
        "logger_provider": logger_provider,
    }
    given = settings is not None or any(provider is not None for provider in providers.values())
    if given or not INSTALLATION.configured:
        in_force = Settings.from_environment() if settings is None else settings
        start_up.prepare(in_force, tracer_provider, meter_provider)
        manual_telemetry.configure(settings=settings, **providers)
        INSTALLATION.configured, INSTALLATION.settings, INSTALLATION.providers = True, settings, providers
    for instrumentor in instrumentors:
        if not instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.instrument(skip_dep_check=True, settings=settings, **providers)
        elif given:
            instrumentor.configure(settings=settings, **providers)


def uninstrument(*libraries: Library) -> None:
    """Restore the original functions of ``libraries``.

    The default is all of them. Then the prompt log, the evaluation sampler and the removal of error texts that settings
    turned on end, too.

    :raises ValueError: for a library that otel-llm does not know; the message lists those it does.
    """
    for instrumentor in _instrumentors(libraries or None):
        if instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.uninstrument()
    if not libraries:
        INSTALLATION.configured, INSTALLATION.settings, INSTALLATION.providers = False, None, {}
        manual_telemetry.configure()
        boundary.SHARED.use(None)
        feedback_tokens.SHARED.use(None)
        INSTALLATION.strip()
        start_up.estimate_tokens(None)
        start_up.price_calls(None)
        start_up.log_prompts(None)
