"""Leases of items, so that several workers share a dataset and no item is judged by two of them at once."""

from __future__ import annotations

import math
import os
import socket
import uuid
from pathlib import Path
from time import time

from ..dataset.database import Database

_SECONDS = 600.0
_ATTEMPTS = 3


class Leases:
    """The leases of one worker, in the database at ``path``.

    A lease ends after ``seconds``, which must be longer than an item takes; that of a worker of the same host that was
    killed ends at once. An item that was leased ``attempts`` times for the same work, and never released or put off
    each time, is dead: it is not leased for that work again until :meth:`revive`.
    """

    def __init__(self, path: str | os.PathLike[str], *, seconds: float = _SECONDS, attempts: int = _ATTEMPTS) -> None:
        self._database = Database(Path(path).absolute())
        self._seconds = seconds
        self._attempts = attempts
        self._owner = f"{_place()} {os.getpid()} {uuid.uuid4().hex}"

    def take(self, item: str, work: str = "") -> bool:
        """Lease ``item`` for ``work``, such as certain evaluators; return whether this worker has it now."""
        now = time()
        with self._database.transaction() as database:
            database.execute("begin immediate")
            query = "select work, owner, until, attempts from leases where item = ?"
            tried, owner, until, attempts = database.execute(query, (item,)).fetchone() or (work, "", 0.0, 0)
            if tried != work and (until == math.inf or until <= now):
                until, attempts = 0.0, 0
            if until == math.inf or (until > now and not _was_killed(owner)):
                return False
            until = math.inf if attempts >= self._attempts else now + self._seconds
            given = (item, work, self._owner, until, attempts + 1)
            database.execute("insert or replace into leases values (?, ?, ?, ?, ?)", given)
            return until != math.inf

    def release(self, item: str) -> None:
        """Say that ``item`` is done, or that nothing was tried."""
        with self._database.transaction() as database:
            database.execute("delete from leases where item = ? and owner = ?", (item, self._owner))

    def put_off(self, item: str, seconds: float) -> None:
        """Say that ``item`` failed, and may be tried again after ``seconds``. After the last attempt it is dead."""
        query = "update leases set until = case when attempts >= ? then ? else ? end where item = ? and owner = ?"
        with self._database.transaction() as database:
            database.execute(query, (self._attempts, math.inf, time() + seconds, item, self._owner))

    def dead(self) -> list[str]:
        """The ids of the items that are dead."""
        with self._database.transaction() as database:
            return [item for (item,) in database.execute("select item from leases where until = ?", (math.inf,))]

    def revive(self) -> int:
        """Let dead items be tried again; return how many there were."""
        with self._database.transaction() as database:
            return database.execute("delete from leases where until = ?", (math.inf,)).rowcount

    def close(self) -> None:
        """Close the database."""
        self._database.close()


def _place() -> str:
    """Where process ids mean the same: the host, and its namespace of processes in a container."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return f"{socket.gethostname()} {namespace}".strip().replace(" ", "/")


def _was_killed(owner: str) -> bool:
    """Whether ``owner`` ran here and does not any more. Of workers elsewhere only the time tells."""
    place, _, rest = owner.partition(" ")
    if os.name != "posix" or place != _place():
        return False
    try:
        os.kill(int(rest.split()[0]), 0)
    except ProcessLookupError:
        return True
    except (ValueError, IndexError, OSError):
        return False
    return False
