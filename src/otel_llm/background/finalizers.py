"""Ends the calls of streams that the application dropped. The garbage collector may do so anywhere.

"Anywhere" includes code of the OpenTelemetry SDK that holds a lock. Ending a span or recording a metric there may need
the same lock, and the thread would wait for itself for ever. In that case the end is postponed until the next call
begins or the program ends.
"""

from __future__ import annotations

import atexit
import sys
from collections import deque
from collections.abc import Callable

from .. import guard
from .forks import SHARED as FORKS
from .forks import ForkPolicy


class Finalizers:
    """Runs the ends of dropped calls, at once where that is safe."""

    def __init__(self, policy: ForkPolicy = FORKS) -> None:
        #: The ends that wait. Appending and popping are atomic.
        self.postponed: deque[Callable[[], None]] = deque()
        self._parents: list[Callable[[], None]] = []
        policy.add(self)

    def start_afresh(self) -> None:
        # The parent process ends these calls. They are kept, because dropping them would run finalizers here.
        self._parents.extend(self.postponed)
        self.postponed.clear()

    def run(self, end: Callable[[], None]) -> None:
        """Run ``end`` now if that is safe, else later."""
        if _inside_sdk():
            if not self.postponed:
                atexit.unregister(self.catch_up)
                atexit.register(self.catch_up)  # last, so that it runs before the SDK's shutdown
            self.postponed.append(end)
        else:
            end()

    def catch_up(self) -> None:
        """Run the ends that were postponed."""
        while self.postponed:
            try:
                end = self.postponed.popleft()
            except IndexError:  # another thread was faster
                return
            _guarded(end)


@guard.never_raise
def _guarded(end: Callable[[], None]) -> None:
    end()


def _inside_sdk() -> bool:
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if str(frame.f_globals.get("__name__")).startswith(("opentelemetry.sdk.", "opentelemetry.exporter.")):
            return True
    return False


#: The ends of this process.
SHARED = Finalizers()
run, catch_up = SHARED.run, SHARED.catch_up
