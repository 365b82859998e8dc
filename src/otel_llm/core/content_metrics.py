"""Counts what the content policy replaced and dropped, in observable metrics: no call has to record anything for it."""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from .. import semconv as s
from ..content.boundary import SHARED

SCOPE = "otel_llm.content"


def observed_by(meter: Meter) -> None:
    """Report the counts on ``meter``. A meter that reports them already ignores this."""
    meter.create_observable_counter(
        s.METRIC_LLM_CONTENT_REDACTIONS, [_redactions], "{replacement}", "Secrets and personal data that were replaced."
    )
    meter.create_observable_counter(
        s.METRIC_LLM_CONTENT_DROPPED, [_dropped], "{text}", "Texts that were dropped, because their redaction failed."
    )


def _redactions(options: CallbackOptions) -> Iterable[Observation]:
    return [Observation(count, {s.LLM_REDACTION_KIND: kind}) for kind, count in list(SHARED.ledger.redactions.items())]


def _dropped(options: CallbackOptions) -> Iterable[Observation]:
    return [Observation(count, {s.ERROR_TYPE: kind}) for kind, count in list(SHARED.ledger.dropped.items())]
