"""Where a run begins, in the run tree and in the context: the ground of the callback handler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from ...core import nesting
from ...core.call import Call
from ...instrumentation.instrumentor import Instrumentor
from . import ids
from .boundary import Opening, opening
from .runs import Run, Runs, current_run
from .templates import Templates


@dataclass(slots=True)
class Place:
    """Where a run begins: ``parent`` is the run above, ``context`` what the run begins in.

    ``opened`` is the frame around LangChain's that waits for the run to begin. ``ids`` are the run's own and inherited.
    """

    parent: Run | None
    context: Context
    opened: Opening | None
    ids: ids.Ids

    @property
    def agent_key(self) -> str | None:
        return None if self.parent is None else self.parent.agent_key

    @property
    def says_more(self) -> bool:
        """Whether the run has ids that the run above does not have."""
        return self.ids != (ids.NO_IDS if self.parent is None else self.parent.ids)


class Starts:
    """Finds the place of a run, and keeps the runs under way."""

    _instrumentor: Instrumentor
    _templates: Templates
    runs: Runs

    @property
    def active(self) -> bool:
        return self._instrumentor.telemetry.traces(otel_context.get_current())

    def _place(self, parent_run_id: UUID | None, metadata: Mapping[str, Any], tags: list[str] | None) -> Place:
        """Where the run begins that is below the run ``parent_run_id``, with what its config says in the context.

        The run tree says who the parent is. The current context may hold a nearer one: a span that the application
        made within that very run. And where the application did not pass on LangChain's config, only the context
        knows the parent.
        """
        current = otel_context.get_current()
        parent, inside = self.runs.get(parent_run_id), current_run(current)
        if parent is None or parent.ended or parent is inside:
            parent, context = inside, current
        else:
            context = parent.context
        told = ids.ids_of(metadata) if metadata else ids.NO_IDS
        known = ids.NO_IDS if parent is None else parent.ids
        context = ids.within(context, told, known)
        if parent is None and (tags or metadata):
            context = ids.tagged(context, tags or [], metadata)
        return Place(parent, context, opening(current), told)

    def _enter(self, run_id: UUID, place: Place, call: Call | None, agent_key: str | None) -> None:
        """The run ``run_id`` has begun at ``place``, as ``call``; without one it has no span of its own."""
        run = Run(call, agent_key, place.ids)
        self.runs.add(run_id, run)
        context = place.context if call is None else call.context
        run.enter(context, call if isinstance(call, nesting.LayeredCall) else None)
        if place.opened is not None:
            place.opened.began(run)
