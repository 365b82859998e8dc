"""What the tests share: telemetry in memory, and the check of the conventions that stands behind every test."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Sampler

import otel_llm
from conformance.check import durations_match, violations
from otel_llm import ContentCapture, Settings
from otel_llm.content.boundary import SHARED
from otel_llm.core.scopes import SCOPES

CONTENT_ON_SPANS = Settings(capture_content=ContentCapture.SPAN_ONLY)


class Recorder:
    """Everything that was emitted, and the providers it was emitted to."""

    def __init__(self) -> None:
        self.span_exporter = InMemorySpanExporter()
        self.metric_reader = InMemoryMetricReader()
        self.log_exporter = InMemoryLogRecordExporter()
        self.tracer_provider = self._tracer_provider()
        self.meter_provider = MeterProvider([self.metric_reader])
        self.logger_provider = LoggerProvider()
        self.logger_provider.add_log_record_processor(SimpleLogRecordProcessor(self.log_exporter))
        #: Attributes that the check lets be missing in this test, because its server leaves them out.
        self.missing: set[str] = set()
        #: Scopes of other libraries, which the check does not hold to the conventions.
        self.foreign: set[str] = set()
        self._metrics: MetricsData | None = None
        SHARED.ledger.start_afresh()
        SCOPES.forget()  # the names of all tests together would be beyond the limits of dimensions

    def _tracer_provider(self, sampler: Sampler | None = None) -> TracerProvider:
        provider = TracerProvider(sampler=sampler)
        provider.add_span_processor(SimpleSpanProcessor(self.span_exporter))
        return provider

    def instrument(self, settings: Settings | None = None, sampler: Sampler | None = None) -> None:
        """Instrument, or instrument anew with other settings or another sampler."""
        otel_llm.uninstrument()
        if sampler is not None:
            self.tracer_provider = self._tracer_provider(sampler)
        otel_llm.instrument(
            settings=settings or Settings(),
            tracer_provider=self.tracer_provider,
            meter_provider=self.meter_provider,
            logger_provider=self.logger_provider,
        )

    @property
    def spans(self) -> list[ReadableSpan]:
        """Ended spans, in order of their end."""
        return list(self.span_exporter.get_finished_spans())

    @property
    def span(self) -> ReadableSpan:
        """The one ended span; anything else fails the test."""
        (span,) = self.spans
        return span

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes of the one ended span."""
        return dict(self.span.attributes or {})

    @property
    def logs(self) -> list[Any]:
        return [data.log_record for data in self.log_exporter.get_finished_logs()]

    @property
    def metrics(self) -> MetricsData | None:
        """Everything recorded so far (cumulative)."""
        self._metrics = self.metric_reader.get_metrics_data() or self._metrics
        return self._metrics

    def problems(self) -> list[str]:
        """What is wrong with all that was emitted, by the conventions."""
        spans = [one for one in self.spans if one.instrumentation_scope.name not in self.foreign]
        metrics = self.metrics
        if metrics is not None and self.foreign:
            resources = [
                replace(one, scope_metrics=[each for each in one.scope_metrics if each.scope.name not in self.foreign])
                for one in metrics.resource_metrics
            ]
            metrics = replace(metrics, resource_metrics=resources)
        return violations(spans, metrics, self.log_exporter.get_finished_logs(), allow=self.missing)

    def points(self, name: str) -> list[Any]:
        """The data points of metric ``name``."""
        data = self.metrics
        return [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tests print and log lone surrogates, which a report can't carry from one process to another."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode("utf-8")) for name, text in report.sections
    ]
    return report


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Providers in memory, openai instrumented. Whatever the test emits is held against the conventions."""
    recorder = Recorder()
    recorder.instrument()
    yield recorder
    otel_llm.uninstrument()
    assert recorder.problems() == []


@pytest.fixture
def durations(recorder: Recorder) -> Callable[[], list[str]]:
    """Whether the duration metrics equal the spans' durations."""
    return lambda: durations_match(recorder.spans, recorder.metrics)


@pytest.fixture
def lenient(recorder: Any) -> Any:
    """A recorder for spans of which the test tells no more than it needs."""
    recorder.missing |= {
        "gen_ai.embeddings.dimension.count",
        "gen_ai.request.encoding_formats",
        "gen_ai.response.finish_reasons",
        "gen_ai.response.id",
        "gen_ai.response.model",
        "gen_ai.response.time_to_first_chunk",
        "gen_ai.retrieval.top_k",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "openai.response.service_tier",
        "server.address",
        "server.port",
    }
    return recorder
