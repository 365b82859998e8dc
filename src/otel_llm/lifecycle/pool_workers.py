"""Sends what the workers of a ``multiprocessing.Pool`` recorded when the pool is terminated.

``Pool.terminate()``, with which ``with Pool(...)`` ends too, terminates the workers by SIGTERM, mostly when all work is
done and they wait for more. A worker has a handler for the signal from the moment when it returns a result until it has
got its next task: then it is in no code of the application's that the handler could wait for. While a task runs, the
signal terminates the worker at once, as it always does.
"""

from __future__ import annotations

import sys
from typing import Any

from .. import guard
from . import sigterm

#: No task is as short as the pickled ``None`` that tells a worker to end.
_LONGEST_NONE = 16


@guard.never_raise
def watch_worker(library: str) -> None:
    """If this process is a worker of a pool of ``library``, have it send what it recorded when that is terminated."""
    pool, processes = sys.modules.get(f"{library}.pool"), sys.modules.get(f"{library}.process")
    if pool is None or processes is None:
        return
    process = processes.current_process()
    if getattr(process, "_target", None) is not pool.worker:
        return
    tasks, results = process._args[:2]
    if isinstance(getattr(tasks, "_reader", None), _Tasks) or getattr(results, "_wlock", None) is None:
        return
    tasks._reader = _Tasks(tasks._reader)
    results._wlock = _Results(results._wlock)
    sigterm.await_sending()


class _Tasks:
    """The end of a pipe by which a worker gets its tasks."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def recv_bytes(self, *args: Any) -> Any:
        task = self._reader.recv_bytes(*args)
        if len(task) > _LONGEST_NONE:
            sigterm.terminate_at_once()
        return task


class _Results:
    """The lock that a worker takes to return a result."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lock, name)

    def __enter__(self) -> Any:
        sigterm.await_sending()
        return self._lock.__enter__()

    def __exit__(self, *about: Any) -> Any:
        return self._lock.__exit__(*about)
