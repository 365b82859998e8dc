"""The start of a program under ``opentelemetry-instrument``, which calls :func:`post_instrument` by its entry point."""

from __future__ import annotations

import sys

from .. import guard
from ..config import Settings
from ..config.estimation import Chain
from ..content import boundary
from ..propagation import feedback_tokens
from ..propagation.baggage import sharing
from . import children
from .installation import INSTALLATION


@guard.never_raise
def post_instrument() -> None:
    """Set up what the environment asks for, unless :func:`~otel_llm.instrument` was given settings before.

    Every instrumentor has been loaded, and the providers are set.
    """
    children.watch()
    if INSTALLATION.settings is None:
        prepare(Settings.from_environment())


def prepare(settings: Settings, tracer_provider: object = None, meter_provider: object = None) -> None:
    """Set up what belongs to no library: content policy, baggage, estimates, costs, prompt log, span processors."""
    boundary.SHARED.use(settings)
    sharing.share(settings.baggage)
    feedback_tokens.SHARED.use(settings)
    estimate_tokens(settings.estimate_tokens)
    price_calls(settings, meter_provider)
    log_prompts(settings.prompt_log)
    INSTALLATION.equip(settings, tracer_provider)
    if settings.flush_on_sigterm:
        from . import sigterm

        sigterm.watch()


def estimate_tokens(asked: Chain | None) -> None:
    """Estimate tokens as the settings ask. Nothing of it is imported if they have never asked."""
    if asked is not None or "otel_llm.tokens" in sys.modules:
        from .. import tokens

        tokens.configure(asked)


def price_calls(settings: Settings | None, meter_provider: object = None) -> None:
    """Work out costs as the settings ask. Nothing of it is imported if they have never asked."""
    on = settings is not None and bool(settings.cost)
    if on or "otel_llm.cost" in sys.modules:
        from .. import cost

        cost.configure(on, settings.prices if settings is not None else None, meter_provider)


def log_prompts(target: str | None) -> None:
    """Keep the prompt log that the settings name. Nothing of it is imported if they have never named one."""
    if target or "otel_llm.prompt_log" in sys.modules:
        from .. import prompt_log

        prompt_log.configure(target)
