"""What the metrics of an instrumentation scope keep, whichever :class:`.Telemetry` records them."""

from __future__ import annotations

from .active_calls import ActiveCalls
from .dimensions import Dimensions


class ScopeState:
    """What the metrics of one scope keep."""

    def __init__(self) -> None:
        self.dimensions = Dimensions()
        self.active_calls = ActiveCalls(self.dimensions)


class Scopes:
    """The state of each scope, made when it is first asked for."""

    def __init__(self) -> None:
        self._known: dict[str, ScopeState] = {}

    def of(self, scope: str) -> ScopeState:
        return self._known.setdefault(scope, ScopeState())

    def under_way(self) -> int:
        """The number of calls under way in all scopes."""
        return sum(len(state.active_calls.under_way) for state in self._known.values())

    def forget(self) -> None:
        """Begin afresh: for tests."""
        self._known.clear()


#: One for the process: settings may change, and a :class:`.Telemetry` with them, but a meter keeps its instruments
#: and the first callback that it is given.
SCOPES = Scopes()
