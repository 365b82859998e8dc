"""Decides which traces are evaluated: by the rate, by service and baggage at the start, by what happened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from opentelemetry import baggage

from ..dataset.item import service_of
from . import accounting as why
from .conditions import seen

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.trace import SpanContext

    from ..spans import SpanRecord
    from .feedback import Said
    from .head_sampler import Choice
    from .rules import Rule


class Beginning(NamedTuple):
    """What is known of a trace when it begins."""

    position: int
    #: The baggage entries that rules refer to.
    baggage: Mapping[str, object]
    #: The rate of each rule that samples it already, and of the rate itself, by name.
    sampled_by: Mapping[str, float]
    #: Whether rules may still sample it because of what happens in it.
    undecided: bool

    @property
    def rate(self) -> float | None:
        """The rate that its spans are marked with: the highest of those that sample it."""
        return max(self.sampled_by.values(), default=None)


class Decision:
    """Combines the rate and the rules."""

    def __init__(self, choice: Choice, rules: Iterable[Rule]) -> None:
        self._choice = choice
        self._early: list[Rule] = []
        #: The rules that need to know what happened in the trace.
        self._late: list[Rule] = []
        for rule in rules:
            (self._early if rule.early else self._late).append(rule)
        self._carried = {name for rule in (*self._early, *self._late) for name in rule.baggage}
        self._service: tuple[object, str | None] = (None, None)

    def at_start(self, context: SpanContext, resource: Resource, parent_context: Context | None) -> Beginning:
        """Decide what can be decided as a local root begins."""
        where = self._choice.position(context)
        carried: dict[str, object] = {}
        sampled_by = {why.RATE: self._choice.rate} if self._choice.takes(where) else {}
        if self._early or self._late:
            service = self._service_of(resource)
            if self._carried:
                all_carried = baggage.get_all(parent_context)
                carried = {name: all_carried[name] for name in self._carried if name in all_carried}
            for rule in self._early:
                if rule.concerns(where, service) and rule.carried(carried):
                    sampled_by[rule.name] = rule.rate
        return Beginning(where, carried, sampled_by, self._is_undecided(where, resource))

    def at_end(
        self,
        position: int,
        carried: Mapping[str, object],
        resource: Resource,
        root: SpanRecord,
        spans: Iterable[SpanRecord],
        calls: Iterable[SpanRecord],
        feedback: Sequence[Said] = (),
    ) -> tuple[list[str], bool]:
        """The names of the rules that match what happened below ``root``, and what was said of it.

        Also whether another rule would match if there were more ``feedback``.
        """
        if not self._late:
            return [], False
        service = self._service_of(resource)
        as_seen = seen(spans, root, calls)
        matching = [
            rule
            for rule in self._late
            if rule.concerns(position, service) and rule.carried(carried) and rule.holds(as_seen)
        ]
        names = [rule.name for rule in matching if rule.heard(feedback)]
        return names, any(rule.awaits_feedback for rule in matching)

    def marks(self, position: int) -> bool:
        """Whether the spans of a trace at ``position`` may have been marked when they began."""
        return bool(self._early) or self._choice.takes(position)

    def why_passed_over(self, position: int | None = None, resource: Resource | None = None, lost: str = "") -> str:
        """The reason why a trace was not sampled. It is ``lost`` if spans were given up before rules could decide."""
        if not self._late:
            return why.RATE
        undecided = position is not None and resource is not None and self._is_undecided(position, resource)
        return lost if undecided else why.NO_RULE

    def _is_undecided(self, position: int, resource: Resource) -> bool:
        if not self._late:
            return False
        service = self._service_of(resource)
        return any(rule.concerns(position, service) for rule in self._late)

    def _service_of(self, resource: Resource) -> str | None:
        if self._service[0] is not resource:
            self._service = (resource, service_of(resource.attributes))
        return self._service[1]
