"""Divides the price of a host that is paid by the hour among the calls that use it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

#: Nanoseconds after which a call that is no longer under way, and has not been charged, will not be.
_PATIENCE = 60_000_000_000
#: With more calls than this in mind, those that will not be charged are looked for at each end of a call.
_MANY = 10_000
_NEVER = 2**63
#: Nanoseconds in an hour.
_HOUR = 3_600_000_000_000


@dataclass(slots=True)
class _Use:
    """The use of a host by calls that began at the same moment, by what a call would pay that never ends."""

    since: float
    until: float
    calls: int
    #: When they were last seen under way.
    seen_ns: int


class HostClock:
    """The money that a host costs from a moment on, and who pays which part of it.

    Each moment is paid in equal parts by the calls under way then. What no call pays is idle. So the costs of the calls
    and the idle rest add up to the price of the time, whatever is measured.
    """

    def __init__(self, per_hour: float, began_ns: int) -> None:
        self._rate = per_hour / _HOUR
        self._lock = threading.Lock()
        self._began = self._known_to = began_ns
        self._stopped = _NEVER
        # Nanoseconds at the full price: what calls have paid, what a call would have paid that is always under way, and
        # what was told of idle time.
        self._paid = self._each = self._idle = 0.0
        #: By the moment when the calls began.
        self._uses: dict[int, _Use] = {}

    def charge(self, began_ns: int, ended_ns: int, others: Collection[int]) -> float:
        """What a call pays that took from ``began_ns`` to ``ended_ns``.

        ``others`` are the moments when the calls began that are still under way. Each of them pays its part of the same
        time when it ends.
        """
        with self._lock:
            end = ended_ns if ended_ns < self._stopped else self._stopped
            if others or self._uses:
                return self._charge_one_of_many(began_ns, end, others) * self._rate
            known_to = self._known_to
            if end <= known_to:
                return 0.0
            begin = end if began_ns > end else began_ns if began_ns > known_to else known_to
            self._known_to = end
            self._paid += end - begin
            return (end - begin) * self._rate

    def _charge_one_of_many(self, began_ns: int, end_ns: int, others: Collection[int]) -> float:
        under_way = Counter(others)
        under_way[began_ns] += 1
        self._go_on(end_ns, under_way)
        use = self._uses.get(began_ns)
        if use is None:  # others have paid for its time
            return 0.0
        use.calls -= 1
        if use.calls <= 0:
            del self._uses[began_ns]
        if len(self._uses) > _MANY:
            self._forget(end_ns)
        paid = use.until - use.since
        self._paid += paid
        return paid

    def idle(self, now_ns: int, under_way: Collection[int]) -> float:
        """The price of the time until now that no call has paid, or will pay of those ``under_way``."""
        with self._lock:
            now_ns = min(now_ns, self._stopped)
            self._go_on(now_ns, Counter(under_way))
            self._forget(now_ns)
            owed = sum((use.until - use.since) * use.calls for use in self._uses.values())
            self._idle = max(self._idle, self._known_to - self._began - self._paid - owed)
            return self._idle * self._rate

    def stop(self, moment_ns: int) -> None:
        """From that moment on the host costs something else, or nothing."""
        with self._lock:
            self._stopped = min(moment_ns, self._stopped)

    def _go_on(self, moment_ns: int, under_way: Counter[int]) -> None:
        """Divide the time until a moment among the calls ``under_way``, by when they began."""
        at, each, calls = self._known_to, self._each, 0
        if moment_ns <= at:
            return
        begun = []
        for began, count in under_way.items():
            if began > at:
                begun.append(began)
                continue
            calls += count
            if began not in self._uses:
                self._uses[began] = _Use(each, each, count, moment_ns)
        for began in sorted(begun):
            if began >= moment_ns:
                break
            if calls:
                each += (began - at) / calls
            at, calls = began, calls + under_way[began]
            self._uses[began] = _Use(each, each, under_way[began], moment_ns)
        if calls:
            each += (moment_ns - at) / calls
        self._known_to, self._each = moment_ns, each
        for began, count in under_way.items():
            if (use := self._uses.get(began)) is not None:
                use.until, use.calls, use.seen_ns = each, count, moment_ns

    def _forget(self, now_ns: int) -> None:
        """Let what calls have not paid be idle that are gone without a charge."""
        for began in [began for began, use in self._uses.items() if now_ns - use.seen_ns > _PATIENCE]:
            del self._uses[began]
