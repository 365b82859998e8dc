"""Setting up OpenTelemetry from the environment, without the launcher."""

from __future__ import annotations

from importlib.metadata import entry_points

from ..propagation.global_providers import TRACER_PROVIDER
from . import api


def setup() -> None:
    """Set up the SDK, its exporters and instrumentations from the environment, as ``opentelemetry-instrument`` does.

    It is meant for notebooks and workers whose start command can't be changed. Call it before the first client is used.
    It reads the variables that the launcher reads (``OTEL_*``, ``OTEL_LLM_*``). If the application or the launcher has
    set a tracer provider, that provider is kept, and the libraries that otel-llm supports are instrumented. Settings
    that :func:`instrument` was given before stay in force. A second call changes nothing.

    :raises RuntimeError: if no SDK with a distribution is installed; ``pip install "otel-llm[otlp]"`` installs one.
    """
    if TRACER_PROVIDER.is_set():
        api.instrument()
        return
    if not entry_points(group="opentelemetry_configurator"):
        raise RuntimeError('no OpenTelemetry SDK with a distribution is installed: pip install "otel-llm[otlp]"')
    from opentelemetry.instrumentation.auto_instrumentation import initialize

    initialize(swallow_exceptions=False)
