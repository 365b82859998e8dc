"""The prices of this process: loaded and looked up on a thread, and kept by what calls have in common."""

from __future__ import annotations

import logging
import os
from time import time_ns
from typing import Any

from .. import guard
from ..background.forks import ForkLock
from ..config import PRICES
from .book import Book, Resolution
from .clock import HostClock
from .listed import ListPrices
from .matching import Query
from .sheet import NO_PRICES, Rates
from .table import HostEntry, Table

_logger = logging.getLogger("otel_llm")

#: Nanoseconds after its last change in which a table that can't be read may be half written.
_BEING_WRITTEN = 500_000_000
#: The stamp of a table that has not been looked at.
_NOT_YET = (-1, -1)
#: How many prices are kept; a model that answers with ever new names is looked up again.
_MOST_KNOWN = 4096


class Known:
    """What calls that are alike are priced by."""

    __slots__ = ("begin", "clock", "currency", "end", "host", "rates", "reason")

    def __init__(self, resolution: Resolution, clock: HostClock | None) -> None:
        self.rates = None if resolution.sheet is None else Rates(resolution.sheet)
        self.reason = resolution.reason or NO_PRICES
        self.currency = resolution.currency
        self.begin, self.end = resolution.period
        self.host, self.clock = resolution.host, clock


class Prices:
    """Prices by the user's table at ``path``, if there is one, and the list prices, if ``genai-prices`` is installed.

    Everything but :attr:`known` is for the background thread.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path
        #: Where that was when the program started, which may change its directory.
        self._file = None if path is None else os.path.abspath(path)
        self._lock = ForkLock()  # a fork in the middle of the import would leave the module half imported
        self._stamp: tuple[int, int] | None = _NOT_YET
        self._complaint: str | None = None
        self._book: Book | None = None
        self._began = time_ns()
        #: By the key of a call. It is replaced, not emptied, when the table changes.
        self.known: dict[Any, Known] = {}
        #: By the key of a call without its answer.
        self.hosts: dict[Any, tuple[HostEntry, ...]] = {}
        #: The clocks of hosts that are paid by the hour, by the entry of the table; those of entries that are gone keep
        #: what was not paid.
        self.clocks: dict[HostEntry, HostClock] = {}
        self.past_clocks: list[tuple[HostEntry, HostClock]] = []

    def start_afresh(self) -> None:
        """In a child process: the parent process pays for its hosts until now, and the child from now on."""
        self._began = time_ns()
        self.known, self.hosts, self.clocks, self.past_clocks = {}, {}, {}, []
        if self._book is not None:
            self._replace_clocks(self._book.table)

    def load(self) -> Book:
        """The prices, loaded when they are first needed. The user's table is read again if it has changed."""
        with self._lock.lock:
            if self._book is None:
                self._book = Book(Table(), list_prices())
            self._take_over(self._book)
            return self._book

    def _take_over(self, book: Book) -> None:
        """Read the user's table if it is new. A table that can't be used leaves the last good one in force."""
        if self._file is None or (stamp := _stamp(self._file)) == self._stamp:
            return
        self._stamp = stamp
        try:
            table = Table.load(self._file)
        except ValueError as error:
            keeps = bool(book.table.models or book.table.hosts)
            if keeps and stamp is not None and abs(time_ns() - stamp[0]) < _BEING_WRITTEN:
                self._stamp = None  # read it again at the next look
            else:
                self._complain(str(error), keeps)
            return
        if self._complaint is not None:
            self._complaint = None
            _logger.warning("%s=%r can be used again", PRICES, self._path)
        self._book = Book(table, book.listed)
        self._replace_clocks(table)
        self.known, self.hosts = {}, {}

    def _replace_clocks(self, table: Table) -> None:
        now = time_ns()
        for entry in [entry for entry in self.clocks if entry not in table.hosts]:
            clock = self.clocks.pop(entry)
            clock.stop(now)
            self.past_clocks.append((entry, clock))
        for entry in table.hosts:
            if entry not in self.clocks:
                begin, end = entry.where.period
                self.clocks[entry] = clock = HostClock(float(entry.per_hour), max(self._began or now, begin))
                clock.stop(end)
        self._began = 0  # hosts of the first table cost from the beginning

    def _complain(self, error: str, keeps: bool) -> None:
        """Say once what is wrong with the table: again only if it is something else, or was well in between."""
        if error == self._complaint:
            return
        self._complaint = error
        _logger.warning(
            "%s=%r can't be used: %s; %s",
            PRICES,
            self._path,
            error,
            "the last good table stays in force" if keeps else "no table is in force",
        )

    def hosts_of(self, key: Any, query: Query) -> tuple[HostEntry, ...]:
        """The hosts paid by the hour that calls with ``key`` may be for, which ``query`` describes. They are kept."""
        hosts = () if self._book is None else self._book.table.hosts
        if len(self.hosts) >= _MOST_KNOWN:
            self.hosts = {}
        self.hosts[key] = fitting = tuple(host for host in hosts if host.where.fits(query))
        return fitting

    def look_up(self, key: Any, query: Query, at_ns: int) -> Known:
        """What calls with ``key`` are priced by, which ``query`` describes. It is kept."""
        resolution = self.load().resolve(query, at_ns)
        clock = None if resolution.host is None else self.clocks.get(resolution.host)
        if len(self.known) >= _MOST_KNOWN:
            self.known = {}
        self.known[key] = known = Known(resolution, clock)
        return known


def list_prices() -> ListPrices | None:
    """The list prices; ``None`` if ``genai-prices`` is not installed."""
    try:
        return ListPrices()
    except ImportError:
        return None
    except Exception as error:  # of a version that is built otherwise
        guard.report("genai-prices", error)
        return None


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
