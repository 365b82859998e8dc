"""Points in time that the user names: the types of options such as `--since`."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime, timedelta

_AGO = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(text: str) -> datetime:
    """The type of an option: a time in ISO 8601, or how long ago, as 30m, 2h or 7d. The result is in UTC."""
    try:
        if ago := _AGO.fullmatch(text):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a time such as 2026-11-21T14:00 nor like 2h") from None


def comparable(text: str) -> str:
    """The type of an option: :func:`moment` as text that can be compared with the times of items."""
    return moment(text).isoformat(timespec="microseconds")


def seconds(text: str) -> float:
    """The type of an option: a time span such as 30s, 10m or 2h, in seconds."""
    span = _AGO.fullmatch(text)
    if span is None or int(span[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time span such as 30s or 10m")
    return timedelta(**{_UNITS[span[2]]: int(span[1])}).total_seconds()
