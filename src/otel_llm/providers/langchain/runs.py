"""The runs in progress. LangChain reports the start of each run by its id, and usually the end."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from ...background import finalizers
from ...core.call import Call
from ...core.local_call import InProcessCall
from ...core.nesting import LayeredCall, enclose
from .ids import Ids

if TYPE_CHECKING:
    from uuid import UUID

_KEY = otel_context.create_key("otel_llm-langchain-run")
_NONE = Context()


class Run:
    """A run, and what its children need to know of it.

    ``context`` is current while the run's code is called. ``ids`` are session, user and conversation in the run's
    metadata. ``agent_key`` is the name of the agent that the run is or belongs to: ``""`` for an agent without a name,
    ``None`` if there is no agent.
    """

    __slots__ = (
        "__weakref__",
        "agent_key",
        "call",
        "context",
        "deferred",
        "ended",
        "guarded",
        "id",
        "ids",
        "model",
        "wraps",
    )

    def __init__(self, call: Call | None, agent_key: str | None, ids: Ids) -> None:
        self.call = call
        self.agent_key = agent_key
        self.ids = ids
        self.context = _NONE
        self.ended = False
        #: The LangChain model that is called, once it is known.
        self.model: Any = None
        #: The id of the run. Ids of steps without a run of their own lead to it too.
        self.id = 0
        #: Whether a frame of ours is around the run. It ends the run after everything inside has ended.
        self.guarded = False
        self.deferred: Callable[[], None] | None = None
        #: Whether it is the outermost run and a wrapper, which has no span. The run inside counts as the outermost.
        self.wraps = False
        if call is not None:
            call.owned_by(self)

    def enter(self, context: Context, layer: LayeredCall | None = None) -> None:
        """Run inside ``context``. The model calls below are layers of ``layer``."""
        self.context = enclose(layer, context, {_KEY: self})

    def over(self) -> None:
        self.ended = True
        self.context = _NONE  # breaks the reference cycle: the context refers to the run

    def abandon(self) -> None:
        """End a run whose end LangChain will never report."""
        if self.ended:
            return
        self.over()
        call = self.call
        if call is not None and not call.ended:
            call.stop_clock()
            answer = call.totals() if isinstance(call, InProcessCall) else None
            finalizers.run(lambda: call.finish(answer, "abandoned"))


def current_run(context: Context) -> Run | None:
    """The run that ``context`` belongs to."""
    found = context.get(_KEY)
    return found if isinstance(found, Run) and not found.ended else None


class Runs:
    """The runs in progress, by id.

    LangChain keeps the id object in the run manager that reports the end. Once the manager is gone, nobody can report
    the end. Therefore the id is held weakly, and the run ends as abandoned when the id is dropped.
    """

    def __init__(self) -> None:
        self._runs: dict[int, tuple[weakref.ref[UUID], Run]] = {}

    def __len__(self) -> int:
        return len(self._runs)

    def add(self, run_id: UUID, run: Run, own: bool = True) -> None:
        """Add ``run`` as ``run_id``. Without ``own``, ``run_id`` is a step inside ``run``, without a run of its own."""
        key = run_id.int
        if own:
            run.id = key
        self._runs[key] = (weakref.ref(run_id, partial(self._dropped, key, own)), run)

    def get(self, run_id: UUID | None) -> Run | None:
        if run_id is None:
            return None
        entry = self._runs.get(run_id.int)
        return None if entry is None else entry[1]

    def pop(self, run_id: UUID) -> Run | None:
        entry = self._runs.pop(run_id.int, None)
        return None if entry is None else entry[1]

    def discard(self, run: Run) -> None:
        self._runs.pop(run.id, None)

    def _dropped(self, key: int, own: bool, reference: Any) -> None:
        entry = self._runs.get(key)
        if entry is not None and entry[0] is reference:
            del self._runs[key]
            if own:
                entry[1].abandon()
