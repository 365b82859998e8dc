"""Starts threads of our own."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any


def start(name: str, run: Callable[..., None], *arguments: Any, daemon: bool = True) -> threading.Thread:
    """Start a thread that runs ``run``. At its end the process waits for it unless it is a ``daemon``.

    It runs in an empty context. Instrumentations of ``threading`` would run it in the context of whichever call
    happened to start it.

    :raises RuntimeError: if the interpreter is shutting down, or can't start threads.
    """
    thread = threading.Thread(target=run, args=arguments, name=f"otel-llm-{name}", daemon=daemon)
    contextvars.Context().run(thread.start)
    return thread
