"""Threads of our own."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any


def start(name: str, run: Callable[..., None], *arguments: Any, daemon: bool = True) -> threading.Thread:
    """Start a thread that runs ``run``. The process waits for it at its end unless it is a ``daemon``.

    It starts in no context: that of the call that happens to be the first is not the thread's to keep, nor to go on in,
    as threading instrumentations would have it.

    :raises RuntimeError: where the interpreter is shutting down, or has no threads.
    """
    thread = threading.Thread(target=run, args=arguments, name=f"otel-llm-{name}", daemon=daemon)
    contextvars.Context().run(thread.start)
    return thread
