"""Which metrics other instrumentation scopes record: those are not recorded a second time for a call of theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from opentelemetry.metrics import Counter, Histogram, Meter, MeterProvider, NoOpCounter, NoOpHistogram

from .. import guard

#: Names that only we use: nobody else records them.
_OWN_NAMES = "otel_llm."


def beside(meter: Meter, provider: MeterProvider, own_scopes: str) -> Meter:
    """``meter``, whose instruments do nothing where a scope without the prefix ``own_scopes`` has one of that name."""
    return cast("Meter", _Beside(meter, _taken(provider, own_scopes)))


class _Beside:
    """The part of a meter that instruments are made by."""

    def __init__(self, meter: Meter, taken: frozenset[str] | None) -> None:
        self._meter, self._taken = meter, taken

    def _is_taken(self, name: str) -> bool:
        if self._taken is None:
            return not name.startswith(_OWN_NAMES)
        return name in self._taken

    def create_histogram(self, name: str, *args: Any, **kwargs: Any) -> Histogram:
        return NoOpHistogram(name) if self._is_taken(name) else self._meter.create_histogram(name, *args, **kwargs)

    def create_counter(self, name: str, *args: Any, **kwargs: Any) -> Counter:
        return NoOpCounter(name) if self._is_taken(name) else self._meter.create_counter(name, *args, **kwargs)


@guard.never_raise
def _taken(provider: Any, own_scopes: str) -> frozenset[str] | None:
    """The names of the instruments of other scopes; ``None`` if they can't be known.

    The API doesn't tell, so this looks into the provider of the SDK. Any other one keeps it to itself.
    """
    meters = getattr(provider, "_meters", None)
    if not isinstance(meters, Mapping):
        return None
    names: set[str] = set()
    for scope, meter in list(meters.items()):
        instruments = getattr(meter, "_instrument_id_instrument", None)
        if not isinstance(instruments, Mapping):
            return None
        if not str(getattr(scope, "name", "")).startswith(own_scopes):
            names.update(_names(list(instruments.values())))
    return frozenset(names)


def _names(instruments: Iterable[Any]) -> Iterable[str]:
    return (name for one in instruments if isinstance(name := getattr(one, "name", None), str))
