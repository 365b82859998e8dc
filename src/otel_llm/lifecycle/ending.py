"""Sends all that a process has recorded, because it ends now."""

from __future__ import annotations

import logging
import os

from ..background import activity
from ..core.scopes import SCOPES
from .flush import flush

#: Seconds that the end of a process waits, at most, for what it recorded to be sent.
PATIENCE = 5.0

_logger = logging.getLogger("otel_llm")


def send() -> None:
    """Send all that the process has recorded, because it ends now; log it if that takes too long."""
    SCOPES.abandon_all()
    # Otherwise the parent's metrics would be sent again, and every child would wait for a backend that is down.
    if activity.SHARED.any and not flush(PATIENCE):
        _logger.warning(
            "process %s ends before its telemetry was sent: %g seconds were not enough, or sending failed",
            os.getpid(),
            PATIENCE,
        )
