"""Counts the calls under way, in one observable metric: no call has to record anything for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Protocol

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from .. import semconv as s
from ..background import deferred, forks
from .dimensions import Dimensions
from .request import Request
from .series import Points

_DIMENSIONS = (s.OPERATION_NAME, s.PROVIDER_NAME, s.REQUEST_MODEL)


class UnderWay(Protocol):
    """A call that has not ended."""

    @property
    def counted(self) -> bool:
        """Whether the metric counts it."""
        ...

    @property
    def request(self) -> Request: ...

    @property
    def started_at(self) -> int:
        """Start in nanoseconds since the epoch."""
        ...

    @property
    def started_ns(self) -> int:
        """Start in nanoseconds, by ``perf_counter_ns``."""
        ...

    def abandon(self) -> None:
        """End the call with the answer so far, because the process ends."""


class ActiveCalls:
    """The calls under way of one instrumentation scope."""

    def __init__(self, dimensions: Dimensions, points: Points) -> None:
        #: By the identity of the call.
        self.under_way: dict[int, UnderWay] = {}
        self._dimensions, self._points = dimensions, points
        #: Kinds that have been under way are reported with zero.
        self._kinds: Counter[tuple[tuple[str, str], ...]] = Counter()

    def observed_by(self, meter: Meter) -> None:
        """Report them on ``meter``. A meter that reports them already ignores this."""
        meter.create_observable_up_down_counter(
            s.METRIC_LLM_ACTIVE_CALLS, [self._observe], "{call}", "Calls that are under way."
        )
        # A fork in the middle of a collection would leave that lock locked in the child, where no collection would end.
        # Observing makes that likelier: it makes the records that wait, and a fork waits for those.
        forks.SHARED.add_foreign_lock(meter, _collection_lock)

    def _observe(self, options: CallbackOptions) -> Iterable[Observation]:
        # This runs in each collection, so what other metrics still wait for is recorded now.
        deferred.catch_up()
        kinds = self._kinds
        for kind in kinds:
            kinds[kind] = 0
        for call in list(self.under_way.values()):
            if not call.counted:
                continue
            known = call.request.attributes
            named = {name: str(known[name]) for name in _DIMENSIONS if name in known}
            within = self._points.within(self._dimensions.bounded(named))
            if within is not None:
                kinds[tuple(within.items())] += 1
        return [Observation(count, dict(kind)) for kind, count in kinds.items()]


def _collection_lock(meter: Any) -> Any:
    """The lock that the SDK holds while it collects, or ``None`` if it can't be found: it is not public."""
    of_sdk = getattr(meter, "_real_meter", None) or meter
    return getattr(getattr(of_sdk, "_measurement_consumer", None), "_lock", None)
