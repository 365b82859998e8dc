"""What is added to a tracer provider of the SDK: by ``instrument()``, and at the start of a program under
``opentelemetry-instrument``, which calls :func:`post_instrument` by its entry point."""

from __future__ import annotations

import sys
import weakref
from typing import Any

from opentelemetry import trace

from .. import guard
from ..config import Settings
from ..core import telemetry
from ..propagation import api
from ..propagation.baggage import sharing
from . import children

_watched: weakref.WeakSet[Any] = weakref.WeakSet()
_evaluated: weakref.WeakSet[Any] = weakref.WeakSet()
_scrubbed: weakref.WeakSet[Any] = weakref.WeakSet()


def _is_new(provider: Any, known: weakref.WeakSet[Any]) -> bool:
    """Whether ``provider`` takes span processors and is not ``known`` yet; from now on it is."""
    if provider in known or not hasattr(provider, "add_span_processor"):
        return False
    known.add(provider)
    return True


@guard.never_raise
def post_instrument() -> None:
    """Every instrumentor has been loaded, and the providers are set."""
    settings = Settings.from_environment()
    sharing.share(settings.baggage)
    watch_global()
    children.watch()
    log_prompts(settings.prompt_log)
    scrub_foreign(settings, trace.get_tracer_provider())
    sample_for_evaluation(settings, trace.get_tracer_provider())


@guard.never_raise
def watch(provider: Any) -> None:
    """Add our span processors to ``provider``, once, if it takes any."""
    if _is_new(provider, _watched):
        provider.add_span_processor(api.ContextSpanProcessor())


@guard.never_raise
def scrub_foreign(settings: Settings, provider: Any) -> None:
    """Remove error texts from other libraries' spans of ``provider``, if the settings ask for it."""
    if settings.scrub_foreign and _is_new(provider, _scrubbed):
        from ..propagation.foreign_errors import ForeignErrorProcessor

        provider.add_span_processor(ForeignErrorProcessor(keep_text=settings.capture_content.on_span))


def log_prompts(target: str | None) -> None:
    """Keep the prompt log that the settings name; where they never did, nothing of it is imported."""
    if target or "otel_llm.prompt_log" in sys.modules:
        from .. import prompt_log

        prompt_log.configure(target)


@guard.never_raise
def sample_for_evaluation(settings: Settings, provider: Any) -> None:
    """Add the evaluation sampler to ``provider``, once, if the settings ask for it; else import nothing."""
    if settings.samples_for_evaluation and _is_new(provider, _evaluated):
        from ..evaluation.sampling.from_settings import sampler_from

        if (sampler := sampler_from(settings)) is not None:
            provider.add_span_processor(sampler)


def has_global_tracer_provider() -> bool:
    """Whether the application or the launcher has set a tracer provider."""
    return telemetry._is_set(telemetry._TRACER)


_global_watched = False


def watch_global() -> None:
    """:func:`watch` the global provider, once there is one."""
    global _global_watched
    if not _global_watched and has_global_tracer_provider():
        _global_watched = True
        watch(trace.get_tracer_provider())


api.on_propagate.append(watch_global)
