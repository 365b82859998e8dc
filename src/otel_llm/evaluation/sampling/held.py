"""Traces that ended and that no rule has taken yet, held because one may do so when feedback on them comes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ... import semconv as s
from .feedback import Place

if TYPE_CHECKING:
    from .outcome import Ended

#: The attributes, beside metadata, that feedback may name a trace by.
_NAMING = frozenset({s.RESPONSE_ID, s.CONVERSATION_ID})


def names(ended: Ended) -> dict[tuple[str, str], Place]:
    """What feedback may name the trace by. It takes a look at each attribute, so call it without a lock."""
    place = Place.of(ended.trace.trace_id, ended.root.span_id)
    return {
        (name, value): place
        for span in (*ended.trace.spans, ended.root)
        for name, value in span.attributes.items()
        if isinstance(value, str) and (name in _NAMING or not name.startswith(("gen_ai.", "otel_llm.")) or _own(name))
        if len(value) <= 256
    }


def _own(name: str) -> bool:
    return name.startswith(s.LLM_METADATA_PREFIX)


class Held:
    """The held traces, the oldest first. It has no lock: its owner holds one."""

    def __init__(self) -> None:
        self._ended: OrderedDict[int, tuple[Ended, dict[tuple[str, str], Place]]] = OrderedDict()
        self._by_trace: dict[int, list[int]] = {}
        self._by_name: dict[tuple[str, str], Place] = {}

    def __len__(self) -> int:
        return len(self._ended)

    def add(self, ended: Ended, named: dict[tuple[str, str], Place]) -> None:
        self._ended[id(ended)] = (ended, named)
        self._by_trace.setdefault(ended.trace.trace_id, []).append(id(ended))
        self._by_name.update(named)

    def find(self, attribute: str, value: str) -> Place | None:
        return self._by_name.get((attribute, value))

    def take(self, trace_id: int) -> list[Ended]:
        """Hold the local roots of a trace no longer, and return them."""
        return [self._remove(key) for key in list(self._by_trace.get(trace_id, ()))]

    def take_oldest(self, until: float = float("inf")) -> Iterator[Ended]:
        """Hold the oldest ones that ended before ``until`` no longer, one after the other."""
        while self._ended:
            key, (ended, _) = next(iter(self._ended.items()))
            if ended.at > until:
                return
            yield self._remove(key)

    def _remove(self, key: int) -> Ended:
        ended, named = self._ended.pop(key)
        keys = self._by_trace[ended.trace.trace_id]
        keys.remove(key)
        if not keys:
            del self._by_trace[ended.trace.trace_id]
        for name, place in named.items():
            if self._by_name.get(name) == place:  # a newer trace may have the same conversation
                del self._by_name[name]
        return ended
