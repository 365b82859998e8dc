"""Python values of every kind that an application may give as data."""

from __future__ import annotations

import enum
import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy
from hypothesis import strategies as st

from fuzz.values import JSON


class Colour(enum.Enum):
    RED = "red"


class Hostile:
    """Fails at whatever is asked of it."""

    def __repr__(self) -> str:
        raise RuntimeError("hostile")

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("hostile")

    def __hash__(self) -> int:
        raise RuntimeError("hostile")

    def __bool__(self) -> bool:
        raise RuntimeError("hostile")


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)
ODD: list[Any] = [
    *(
        uuid.UUID(int=1),
        Decimal("1.5"),
        Fraction(1, 3),
        datetime(2026, 1, 1, tzinfo=UTC),
        date(2026, 1, 1),
        timedelta(1),
    ),
    *(Colour.RED, Colour, object(), CIRCLE, b"\xff", bytearray(b"x"), memoryview(b"x"), range(3), {1, 2}),
    *(numpy.float32(1.5), numpy.int64(3), numpy.array([1, 2]), float("nan"), float("inf"), 1j, 10**400, "\ud800", len),
    *({1: 2, None: 3, (1, 2): 4}, ("a", 1), iter(()), ValueError("x"), NotImplemented, ..., lambda: 1, type),
]
VALUES = st.one_of(JSON, st.sampled_from(ODD), st.lists(st.sampled_from(ODD), max_size=2), st.builds(Hostile))
