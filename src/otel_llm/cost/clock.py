"""Divides the price of a host that is paid by the hour among the calls that use it."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable

#: With more pieces of time than this open, those before the last half are settled: a call that has not ended by then
#: no longer pays for them.
_MOST_OPEN = 1000
_NEVER = 2**63
#: Nanoseconds in an hour.
_HOUR = 3_600_000_000_000


class HostClock:
    """The money that a host costs from a moment on, and who pays which part of it.

    Each moment is paid in equal parts by the calls under way then. What no call pays is idle. So the costs of the calls
    and the idle rest add up to the price of the time, whatever is measured.
    """

    def __init__(self, per_hour: float, began_ns: int) -> None:
        self._rate = per_hour / _HOUR
        self._lock = threading.Lock()
        #: Times not settled yet: begin, end and the share of their price that is not paid yet. They are in order,
        #: without gaps, and end at ``_known_to``.
        self._open: list[tuple[int, int, float]] = []
        self._settled_to = self._known_to = began_ns
        self._idle_ns = 0.0
        self._stopped = _NEVER

    def charge(self, began_ns: int, ended_ns: int, others: Collection[int]) -> float:
        """What a call pays that took from ``began_ns`` to ``ended_ns``.

        ``others`` are the moments when the calls began that are still under way. Each of them pays its part of the same
        time when it ends.
        """
        with self._lock:
            if not others and not self._open:
                return self._charge_alone(began_ns, ended_ns) * self._rate
            still = sorted(others)
            began_ns = max(began_ns, self._settled_to)
            ended_ns = min(ended_ns, self._stopped)
            if ended_ns > self._known_to:
                self._open.append((self._known_to, ended_ns, 1.0))
                self._known_to = ended_ns
            paid = 0.0
            left: list[tuple[int, int, float]] = []
            cuts = sorted({began_ns, ended_ns, *(one for one in still if began_ns < one < ended_ns)})
            for piece in _cut(self._open, cuts):
                begin, end, share = piece
                if begin < began_ns or end > ended_ns:
                    left.append(piece)
                    continue
                payers = 1 + sum(1 for one in still if one <= begin)
                paid += (end - begin) * share / payers
                left.append((begin, end, share - share / payers))
            self._open = left
            self._settle(min([*still, self._known_to]))
            if len(self._open) > _MOST_OPEN:
                self._settle(self._open[_MOST_OPEN // 2][0])
            return paid * self._rate

    def _charge_alone(self, began_ns: int, ended_ns: int) -> int:
        """:meth:`charge` of a call beside which there was no other: nanoseconds at the full price."""
        known_to, end = self._known_to, ended_ns if ended_ns < self._stopped else self._stopped
        if end <= known_to:
            return 0
        begin = end if began_ns > end else began_ns if began_ns > known_to else known_to
        self._idle_ns += begin - known_to
        self._known_to = self._settled_to = end
        return end - begin

    def idle(self, now_ns: int, under_way: Iterable[int]) -> float:
        """The price of the time that nobody pays, until the first call began that is still under way."""
        with self._lock:
            now_ns = min(now_ns, self._stopped)
            if now_ns > self._known_to:
                self._open.append((self._known_to, now_ns, 1.0))
                self._known_to = now_ns
            self._settle(min([*under_way, self._known_to]))
            return self._idle_ns * self._rate

    def stop(self, moment_ns: int) -> None:
        """From that moment on the host costs something else, or nothing."""
        with self._lock:
            self._stopped = min(moment_ns, self._stopped)

    def _settle(self, moment: int) -> None:
        """No call that ends later has begun before ``moment``: what is not paid until then is idle."""
        if moment <= self._settled_to:
            return
        left: list[tuple[int, int, float]] = []
        for begin, end, share in _cut(self._open, [moment]):
            if end <= moment:
                self._idle_ns += (end - begin) * share
            else:
                left.append((begin, end, share))
        self._open = left
        self._settled_to = moment


def _cut(pieces: list[tuple[int, int, float]], moments: list[int]) -> list[tuple[int, int, float]]:
    """``pieces``, none of which has one of the ``moments``, which are in order, inside of it."""
    found: list[tuple[int, int, float]] = []
    for begin, end, share in pieces:
        for moment in moments:
            if begin < moment < end:
                found.append((begin, moment, share))
                begin = moment
        found.append((begin, end, share))
    return found
