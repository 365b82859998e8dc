"""Sends what a child process recorded before the process ends.

A child forked by ``multiprocessing`` or a similar library leaves by ``os._exit``, so the exit handlers of the SDK and
of this package never run. These libraries have hooks of their own for the end of a child, which are used instead.
Nothing is imported for that: the library has been imported by the time it forks.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from .. import guard
from ..background import threads
from . import sigterm
from .ending import send
from .pool_workers import watch_worker

#: ``multiprocessing`` and its variants: ``multiprocess`` for dill, ``billiard`` for Celery.
_FORKING = ("multiprocessing", "multiprocess", "billiard")
#: Late among a child's finalizers: those of the application may still make calls.
_PRIORITY = -1000
_THREAD = "last-flush"


class Children:
    """Makes each child process send what it recorded: children forked from now on, and this process if it is one."""

    def __init__(self) -> None:
        self._watching = False
        #: Modules whose hook is set; a forked child inherits both.
        self._hooked: set[str] = set()

    def watch(self) -> None:
        """Start watching. A further call also covers what has been imported since the last."""
        if not self._watching:
            self._watching = True
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=self._hook_all)
        self._hook_all()

    @guard.never_raise
    def _hook_all(self) -> None:
        """Set the hook of each library that is imported."""
        for library in _FORKING:
            self._hook(f"{library}.util", partial(self._register, library))
        self._hook("celery.signals", self._connect)

    def _hook(self, name: str, hook: Callable[[Any], None]) -> None:
        module = sys.modules.get(name)
        if module is not None and name not in self._hooked:
            self._hooked.add(name)
            hook(module)

    def _register(self, library: str, util: Any) -> None:
        def finalize(_: object) -> None:
            util.Finalize(None, self.end, exitpriority=_PRIORITY)
            watch_worker(library)

        # A child drops its parent's finalizers, and then calls the functions registered here.
        util.register_after_fork(self, finalize)
        parent_of = getattr(sys.modules.get(f"{library}.process"), "parent_process", None)
        if parent_of is not None and parent_of() is not None:
            finalize(self)  # this is a child, past the point where it would be called

    def _connect(self, signals: Any) -> None:
        # Celery's pool runs no finalizers, but sends this signal.
        signals.worker_process_shutdown.connect(self._at_celery, weak=False, dispatch_uid="otel_llm")

    def _at_celery(self, **about: Any) -> None:
        self.end()

    @guard.never_raise
    def end(self) -> None:
        """Send what the process recorded. If the process waits for other threads, send again when they have ended."""
        sigterm.await_sending()
        send()
        if _others():
            threads.start(_THREAD, _send_after_others, daemon=False)


def _send_after_others() -> None:
    while others := _others():
        for thread in others:
            thread.join()
    send()


def _others() -> list[threading.Thread]:
    """The application's threads that the process waits for at its end, such as those of a ThreadPoolExecutor."""
    ours = (threading.main_thread(), threading.current_thread())
    return [
        thread
        for thread in threading.enumerate()
        if not (thread.daemon or thread in ours or thread.name.endswith(_THREAD))
    ]


_children = Children()


def watch() -> None:
    """Have every child process send what it recorded before it ends."""
    _children.watch()
