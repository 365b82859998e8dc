"""Sends what waits before the process terminates by SIGTERM, which runs no exit handlers.

A handler in Python runs only between two steps of the interpreter: a process that is busy in C code terminates later
than it would without one. So this is off unless the settings ask for it, but for child processes that wait for work or
end.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from types import FrameType

from .. import guard
from ..background import threads
from .ending import PATIENCE, send

_logger = logging.getLogger("otel_llm")


@guard.never_raise
def watch() -> None:
    """Send what waits when SIGTERM comes, then terminate by it. A handler of the application's is left in place."""
    if signal.getsignal(signal.SIGTERM) not in (signal.SIG_DFL, _terminate_idle):
        return
    if threading.current_thread() is not threading.main_thread():
        _logger.warning("OTEL_LLM_FLUSH_ON_SIGTERM has no effect: signals can be handled only by the main thread")
        return
    signal.signal(signal.SIGTERM, _terminate)


@guard.never_raise
def await_sending() -> None:
    """Until :func:`terminate_at_once`, do what :func:`watch` does, if the process has no handler for SIGTERM."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate_idle)


@guard.never_raise
def terminate_at_once() -> None:
    """Undo :func:`await_sending`."""
    if signal.getsignal(signal.SIGTERM) is _terminate_idle:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(number: int, frame: FrameType | None) -> None:
    # On another thread, because this one may be anywhere, and hold any lock.
    guard.never_raise(_send)()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _terminate_idle(number: int, frame: FrameType | None) -> None:
    """The handler of a process that has one only while it waits for work, or ends."""
    _terminate(number, frame)


def _send() -> None:
    threads.start("sigterm", send).join(PATIENCE + 1.0)
