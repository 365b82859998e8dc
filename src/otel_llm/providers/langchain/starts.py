"""Where a run starts: its parent run and its context. The base of the callback handler."""

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
    """Where a run starts.

    ``parent`` is the run above, and ``context`` the context in which the span starts. ``opened`` is the frame of ours
    around LangChain's that waits for the start of the run. ``ids`` are the ids in the run's metadata, inherited ones
    included.
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
        """Whether the run's ids differ from those of the run above."""
        return self.ids != (ids.NO_IDS if self.parent is None else self.parent.ids)


class Starts:
    """Finds the place of a run, and keeps the runs in progress."""

    _instrumentor: Instrumentor
    _templates: Templates
    runs: Runs

    @property
    def active(self) -> bool:
        return self._instrumentor.telemetry.traces(otel_context.get_current())

    def _place(self, parent_run_id: UUID | None, metadata: Mapping[str, Any], tags: list[str] | None) -> Place:
        """Find the place of a run below ``parent_run_id``. The context of the place has the run's ids and tags.

        The parent run of the run tree is also the parent in the trace. The current context is used in two cases: it is
        inside that parent run, perhaps in a span of the application, or the run tree has no parent because the
        application did not pass on LangChain's config.
        """
        current = otel_context.get_current()
        parent, inside = self.runs.get(parent_run_id), current_run(current)
        if parent is None or parent.ended or parent is inside:
            parent, context = inside, current
        else:
            context = parent.context
        told = (ids.ids_of(metadata) if metadata else None) or ids.NO_IDS
        known = ids.NO_IDS if parent is None else parent.ids
        if told != known:
            context = ids.within(context, told, known) or context
        if parent is None and (tags or metadata):
            context = ids.tagged(context, tags or [], metadata) or context
        return Place(parent, context, opening(current), told)

    def _enter(self, run_id: UUID, place: Place, call: Call | None, agent_key: str | None) -> Run:
        """Note that the run ``run_id`` has started at ``place``. ``call`` is ``None`` if the run has no span."""
        run = Run(call, agent_key, place.ids)
        self.runs.add(run_id, run)
        context = place.context if call is None else call.context
        run.enter(context, call if isinstance(call, nesting.LayeredCall) else None)
        if place.opened is not None:
            place.opened.began(run)
        return run
