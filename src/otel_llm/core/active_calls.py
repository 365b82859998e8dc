"""The calls under way, which one observable metric counts: it costs a call no record of its own.

It is observed in each collection, which is when all that other metrics still wait for is recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from .. import semconv as s
from ..background import deferred

_DIMENSIONS = (s.OPERATION_NAME, s.PROVIDER_NAME, s.REQUEST_MODEL)
#: So many kinds of calls are told of by zero when none is under way.
_MAX_KINDS = 256

#: By instrumentation scope: a meter keeps the first callback it is given, so what that reads must last.
_under_way: dict[str, dict[int, Mapping[str, Any]]] = {}


def calls(scope: str, meter: Meter) -> dict[int, Mapping[str, Any]]:
    """What is known of the calls under way in ``scope``, by the identity of the call; ``meter`` observes them."""
    under_way = _under_way.setdefault(scope, {})
    meter.create_observable_up_down_counter(
        s.METRIC_LLM_ACTIVE_CALLS, [_observer(under_way)], "{call}", "Calls that are under way."
    )
    return under_way


def _observer(under_way: dict[int, Mapping[str, Any]]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    kinds: Counter[tuple[tuple[str, str], ...]] = Counter()

    def observe(options: CallbackOptions) -> Iterable[Observation]:
        deferred.catch_up()
        for kind in kinds:
            kinds[kind] = 0
        for known in list(under_way.values()):
            kind = tuple((name, str(known[name])) for name in _DIMENSIONS if name in known)
            if kind in kinds or len(kinds) < _MAX_KINDS:
                kinds[kind] += 1
        return [Observation(count, dict(kind)) for kind, count in kinds.items()]

    return observe
