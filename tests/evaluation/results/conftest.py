"""Emitters into memory. Whatever they emit is held against the conventions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace.sampling import Sampler

from otel_llm import ContentCapture, Settings
from otel_llm.evaluation import VerdictEmitter


@pytest.fixture
def emitter(recorder: Any) -> Callable[..., VerdictEmitter]:
    """Makes an emitter whose telemetry the recorder has."""

    def make(
        capture: ContentCapture = ContentCapture.NO_CONTENT, sampler: Sampler | None = None, **given: Any
    ) -> VerdictEmitter:
        settings = given.pop("settings", None) or Settings(capture_content=capture)
        recorder.instrument(settings, sampler)
        return VerdictEmitter(
            settings,
            tracer_provider=recorder.tracer_provider,
            meter_provider=recorder.meter_provider,
            logger_provider=recorder.logger_provider,
            **given,
        )

    return make
