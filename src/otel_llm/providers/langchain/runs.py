"""Runs under way. LangChain tells of each by its id when it begins and, mostly, when it ends."""

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
    """A run, and what its children need of it.

    ``context`` is what is to be current inside of it. ``ids`` are the session, user and conversation that its metadata
    has. ``agent_key`` is the name of the agent at work in it, itself
    included, ``""`` if that has none, ``None`` if there is no agent.
    """

    __slots__ = ("agent_key", "call", "chunk_ns", "context", "deferred", "ended", "guarded", "id", "ids", "model")

    def __init__(self, call: Call | None, agent_key: str | None, ids: Ids) -> None:
        self.call = call
        self.agent_key = agent_key
        self.ids = ids
        self.context = _NONE
        self.ended = False
        #: What a model's run calls, once that is known.
        self.model: Any = None
        #: When the last chunk came, by LangChain's word.
        self.chunk_ns = 0
        #: Of the ids that lead to the run, its own; the others are those of steps that are no runs to us.
        self.id = 0
        #: A boundary is around the run, which ends it after all that is inside has ended.
        self.guarded = False
        self.deferred: Callable[[], None] | None = None

    def enter(self, context: Context, layer: LayeredCall | None = None) -> None:
        """The run is inside of ``context``; what it calls is a layer of ``layer``."""
        self.context = enclose(layer, context, {_KEY: self})

    def over(self) -> None:
        self.ended = True
        self.context = _NONE  # which holds the run in turn: nothing is left to the garbage collector

    def abandon(self) -> None:
        """End a run of whose end LangChain will never tell."""
        if self.ended:
            return
        self.over()
        call = self.call
        if call is not None and not call.ended:
            call.stop_clock()
            answer = call.totals() if isinstance(call, InProcessCall) else None
            finalizers.run(lambda: call.finish(answer, "abandoned"))


def current_run(context: Context) -> Run | None:
    """The run that ``context`` is inside of."""
    found = context.get(_KEY)
    return found if isinstance(found, Run) and not found.ended else None


class Runs:
    """The runs under way, by id.

    LangChain keeps the id, the very object, in what it will tell of the end with. Once that is gone nobody can tell
    any more: so the id is held weakly, and with it goes the run.
    """

    def __init__(self) -> None:
        self._runs: dict[int, tuple[weakref.ref[UUID], Run]] = {}

    def __len__(self) -> int:
        return len(self._runs)

    def add(self, run_id: UUID, run: Run, own: bool = True) -> None:
        """Note that ``run_id`` is ``run``, or, unless ``own``, a step of it that is no run of its own to us."""
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
