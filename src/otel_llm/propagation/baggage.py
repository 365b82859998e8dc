"""The ids that this process sends to other processes, and receives from them, in OpenTelemetry's baggage."""

from __future__ import annotations

from opentelemetry import baggage
from opentelemetry.context import Context

from .. import semconv as s
from ..config import Settings
from .validation import identifier

#: What may go to other processes, and its entry of the baggage.
ENTRIES = {name: f"otel_llm.{name}" for name in ("session_id", "user_id", "conversation_id", "tenant_id")}
_ATTRIBUTES = {
    "session_id": s.SESSION_ID,
    "user_id": s.USER_ID,
    "conversation_id": s.CONVERSATION_ID,
    "tenant_id": s.LLM_TENANT_ID,
}


class Sharing:
    """The names of :data:`ENTRIES` that this process writes to the baggage and reads from it."""

    def __init__(self) -> None:
        #: ``None``: the environment has not been read.
        self.names: frozenset[str] | None = None

    def share(self, names: frozenset[str] | None) -> None:
        """Share ``names`` from now on; ``None``: those that the environment names."""
        self.names = names

    def _in_force(self) -> frozenset[str]:
        if self.names is None:
            self.names = Settings.from_environment().baggage
        return self.names

    def received(self, context: Context) -> dict[str, str]:
        """The ids that came by the baggage of ``context``."""
        carried = baggage.get_all(context)
        ids = {name: identifier(name, carried.get(ENTRIES[name]), _ATTRIBUTES[name]) for name in self._in_force()}
        return {name: value for name, value in ids.items() if value is not None}

    def put(self, described: object, context: Context) -> Context:
        """``context`` with the shared ids, attributes of ``described``, in its baggage."""
        for name in self._in_force():
            if (value := getattr(described, name)) is not None:
                context = baggage.set_baggage(ENTRIES[name], value, context)
        return context


#: What this process shares.
sharing = Sharing()


def carries_ids(context: Context) -> bool:
    """Whether the baggage of ``context`` has any of :data:`ENTRIES`."""
    carried = baggage.get_all(context)
    return bool(carried) and not carried.keys().isdisjoint(ENTRIES.values())


def without_ids(context: Context) -> Context:
    """``context`` with none of :data:`ENTRIES` in its baggage."""
    for entry in ENTRIES.values():
        context = baggage.remove_baggage(entry, context)
    return context
