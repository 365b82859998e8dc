"""Counts what the content policy replaced and dropped, in observable metrics: no call has to record anything for it."""

from __future__ import annotations

import sys
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
    meter.create_observable_counter(
        s.METRIC_LLM_CONTENT_UPLOADS, [_uploads], "{object}", "Content that was to be uploaded, by what became of it."
    )


def _uploads(options: CallbackOptions) -> Iterable[Observation]:
    # Not imported for this: without the setting nothing has been uploaded.
    upload = sys.modules.get("otel_llm.content.upload")
    outcomes = {} if upload is None else upload.SHARED.outcomes()
    return [Observation(count, {s.LLM_UPLOAD_OUTCOME: outcome}) for outcome, count in outcomes.items()]


def _redactions(options: CallbackOptions) -> Iterable[Observation]:
    return [Observation(count, {s.LLM_REDACTION_KIND: kind}) for kind, count in list(SHARED.ledger.redactions.items())]


def _dropped(options: CallbackOptions) -> Iterable[Observation]:
    return [Observation(count, {s.ERROR_TYPE: kind}) for kind, count in list(SHARED.ledger.dropped.items())]
