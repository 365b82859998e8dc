"""What child processes recorded is sent before they end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from interpreter import LAUNCHER, NO_EXPORT, python, stand_ins
from processes import run

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")

HERE = Path(__file__).parent
EXPORT = {**dict.fromkeys(NO_EXPORT, "otlp_json_file"), "OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT": "true"}


def told(output: str) -> tuple[int, int, int]:
    """How many spans and events there are, and how many calls the metrics of all processes count."""
    documents = [json.loads(found) for found in re.findall(r'\{"resource(?:Spans|Logs|Metrics)":.*', output)]
    spans, events = (
        sum(
            len(scope[records])
            for document in documents
            for resource in document.get(f"resource{kind}", ())
            for scope in resource[f"scope{kind}"]
            if scope["scope"]["name"].startswith("otel_llm")
        )
        for kind, records in (("Spans", "spans"), ("Logs", "logRecords"))
    )
    measured = [one for document in documents for one in document.get("resourceMetrics", ())]
    counts = {
        (point["startTimeUnixNano"], str(point["attributes"])): int(point["count"])  # the last of a process
        for one in measured
        for scope in one["scopeMetrics"]
        for metric in scope["metrics"]
        if metric["name"] == "gen_ai.client.operation.duration"
        for point in metric["histogram"]["dataPoints"]
    }
    return spans, events, sum(counts.values())


@pytest.mark.parametrize(
    ("setup", "method", "pool"),
    [
        ("launcher", "fork", "pool"),
        ("launcher", "forkserver", "pool"),
        ("setup", "fork", "executor"),
        ("initializer", "fork", "pool"),
        ("initializer", "forkserver", "executor"),
    ],
)
def test_a_pool(setup: str, method: str, pool: str, tmp_path: Path) -> None:
    log, items = tmp_path / "log", tmp_path / "items.jsonl"
    ours = {
        "OTEL_LLM_PROMPT_LOG": str(log),
        "OTEL_LLM_EVAL_SAMPLE_RATE": "1",
        "OTEL_LLM_EVAL_CAPTURE_CONTENT": "true",
        "OTEL_LLM_EVAL_DATASET": str(items),
    }
    with stand_ins() as servers:
        program = (HERE / "pooled.py", setup, method, pool)
        finished = python(*program, launched=setup == "launcher", **servers, **EXPORT, **ours)
    assert told(finished.stdout) == (6, 6, 6)
    assert len(log.read_text().splitlines()) == 6
    assert len(items.read_text().splitlines()) == 6


def test_a_thread_that_outlives_the_function_of_its_process() -> None:
    with stand_ins() as servers:
        finished = python(HERE / "pooled.py", "setup", "fork", "thread", **servers, **EXPORT)
    assert told(finished.stdout) == (1, 1, 1)


def test_what_cannot_be_sent_in_time_is_said_once() -> None:
    finished = run(
        """
        import multiprocessing, threading
        import otel_llm
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
        from otel_llm.lifecycle import ending

        class Hanging(SpanExporter):
            def export(self, spans):
                threading.Event().wait()

        ending.PATIENCE = 0.2
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(Hanging()))
        otel_llm.instrument("openai", tracer_provider=provider)
        child = multiprocessing.get_context("fork").Process(target=call)
        child.start()
        child.join()
        assert child.exitcode == 0
        """
    )
    (line,) = [line for line in finished.stderr.splitlines() if "telemetry was sent" in line]
    assert "0.2 seconds were not enough" in line


def test_a_child_that_recorded_nothing_sends_nothing_and_one_that_did_does() -> None:
    finished = run(
        """
        import multiprocessing
        import otel_llm
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

        def told(what):
            return lambda exported: f"{multiprocessing.current_process().name} sends {what}\\n"

        def step():
            with otel_llm.step_span("step"):
                pass

        spans, metrics = ConsoleSpanExporter(formatter=told("spans")), ConsoleMetricExporter(formatter=told("metrics"))
        tracer_provider = TracerProvider(shutdown_on_exit=False)
        tracer_provider.add_span_processor(BatchSpanProcessor(spans))
        meter_provider = MeterProvider([PeriodicExportingMetricReader(metrics)], shutdown_on_exit=False)
        otel_llm.instrument(tracer_provider=tracer_provider, meter_provider=meter_provider)
        call()
        otel_llm.flush()
        for name, work in (("idle", int), ("stepping", step), ("calling", call)):
            child = multiprocessing.get_context("fork").Process(target=work, name=name)
            child.start()
            child.join()
            assert child.exitcode == 0
        """
    )
    told = set(finished.stdout.splitlines())
    assert {line for line in told if line.startswith("idle")} == set()
    assert told >= {"stepping sends spans", "calling sends spans", "calling sends metrics"}


def test_celery(tmp_path: Path) -> None:
    pytest.importorskip("celery")
    broker = tmp_path / "broker"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "OPENAI_"))}
    with stand_ins() as servers:
        environment = inherited | servers | EXPORT | {"BROKER": str(broker), "PYTHONPATH": str(HERE)}
        send = "import celery_tasks\nfor number in range(6): celery_tasks.ask.delay(number)"
        subprocess.run([sys.executable, "-c", send], env=environment, check=True, timeout=60)
        command = [LAUNCHER, sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "-c", "2"]
        worker = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            deadline = time.monotonic() + 60
            while len(list(broker.glob("done-*"))) < 6 and worker.poll() is None and time.monotonic() < deadline:
                time.sleep(0.1)
            worker.send_signal(signal.SIGTERM)
            output, _ = worker.communicate(timeout=60)
        finally:
            worker.kill()
    assert told(output) == (6, 6, 6), output
