"""What is added to a tracer provider of the SDK: by ``instrument()``, and at the start of a program under
``opentelemetry-instrument``, which calls :func:`post_instrument` by its entry point."""

from __future__ import annotations

import weakref
from typing import Any

from opentelemetry import trace

from . import ambient, guard, telemetry
from .ambient import ContextSpanProcessor
from .config import Settings

_watched: weakref.WeakSet[Any] = weakref.WeakSet()


@guard.never_raise
def post_instrument() -> None:
    """Every instrumentor has been loaded, and the providers are set."""
    ambient.share(Settings.from_environment().baggage)
    watch_global()


@guard.never_raise
def watch(provider: Any) -> None:
    """Add our span processors to ``provider``, once, if it takes any."""
    if provider not in _watched and hasattr(provider, "add_span_processor"):
        _watched.add(provider)
        provider.add_span_processor(ContextSpanProcessor())


_global_watched = False


def watch_global() -> None:
    """:func:`watch` the global provider, once there is one."""
    global _global_watched
    if not _global_watched and telemetry._is_set(telemetry._TRACER):
        _global_watched = True
        watch(trace.get_tracer_provider())
