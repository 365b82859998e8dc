"""A library that traces its own calls of models, as frameworks and other instrumentations do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.trace import Span, SpanKind

TOKENS = "gen_ai.client.token.usage"
DURATION = "gen_ai.client.operation.duration"


class Framework:
    """Makes spans in a scope of its own, current while they last, and records the metrics that it ``counts``."""

    def __init__(self, recorder: Any, scope: str = "some-framework", counts: tuple[str, ...] = (TOKENS,)) -> None:
        self.scope = scope
        recorder.foreign.add(scope)
        self.tracer = recorder.tracer_provider.get_tracer(scope)
        meter = recorder.meter_provider.get_meter(scope)
        self._histograms = {name: meter.create_histogram(name) for name in counts}

    @contextmanager
    def span(self, operation: str = "chat", subject: str = "m", **told: Any) -> Iterator[Span]:
        """A span of ``operation``; ``told`` are attributes, their dots written as ``__``."""
        attributes = {"gen_ai.operation.name": operation} | {
            name.replace("__", "."): value for name, value in told.items()
        }
        kind = SpanKind.CLIENT if operation in ("chat", "embeddings") else SpanKind.INTERNAL
        with self.tracer.start_as_current_span(f"{operation} {subject}", kind=kind, attributes=attributes) as span:
            yield span
            described = {"gen_ai.operation.name": operation, "gen_ai.provider.name": "openai"}
            for name, histogram in self._histograms.items():
                if name == TOKENS:
                    histogram.record(9, described | {"gen_ai.token.type": "input"})
                else:
                    histogram.record(0.1, described)
