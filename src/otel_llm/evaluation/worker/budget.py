"""A budget for judges, in money, that several workers share. It is reserved before a call and settled after it."""

from __future__ import annotations

import math
import os
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..dataset.database import Database

#: Amounts are stored as whole numbers of this part of the currency, and rounded up.
_PARTS = 1_000_000_000
_TEXT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]{3})?\s*/\s*(hour|day|week|month)\s*")


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``amount`` of ``currency`` (ISO 4217) in each ``period``: an hour, a day, a week from Monday, or a month,
    in UTC."""

    amount: float
    currency: str
    period: str

    @classmethod
    def parse(cls, text: str) -> Limit:
        """The limit that ``text`` states: ``5/day``, ``0.5 EUR/hour``. Without a currency it is in USD.

        :raises ValueError: if it states none.
        """
        found = _TEXT.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no budget such as 5/day or 0.5 EUR/hour")
        return cls(float(found[1]), (found[2] or "USD").upper(), found[3])

    def began(self, now: datetime) -> str:
        """When the period that contains ``now`` began, as ISO 8601."""
        start = now.replace(minute=0, second=0, microsecond=0)
        if self.period != "hour":
            start = start.replace(hour=0)
        if self.period == "week":
            start -= timedelta(days=start.weekday())
        if self.period == "month":
            start = start.replace(day=1)
        return f"{self.period} {start.isoformat()}"

    def __str__(self) -> str:
        return f"{self.amount:g} {self.currency}/{self.period}"


class Budget:
    """The budget ``limit``, whose account is in the database at ``path``.

    What is reserved counts as spent until it is settled. If a worker is killed during a call, nobody knows whether the
    call was paid, so what it had reserved stays spent: the limit is never exceeded.
    """

    def __init__(self, path: str | os.PathLike[str], limit: Limit) -> None:
        self.limit = limit
        self._database = Database(Path(path).absolute())
        self._most = math.floor(limit.amount * _PARTS)

    def reserve(self, amount: float, now: datetime | None = None) -> str | None:
        """Reserve ``amount`` in the period of ``now``; return its id, or ``None`` if less than that is left."""
        period, parts = self.limit.began(now or datetime.now(UTC)), math.ceil(amount * _PARTS)
        with self._database.transaction() as database:
            database.execute("begin immediate")  # two workers can't both take the rest
            if self._spent(database, period) + parts > self._most:
                return None
            reservation = uuid.uuid4().hex
            given = (reservation, period, self.limit.currency, parts)
            database.execute("insert into spending values (?, ?, ?, ?)", given)
            return reservation

    def settle(self, reservation: str, amount: float | None) -> None:
        """Put the ``amount`` that was spent in place of what was reserved.

        ``None`` if it is not known: the reserved amount then stays spent. 0 if no call was made.
        """
        if amount is not None:
            with self._database.transaction() as database:
                parts = math.ceil(amount * _PARTS)
                database.execute("update spending set parts = ? where id = ?", (parts, reservation))

    def spent(self, now: datetime | None = None) -> float:
        """What is spent or reserved in the period of ``now``."""
        period = self.limit.began(now or datetime.now(UTC))
        with self._database.transaction() as database:
            return self._spent(database, period) / _PARTS

    def _spent(self, database: object, period: str) -> int:
        query = "select coalesce(sum(parts), 0) from spending where period = ? and currency = ?"
        (parts,) = database.execute(query, (period, self.limit.currency)).fetchone()  # type: ignore[attr-defined]
        return int(parts)

    def close(self) -> None:
        """Close the database."""
        self._database.close()
