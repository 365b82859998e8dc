"""Makes a fork wait for work in progress, and starts threads and queues afresh in the child process.

Only the thread that forks lives on in the child. A lock that another thread holds at that moment stays locked there
for ever, and what that thread was doing stays half done.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from time import monotonic, sleep
from typing import Any, Protocol

from .. import guard

#: The most seconds that a fork waits, for all locks together.
PATIENCE = 0.2
#: Seconds between two checks whether the locks are free.
_PAUSE = 0.0005


class StartsAfresh(Protocol):
    """An object with a thread, or with work, that belongs to the parent process after a fork."""

    def start_afresh(self) -> None:
        """Called in a child process, before anything else runs there."""


class _References:
    """Maps objects to values, as long as they exist. Unlike ``WeakKeyDictionary`` it may change while it is read."""

    def __init__(self) -> None:
        self._known: dict[weakref.ref[Any], Any] = {}

    def add(self, one: Any, known: Any = None) -> None:
        self._known[weakref.ref(one, self._forget)] = known

    def _forget(self, reference: weakref.ref[Any]) -> None:
        self._known.pop(reference, None)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        for reference in list(self._known):
            if (one := reference()) is not None:
                yield one, self._known.get(reference)


class ForkPolicy:
    """Makes each fork wait until its locks are free, and makes objects start afresh in the child process.

    A fork waits for at most ``patience`` seconds in all, and then goes on. The child may then find work of another
    thread half done, but our own locks are free in it.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._locks, self._members, self._foreign = _References(), _References(), _References()
        #: What the threads that are forking hold, by thread.
        self._held: dict[int, list[Any]] = {}
        #: The threads for which others stand back.
        self._served: set[int] = set()

    def install(self) -> None:
        """Take part in every fork of this process."""
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=guard.never_raise(self.before),
                after_in_parent=guard.never_raise(self.after_in_parent),
                after_in_child=guard.never_raise(self.after_in_child),
            )

    def add(self, member: StartsAfresh) -> None:
        """Call ``member.start_afresh()`` in child processes, as long as it exists."""
        self._members.add(member)

    def add_lock(self, lock: ForkLock) -> None:
        """Hold ``lock`` during forks, as long as it exists."""
        self._locks.add(lock)

    def add_foreign_lock(self, owner: Any, lock_of: Callable[[Any], Any]) -> None:
        """Hold another library's lock, ``lock_of(owner)``, during forks too, as long as ``owner`` exists.

        ``lock_of`` may return ``None``.
        """
        if not any(one is owner for one, _ in self._foreign):
            self._foreign.add(owner, lock_of)

    def stand_back(self) -> None:
        """Let other threads go first, above all one that waits to fork: called between two pieces of work.

        Not to be called under a lock: the fork may be waiting for that.
        """
        sleep(0)
        deadline = monotonic() + self._patience
        while self._served and threading.get_ident() not in self._served and monotonic() < deadline:
            sleep(0.001)

    # --- around a fork ---------------------------------------------------------------------------

    def before(self) -> None:
        here = threading.get_ident()
        deadline = monotonic() + self._patience
        self._served.add(here)
        while True:
            held = self._held[here] = []
            for fork_lock, _ in self._locks:
                _hold(fork_lock.lock, max(deadline - monotonic(), 0.0), held)
            # A thread with another library's lock may be waiting for one of ours, so all of ours are released before
            # the next try. That also gives the thread time to release locks that are not known here.
            if self._hold_foreign(held) or monotonic() >= deadline:
                return
            _release(held)
            sleep(_PAUSE)

    def _hold_foreign(self, held: list[Any]) -> bool:
        """Take other libraries' locks that are free, and return whether all are."""
        locks: list[Any] = []
        for owner, lock_of in self._foreign:
            lock = lock_of(owner)
            if lock is not None and all(lock is not one for one in locks):  # owners may share one
                locks.append(lock)
        taken = [_hold(lock, 0.0, held) for lock in locks]
        return all(taken)

    def after_in_parent(self) -> None:
        here = threading.get_ident()
        self._served.discard(here)
        _release(self._held.pop(here, []))

    def after_in_child(self) -> None:
        held = self._held.pop(threading.get_ident(), [])
        self._held.clear()
        self._served.clear()
        _release(held)
        for fork_lock, _ in self._locks:
            fork_lock.lock = threading.RLock()
        for member, _ in self._members:
            guard.never_raise(member.start_afresh)()


def _hold(lock: Any, seconds: float, held: list[Any]) -> bool:
    taken: bool = lock.acquire(timeout=seconds)
    if taken:
        held.append(lock)
    return taken


def _release(held: list[Any]) -> None:
    for lock in reversed(held):
        lock.release()


class ForkLock:
    """A reentrant ``lock`` that a fork waits for, and that is free in the child process.

    Work under the lock is done completely, or not begun, when a fork happens, unless the fork stopped waiting.
    """

    def __init__(self, policy: ForkPolicy | None = None) -> None:
        self.lock = threading.RLock()
        (SHARED if policy is None else policy).add_lock(self)


#: The policy of this process.
SHARED = ForkPolicy()
SHARED.install()
