"""Finds what calls cost: in the user's table first, and in the list prices."""

from __future__ import annotations

from dataclasses import dataclass, field

from . import vendors
from .listed import Listing, ListPrices
from .matching import FOREVER, Query
from .sheet import NO_PRICES, UNKNOWN_HOST, UNKNOWN_MODEL, UNKNOWN_TIER, Sheet
from .table import HostEntry, ModelEntry, Table


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a call is priced by: a ``sheet``, a ``host`` that is paid by the hour, or the ``reason`` why by nothing.

    ``why`` explains it, ``period`` is the time in which it holds, in nanoseconds since the epoch.
    """

    sheet: Sheet | None = None
    host: HostEntry | None = None
    reason: str | None = None
    currency: str = "USD"
    period: tuple[int, int] = FOREVER
    why: tuple[str, ...] = ()


@dataclass(slots=True)
class Book:
    """All prices that are known."""

    table: Table = field(default_factory=Table)
    listed: ListPrices | None = None

    def resolve(self, query: Query, at_ns: int) -> Resolution:
        """What a call like ``query`` is priced by at a time in nanoseconds since the epoch."""
        why: list[str] = []
        period = FOREVER
        for host in self.table.hosts:
            if host.where.fits(query):
                period, now = _narrowed(period, host.where.period, at_ns)
                if now:
                    why.append(f"table: {host.label}: {host.per_hour.normalize():f} {host.currency} an hour")
                    return Resolution(host=host, currency=host.currency, period=period, why=tuple(why))
        for entry in self.table.models:
            if not entry.where.fits(query):
                continue
            period, now = _narrowed(period, entry.where.period, at_ns)
            if not now:
                why.append(f"table: {entry.label}: not at that time")
            elif not (entry.where.names_host or self._is_vendors(query)):
                why.append(f"table: {entry.label}: names no host, and {query.host} is no vendor's")
            else:
                return self._by_entry(entry, query, at_ns, period, why)
        listing = self._listing(query, at_ns)
        return Resolution(
            sheet=listing.sheet,
            reason=listing.reason,
            period=_both(period, listing.period),
            why=(*why, listing.label),
        )

    def _by_entry(
        self, entry: ModelEntry, query: Query, at_ns: int, period: tuple[int, int], why: list[str]
    ) -> Resolution:
        why.append(f"table: {entry.label}")
        sheet, reason = entry.sheet, None
        if sheet is None:
            listing = self._listing(query, at_ns)
            period = _both(period, listing.period)
            why.append(f"{listing.label}, less {(entry.discount * 100).normalize():f} %")
            sheet, reason = listing.sheet and listing.sheet.less(entry.discount), listing.reason
        elif query.tier is not None:
            sheet = entry.tiers.get(query.tier)
            if sheet is None:
                why.append(f"has no prices for {query.tier}")
                reason = UNKNOWN_TIER
        currency = "USD" if entry.sheet is None else entry.currency
        return Resolution(sheet=sheet, reason=reason, currency=currency, period=period, why=tuple(why))

    def _listing(self, query: Query, at_ns: int) -> Listing:
        if self.listed is not None:
            return self.listed.find(query, at_ns)
        if not self._is_vendors(query):
            return Listing(None, UNKNOWN_HOST, f"{query.host} is no vendor's, and no entry of the table names it")
        reason = UNKNOWN_MODEL if self.table.models else NO_PRICES
        return Listing(None, reason, 'genai-prices is not installed: pip install "otel-llm[cost]"')

    def _is_vendors(self, query: Query) -> bool:
        """Whether the host of a call is the vendor's, as far as that is known."""
        if query.host is None:
            return query.endpoint is None
        return vendors.owns(query.provider, query.host) or (
            self.listed is not None and self.listed.vendor_at(query.host) is not None
        )


def _narrowed(known: tuple[int, int], period: tuple[int, int], at_ns: int) -> tuple[tuple[int, int], bool]:
    """The part of ``known`` around a time in which ``period`` does not begin or end, and whether it holds then."""
    begin, end = period
    if at_ns < begin:
        return _both(known, (FOREVER[0], begin)), False
    if at_ns >= end:
        return _both(known, (end, FOREVER[1])), False
    return _both(known, period), True


def _both(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return max(one[0], other[0]), min(one[1], other[1])
