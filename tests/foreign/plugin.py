"""A plugin of pytest: switches the instrumentation on, if asked to, and writes the outcome of each test as JSON.

``FOREIGN_OUTCOMES`` names the file, ``FOREIGN_INSTRUMENTED`` says that the instrumentation is to be on.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

#: The worst outcome of the phases of a test counts.
_RANK = {"passed": 0, "skipped": 1, "xpassed": 2, "xfailed": 3, "failed": 4}


def _instrument() -> None:
    """Instrument all libraries, with every signal and all content recorded, so that all of our code runs."""
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider

    import otel_llm

    logger_provider = LoggerProvider()
    logger_provider.add_log_record_processor(SimpleLogRecordProcessor(InMemoryLogRecordExporter()))
    otel_llm.instrument(
        settings=otel_llm.Settings(
            capture_content=otel_llm.ContentCapture.SPAN_AND_EVENT,
            langchain_steps=otel_llm.LangChainSteps.ALL,
            metrics=otel_llm.MetricGeneration.BOTH,
        ),
        tracer_provider=TracerProvider(),
        meter_provider=MeterProvider([InMemoryMetricReader()]),
        logger_provider=logger_provider,
    )


class Outcomes:
    """The outcome of each test, by its name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        outcome: str = report.outcome
        if hasattr(report, "wasxfail"):
            outcome = "xfailed" if report.skipped else "xpassed"
        known = self._known.get(report.nodeid, "passed")
        self._known[report.nodeid] = max(known, outcome, key=_RANK.__getitem__)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self._known[f"{report.nodeid} (collection)"] = "failed"

    def pytest_sessionfinish(self) -> None:
        self._path.write_text(json.dumps(self._known))


if os.environ.get("FOREIGN_INSTRUMENTED"):
    _instrument()


def pytest_configure(config: Any) -> None:
    if path := os.environ.get("FOREIGN_OUTCOMES"):
        config.pluginmanager.register(Outcomes(Path(path)))
