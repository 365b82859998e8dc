"""What the metrics of an instrumentation scope keep, whichever :class:`.Telemetry` records them."""

from __future__ import annotations

import atexit

from .. import guard
from .. import semconv as s
from ..background import deferred, forks
from . import cancellation, listeners
from .active_calls import ActiveCalls
from .dimensions import Dimensions
from .request import Request
from .series import ScopeSeries, SeriesBudget


class ScopeState:
    """What the metrics of one scope keep."""

    def __init__(self, budget: SeriesBudget) -> None:
        self.dimensions = Dimensions()
        self.series = ScopeSeries(budget)
        self.active_calls = ActiveCalls(self.dimensions, self.series.of(s.METRIC_LLM_ACTIVE_CALLS))


class Scopes:
    """The state of each scope, made when it is first asked for."""

    def __init__(self) -> None:
        self._known: dict[str, ScopeState] = {}
        #: What the metrics of all scopes share.
        self.budget = SeriesBudget()

    def of(self, scope: str) -> ScopeState:
        return self._known.setdefault(scope, ScopeState(self.budget))

    def under_way(self) -> int:
        """The number of calls under way in all scopes."""
        return sum(len(state.active_calls.under_way) for state in self._known.values())

    def calls_under_way(self) -> list[tuple[Request, int]]:
        """The request of each call under way, but inner layers, and when it began, in nanoseconds since the epoch."""
        found: list[tuple[Request, int]] = []
        for state in list(self._known.values()):
            if under_way := state.active_calls.under_way:
                found += [(call.request, call.started_at) for call in list(under_way.values()) if call.counted]
        return found

    def abandon_at_exit(self) -> None:
        """Call :meth:`abandon_all` when the program ends, before the exit handlers registered so far.

        These include the shutdown of the SDK's providers and the closing of prompt logs.
        """
        atexit.unregister(self.abandon_all)
        atexit.register(self.abandon_all)

    def abandon_all(self) -> None:
        """End all calls under way, inner ones first, because the process ends."""
        cancellation.settle(finally_=True)
        calls = [call for state in self._known.values() for call in list(state.active_calls.under_way.values())]
        calls.sort(key=lambda call: call.started_ns)  # stable: layers of one call share their start
        for call in reversed(calls):
            guard.never_raise(call.abandon)()
        if not listeners.SHARED.flush(deferred.PATIENCE):
            listeners.SHARED.give_up()
        deferred.catch_up()

    def start_afresh(self) -> None:
        """Forget the calls under way in a child process: the parent ends them."""
        for state in self._known.values():
            state.active_calls.under_way.clear()

    def forget(self) -> None:
        """Begin afresh: for tests."""
        self._known.clear()
        self.budget = SeriesBudget()


#: One for the process: settings may change, and a :class:`.Telemetry` with them, but a meter keeps its instruments
#: and the first callback that it is given.
SCOPES = Scopes()
forks.SHARED.add(SCOPES)
