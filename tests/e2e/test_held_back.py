"""What tail sampling has kept and a queue can't take is held back: nobody would send it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from e2e import load, otlp
from e2e.programs import CONFIGURATION, KEPT_STORE, Collector, until

pytestmark = pytest.mark.timeout(300)

Run = Callable[[Any], Any]

NOT_QUEUED, LOST = "otelcol_exporter_enqueue_failed_spans", "otelcol_connector_forward_lost_spans"

#: A full disk refuses as this does, instead of blocking.
REFUSES = "exporters: {otlp_grpc/jaeger: {sending_queue: {block_on_overflow: false}}}"


def configuration(directory: Path, *names: str) -> list[Path]:
    """The files of these names, and those that keep what arrives, and that refuse."""
    store, refuses = directory / "store.yaml", directory / "refuses.yaml"
    store.write_text(KEPT_STORE)
    refuses.write_text(REFUSES)
    files = [*(CONFIGURATION / "otelcol" / f"{name}.yaml" for name in names), store]
    return [*files, refuses] if "jaeger" in names else files


def failed() -> list[Span]:
    spans = load.trace(20, "x" * 500)
    for span in spans:
        span.status.code = Status.STATUS_CODE_ERROR
    return spans


def kept(collector: Collector) -> Counter[str]:
    return Counter(span["id"] for span in otlp.spans_of_file(collector.data / "kept.jsonl"))


@pytest.fixture
def backend(tmp_path: Path) -> Collector:
    """It is not running yet."""
    return Collector(configuration(tmp_path, "common", "from-agents", "keep-all"), tmp_path, name="backend")


@pytest.fixture
def agent(tmp_path: Path, run: Run, backend: Collector) -> Collector:
    files = configuration(tmp_path, "common", "ingest", "spans", "sampling", "jaeger")
    # Room for one batch, not for two.
    settings = {"JAEGER_OTLP": backend.otlp_grpc, "COLLECTOR_QUEUE_BYTES": "2500000"}
    return run(Collector(files, tmp_path, settings, name="agent"))


def test_it_arrives_when_there_is_room_again_everywhere_once(run: Run, agent: Collector, backend: Collector) -> None:
    traces = [failed() for _ in range(300)]
    with ThreadPoolExecutor(4) as pool:
        posted = pool.map(lambda spans: load.post(agent.otlp_http, load.request("held", spans), 120), traces)
        until(lambda: agent.internal().get(NOT_QUEUED, 0) > 0, 60, "the queue refuses")
        run(backend)
        assert all(posted)
    everything = dict.fromkeys((span.span_id.hex() for spans in traces for span in spans), 1)
    until(lambda: kept(backend).keys() == everything.keys(), 60, "all of it arrives")
    assert kept(backend) == everything
    assert kept(agent) == everything, "the other pipeline got it again"
    assert agent.internal()[LOST] == 0


def test_it_is_given_up_and_counted_when_the_collector_ends(agent: Collector) -> None:
    traces = [failed() for _ in range(300)]
    with ThreadPoolExecutor(4) as pool:
        posted = pool.map(lambda spans: load.post(agent.otlp_http, load.request("held", spans), 20), traces)
        until(lambda: agent.internal().get(NOT_QUEUED, 0) > 0, 60, "the queue refuses")
        agent.stop()
        list(posted)
    assert "spans lost: a pipeline refused them" in agent.log.read_text()
    assert "Shutdown complete" in agent.log.read_text(), "it ended by itself"
