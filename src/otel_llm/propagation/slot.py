"""The span processors of this package on one tracer provider, which can be changed and taken out again."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from time import monotonic
from typing import Any

#: The order in which they are called: what removes texts comes before what keeps them.
CONTEXT, SCRUBBING, EVALUATION = _ORDER = ("context", "scrubbing", "evaluation")


class IdleProcessor:
    """The methods of an SDK span processor, which do nothing. It needs no SDK."""

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """A span has started."""

    def _on_ending(self, span: Any) -> None:
        """A span is about to end, and can still be changed."""

    def on_end(self, span: Any) -> None:
        """A span has ended."""

    def shutdown(self) -> None:
        """Release what is held."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return True


_IDLE = IdleProcessor()


class ProcessorSlot:
    """One span processor that calls others.

    The SDK can't remove a span processor, but this one can be emptied. It has the methods of an SDK span processor.
    """

    def __init__(self) -> None:
        self._held: dict[str, tuple[Hashable, Any]] = {}
        self._starting: tuple[Callable[..., None], ...] = ()
        self._ending: tuple[Callable[..., None], ...] = ()
        self._ended: tuple[Callable[..., None], ...] = ()

    def put(self, kind: str, settings: Hashable, make: Callable[[], Any]) -> Any:
        """Hold what ``make`` returns as the processor of ``kind``. One that was made with equal ``settings`` stays.

        Returns the processor that was replaced, if any: it is to be shut down.
        """
        if kind in self._held and self._held[kind][0] == settings:
            return None
        made = make()
        replaced = self.take_out(kind)
        if made is not None:
            self._held[kind] = (settings, made)
            self._rebuild()
        return replaced

    def take_out(self, kind: str) -> Any:
        """Hold no processor of ``kind`` any longer. Returns the one that was held, if any: it is to be shut down."""
        _, processor = self._held.pop(kind, (None, None))
        self._rebuild()
        return processor

    def _rebuild(self) -> None:
        held = [self._held[kind][1] for kind in _ORDER if kind in self._held]
        self._starting = _busy(held, "on_start")
        self._ending = _busy(held, "_on_ending")
        self._ended = _busy(held, "on_end")
        # With one processor or none, which is the normal case, the SDK calls that one itself: spans are many.
        for name, methods in (("on_start", self._starting), ("_on_ending", self._ending), ("on_end", self._ended)):
            if len(methods) > 1:
                vars(self).pop(name, None)
            else:
                vars(self)[name] = methods[0] if methods else getattr(_IDLE, name)

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        for start in self._starting:
            start(span, parent_context)

    def _on_ending(self, span: Any) -> None:
        for ending in self._ending:
            ending(span)

    def on_end(self, span: Any) -> None:
        for end in self._ended:
            end(span)

    def shutdown(self) -> None:
        for _, processor in list(self._held.values()):
            processor.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        deadline = monotonic() + timeout_millis / 1000
        flushed = True
        for _, processor in list(self._held.values()):
            flushed = processor.force_flush(max(int((deadline - monotonic()) * 1000), 0)) and flushed
        return flushed


def _busy(processors: Iterable[Any], name: str) -> tuple[Callable[..., None], ...]:
    """The method ``name`` of each of ``processors``, unless it does nothing: it would be called for every span."""
    idle = getattr(IdleProcessor, name)
    return tuple(
        getattr(processor, name) for processor in processors if getattr(type(processor), name, idle) is not idle
    )
