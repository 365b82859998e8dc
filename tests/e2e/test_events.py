"""Events of applications reach a log store over OTLP, also one that is away for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor

from e2e.otlp import lines
from e2e.programs import CONFIGURATION, Collector, Program, until

pytestmark = pytest.mark.timeout(120)

#: A log store: it writes what it receives to a file.
STORE = """
receivers: {otlp: {protocols: {http: {endpoint: "${env:COLLECTOR_HTTP}"}}}}
exporters: {file: {path: "${env:COLLECTOR_DATA}/logs.jsonl"}}
service: {pipelines: {logs: {receivers: [otlp], exporters: [file]}}}
"""
PIECES = CONFIGURATION / "otelcol"


def test_events_reach_a_log_store_that_was_away(tmp_path: Path, run: Callable[[Program], Program]) -> None:
    config = tmp_path / "store.yaml"
    config.write_text(STORE)
    store = Collector([PIECES / "common.yaml", config], tmp_path, name="store")
    agent = Collector(
        [
            PIECES / f"{name}.yaml"
            for name in ("common", "ingest", "spans", "keep-all", "evaluation", "jaeger", "events-otlp")
        ],
        tmp_path,
        {"EVENTS_OTLP": f"http://{store.otlp_http}"},
        name="agent",
    )
    run(agent)
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(f"http://{agent.otlp_http}/v1/logs")))
    provider.get_logger("test").emit(
        LogRecord(
            timestamp=time.time_ns(),
            severity_number=SeverityNumber.INFO,
            event_name="gen_ai.evaluation.result",
            attributes={"gen_ai.evaluation.name": "relevance"},
        )
    )
    provider.shutdown()
    agent.kill()
    run(store)
    run(agent)
    (request,) = until(lambda: list(lines(store.data / "logs.jsonl")), 60, "the event arrives")
    (record,) = request["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    assert record["eventName"] == "gen_ai.evaluation.result"
    assert not (agent.data / "events").exists()
