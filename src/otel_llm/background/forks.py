"""What a child process must not find half done."""

from __future__ import annotations

import os
import threading
import weakref


class ForkLock:
    """A reentrant ``lock`` that a fork waits for, ``patience`` seconds at most, and that nobody has in the child: what
    is done under it is whole there, and so are the locks of others that it takes."""

    def __init__(self, patience: float = 1.0) -> None:
        self._patience = patience
        #: The threads that fork and have it meanwhile.
        self._forking: set[int] = set()
        self.lock = threading.RLock()
        _locks.add(self)

    def hold(self) -> None:
        if self.lock.acquire(timeout=self._patience):
            self._forking.add(threading.get_ident())

    def let_go(self) -> None:
        here = threading.get_ident()
        if here in self._forking:
            self._forking.remove(here)
            self.lock.release()

    def renew(self) -> None:
        self._forking.clear()
        self.lock = threading.RLock()


_locks: weakref.WeakSet[ForkLock] = weakref.WeakSet()


def _hold() -> None:
    for lock in list(_locks):
        lock.hold()


def _let_go() -> None:
    for lock in list(_locks):
        lock.let_go()


def _renew() -> None:
    for lock in list(_locks):
        lock.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_renew)
