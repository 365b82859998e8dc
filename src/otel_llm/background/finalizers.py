"""Ending the call of a stream that was dropped: in a finalizer, which the garbage collector runs anywhere.

"Anywhere" includes code of the OpenTelemetry SDK that holds a lock which ending a span or recording a metric takes as
well: the thread would wait for itself, for ever. There the end is put off until the next call begins or the program
ends.
"""

from __future__ import annotations

import atexit
import sys
from collections import deque
from collections.abc import Callable

from .. import guard

#: Appending and popping are atomic.
postponed: deque[Callable[[], None]] = deque()


def run(end: Callable[[], None]) -> None:
    """Run ``end`` now if that is safe, else later."""
    if _inside_sdk():
        if not postponed:
            atexit.unregister(catch_up)
            atexit.register(catch_up)  # last, so that it comes before the SDK's shutdown
        postponed.append(end)
    else:
        end()


def catch_up() -> None:
    """Run what was put off."""
    while postponed:
        try:
            end = postponed.popleft()
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
