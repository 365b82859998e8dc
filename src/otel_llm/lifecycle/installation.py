"""What :func:`~otel_llm.instrument` and the start-up have set up in this process."""

from __future__ import annotations

import weakref
from dataclasses import fields
from typing import Any

from .. import guard
from ..background.forks import ForkLock
from ..config import Settings
from ..propagation.api import ContextSpanProcessor
from ..propagation.global_providers import TRACER_PROVIDER
from ..propagation.slot import CONTEXT, EVALUATION, SCRUBBING, ProcessorSlot

_EVALUATION_FIELDS = tuple(field.name for field in fields(Settings) if field.name.startswith("evaluation_"))


class Installation:
    """What instrumenting has set up: ``flush()`` and ``uninstrument()`` need to know."""

    def __init__(self) -> None:
        #: Whether the application's own spans, the baggage and the prompt log are set up.
        self.configured = False
        #: The settings that were given last. ``None``: those of the environment apply.
        self.settings: Settings | None = None
        #: The providers that were given last, by the name of the parameter.
        self.providers: dict[str, Any] = {}
        self._slots: weakref.WeakKeyDictionary[Any, ProcessorSlot] = weakref.WeakKeyDictionary()
        #: The settings for the global tracer provider, which may be set later.
        self._for_global: Settings | None = None
        self._lock = ForkLock()

    def watch(self, provider: Any = None) -> None:
        """Set propagated attributes on other libraries' spans of ``provider``, or of the global provider."""
        if provider is None:
            TRACER_PROVIDER.notice()
        else:
            self._equip(provider, None)

    def equip(self, settings: Settings, provider: Any = None) -> None:
        """Add the span processors that ``settings`` ask for to ``provider``, or to the global one once it is set."""
        if provider is not None:
            self._equip(provider, settings)
            return
        self._for_global = settings
        if TRACER_PROVIDER.is_set():
            self._equip(TRACER_PROVIDER.get(), settings)

    def found_global(self, provider: Any) -> None:
        """The global tracer provider has been set."""
        self._equip(provider, self._for_global)

    def strip(self) -> None:
        """Remove what settings have added from all providers."""
        self._for_global = None
        with self._lock.lock:
            removed = [slot.take_out(kind) for slot in self._slots.values() for kind in (SCRUBBING, EVALUATION)]
        _shut_down(removed)

    @guard.never_raise
    def _equip(self, provider: Any, settings: Settings | None) -> None:
        if not hasattr(provider, "add_span_processor"):
            return
        removed: list[Any] = []
        with self._lock.lock:
            slot = self._slots.get(provider)
            if slot is None:
                self._slots[provider] = slot = ProcessorSlot()
                slot.put(CONTEXT, None, ContextSpanProcessor)
                provider.add_span_processor(slot)
            if settings is not None:
                _add(settings, slot, removed)
        _shut_down(removed)


def _add(settings: Settings, slot: ProcessorSlot, removed: list[Any]) -> None:
    """Put into ``slot`` what ``settings`` ask for. Nothing is imported for what they don't ask for."""

    def scrubber() -> Any:
        if not settings.scrub_foreign:
            return None
        from ..propagation.foreign_errors import ForeignErrorProcessor

        return ForeignErrorProcessor(keep_text=settings.capture_content.on_span)

    def sampler() -> Any:
        if not settings.samples_for_evaluation:
            return None
        from ..evaluation.sampling.from_settings import sampler_from

        return sampler_from(settings)

    removed.append(slot.put(SCRUBBING, (settings.scrub_foreign, settings.capture_content.on_span), scrubber))
    asked = tuple(getattr(settings, name) for name in _EVALUATION_FIELDS)
    removed.append(slot.put(EVALUATION, asked, sampler))


def _shut_down(processors: list[Any]) -> None:
    """Outside of the lock, as a sampler may wait for its thread."""
    for processor in processors:
        if processor is not None:
            guard.never_raise(processor.shutdown)()


#: One for the process, as the global providers are.
INSTALLATION = Installation()
TRACER_PROVIDER.when_set(INSTALLATION.found_global)
