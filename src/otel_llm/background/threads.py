"""Threads of our own."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any


def start(name: str, run: Callable[..., None], *arguments: Any) -> threading.Thread:
    """A daemon thread that runs. It starts in no context: that of the call that happens to be the first is not the
    thread's to keep, nor to go on in, as threading instrumentations would have it.

    :raises RuntimeError: where the interpreter is shutting down, or has no threads.
    """
    thread = threading.Thread(target=run, args=arguments, name=f"otel-llm-{name}", daemon=True)
    contextvars.Context().run(thread.start)
    return thread
