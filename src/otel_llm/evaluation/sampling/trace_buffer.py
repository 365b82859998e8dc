"""The traces in progress, in memory, bounded by traces, spans, bytes and age."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..spans import SpanRecord
from .feedback import Said


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the sampler keeps in memory at most.

    Traces beyond a limit are dropped and counted. Spans beyond a limit are left out of the item, which says so.
    ``traces`` is the number of traces in progress; ``spans`` and ``trace_bytes`` hold for one trace, ``bytes`` for all
    together. A trace is given up after ``age`` seconds. ``queue`` local roots that ended may wait for the worker.
    """

    traces: int = 10_000
    spans: int = 1_000
    trace_bytes: int = 4 * 2**20
    bytes: int = 64 * 2**20
    age: float = 3600.0
    queue: int = 4096


class Trace:
    """One trace in this process. ``users`` is the number of its local roots that are not settled."""

    __slots__ = (
        "baggage",
        "begun",
        "bytes",
        "kept_share",
        "left_out",
        "lost",
        "open",
        "position",
        "rate",
        "roots",
        "said",
        "sampled_by",
        "spans",
        "trace_id",
        "users",
    )

    def __init__(self, trace_id: int, begun: float) -> None:
        self.trace_id = trace_id
        self.begun = begun
        self.users = 0
        self.roots = 0
        #: Span ids of the local roots that have not ended.
        self.open: set[int] = set()
        self.spans: list[SpanRecord] = []
        self.bytes = 0
        #: How many spans were beyond the limits of one trace.
        self.left_out = 0
        #: Whether its spans were given up because all traces together took too much memory.
        self.lost = False
        self.position = 0
        self.kept_share = 1.0
        self.baggage: Mapping[str, object] = {}
        #: What sampled it when it began, and the rate it was sampled at.
        self.sampled_by: list[str] = []
        self.rate: float | None = None
        #: The feedback on it.
        self.said: list[Said] = []

    def below(self, root: SpanRecord) -> list[SpanRecord]:
        """``root`` and the spans below it."""
        others = list(self.spans)
        if self.roots == 1:
            return [root, *others]
        children: dict[int | None, list[SpanRecord]] = {}
        for record in others:
            children.setdefault(record.parent_id, []).append(record)
        found = [root]
        for record in found:  # the list grows during the loop
            found.extend(children.pop(record.span_id, ()))
        return found


class Traces:
    """The traces in progress. It has no lock: its owner holds one for every method but :meth:`get`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._traces: dict[int, Trace] = {}  # in order of their beginning
        self.bytes = 0
        self.get = self._traces.get

    def __len__(self) -> int:
        return len(self._traces)

    def begin(self, trace_id: int, root_id: int, now: float) -> Trace | None:
        """Return the trace in which the local root ``root_id`` begins, or ``None`` if there is no room for it."""
        trace = self._traces.get(trace_id)
        if trace is None:
            if len(self._traces) >= self._limits.traces:
                return None
            trace = self._traces[trace_id] = Trace(trace_id, now)
        trace.users += 1
        trace.roots += 1
        trace.open.add(root_id)
        return trace

    def add(self, trace: Trace, span: SpanRecord, size: int, root: bool) -> None:
        """Add a span that ended, of ``size`` bytes. Of a local root only the size counts: the worker's entry has it."""
        limits = self._limits
        if trace.lost or trace.users == 0:
            return
        if not root and (len(trace.spans) >= limits.spans or trace.bytes + size > limits.trace_bytes):
            trace.left_out += 1
            return
        if self.bytes + size > limits.bytes:
            self._forget(trace)
            trace.lost = True
            return
        if not root:
            trace.spans.append(span)
        trace.bytes += size
        self.bytes += size

    def release(self, trace: Trace) -> None:
        """One of its local roots is settled."""
        trace.users -= 1
        if trace.users <= 0 and self._traces.get(trace.trace_id) is trace:
            del self._traces[trace.trace_id]
            self._forget(trace)

    def expire(self, now: float) -> None:
        """Forget the traces that began too long ago, except those with a local root that ended and is not settled."""
        for trace in list(self._traces.values()):
            if now - trace.begun <= self._limits.age:
                break
            if trace.users == len(trace.open):
                del self._traces[trace.trace_id]
                trace.users = 0
                trace.open.clear()
                self._forget(trace)

    def _forget(self, trace: Trace) -> None:
        self.bytes -= trace.bytes
        trace.bytes = 0
        trace.spans = []
