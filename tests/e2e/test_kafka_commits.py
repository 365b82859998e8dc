"""When a gateway commits: all that is out of its memory, also of a topic that is quiet; nothing that is still in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from e2e import load, otlp
from e2e.programs import CONFIGURATION, KEPT_STORE, Collector, Kafka, free_address, until

pytestmark = pytest.mark.timeout(300)

Run = Callable[[Any], Any]

ACCEPTED = "otelcol_receiver_accepted_spans"
SENT = "otelcol_exporter_sent_spans"
LAG, AGE, PARTITIONS, OF_TOPIC, LOST = (
    f"otelcol_kafka_delayed_commit_{name}"
    for name in ("lag", "uncommitted_age", "partitions", "topic_partitions", "lost_records")
)
QUICK = {
    "COLLECTOR_DECISION_WAIT": "2s",
    "COLLECTOR_DECISION_WAIT_AFTER_ROOT": "1s",
    "COLLECTOR_COMMIT_DELAY": "4s",
    "COLLECTOR_KEEP_PERCENT": "100",
}


class Fleet:
    """Kafka, one agent and one gateway with `settings`, which is not started yet."""

    def __init__(self, run: Run, directory: Path, settings: Mapping[str, str]) -> None:
        store = directory / "store.yaml"
        store.write_text(KEPT_STORE)
        self.kafka: Kafka = run(Kafka(directory, partitions=2))
        brokers = {"KAFKA_BROKERS": self.kafka.brokers}
        self.agent: Collector = run(
            self._collector("agent", directory, brokers, "common", "ingest", "spans", "to-kafka")
        )
        settings = {**QUICK, **brokers, **settings}
        backend = "jaeger" if "JAEGER_OTLP" in settings else store
        self.gateway = self._collector("gateway", directory, settings, "common", "from-kafka", "sampling", backend)

    @staticmethod
    def _collector(name: str, directory: Path, settings: Mapping[str, str], *files: str | Path) -> Collector:
        paths = [CONFIGURATION / "otelcol" / f"{file}.yaml" if isinstance(file, str) else file for file in files]
        return Collector(paths, directory, settings, name=name)

    def send(self, traces: int, spans: int = 2, text: str = "") -> set[str]:
        """Trace ids of what is in Kafka now."""
        sent = set()
        before = self.agent.internal().get(SENT, 0)
        for _ in range(traces):
            trace = load.trace(spans, text)
            assert load.post(self.agent.otlp_http, load.request("quiet", trace))
            sent.add(trace[0].trace_id.hex())
        until(lambda: self.agent.internal().get(SENT, 0) >= before + spans * traces, 60, "all is in Kafka")
        return sent

    def told(self, name: str) -> float:
        return self.gateway.internal().get(name, -1)


def kept(collector: Collector) -> set[str]:
    return {span["trace"] for span in otlp.spans_of_file(collector.data / "kept.jsonl")}


def test_the_last_records_of_a_quiet_topic_are_committed(tmp_path: Path, run: Run) -> None:
    fleet = Fleet(run, tmp_path, {})
    run(fleet.gateway)
    first = fleet.send(20)
    until(lambda: fleet.told(AGE) > 0, 60, "read, and not committed yet")
    until(lambda: first <= kept(fleet.gateway) and fleet.told(AGE) == 0, 60, "committed, though nothing comes any more")

    fleet.gateway.kill()
    fleet.gateway.start()
    second = fleet.send(1)
    until(lambda: second <= kept(fleet.gateway), 60, "the gateway reads on")
    assert fleet.told(ACCEPTED) == 2, "it read again what was committed"


def test_what_a_full_queue_holds_back_is_not_committed(tmp_path: Path, run: Run) -> None:
    store = tmp_path / "store.yaml"
    store.write_text(KEPT_STORE)
    pieces = [CONFIGURATION / "otelcol" / f"{name}.yaml" for name in ("common", "from-agents", "keep-all")]
    backend = Collector([*pieces, store], tmp_path, name="backend")
    # More than a batch of the gateway, less than there is.
    fleet = Fleet(run, tmp_path, {"JAEGER_OTLP": backend.otlp_grpc, "COLLECTOR_QUEUE_BYTES": "4000000"})
    run(fleet.gateway)
    sent = fleet.send(500, spans=20, text="x" * 500)
    until(lambda: fleet.told(ACCEPTED) == 500 * 20, 60, "the gateway has read everything")
    until(lambda: fleet.told(AGE) > 12, 60, "three times the delay has passed")
    fleet.gateway.kill()

    run(backend)
    fleet.gateway.start()
    until(lambda: sent <= kept(backend), 90, "nothing was lost with the memory of the gateway")
    until(lambda: fleet.told(AGE) == 0, 60, "and now all is committed")


def test_a_gateway_tells_what_it_reads_and_how_far_behind_it_is(tmp_path: Path, run: Run) -> None:
    fleet = Fleet(run, tmp_path, {"JAEGER_OTLP": free_address(), "COLLECTOR_QUEUE_BYTES": "4000000"})
    sent = fleet.send(600, spans=20, text="x" * 500)
    run(fleet.gateway)
    until(lambda: fleet.told(PARTITIONS) == fleet.told(OF_TOPIC) == 2, 60, "both partitions are its own")
    assert fleet.told(LAG) >= 0
    until(lambda: fleet.told(LAG) > 0, 60, f"of {len(sent)} records some wait, because the backend does not answer")


def first_offsets(kafka: Kafka) -> int:
    """How many records Kafka has deleted: the names of the files say where they begin."""
    partitions = (kafka.directory / "data").glob("otlp_spans-*")
    return sum(min(int(file.stem) for file in partition.glob("*.log")) for partition in partitions)


def test_records_that_were_deleted_before_they_were_read_are_counted(tmp_path: Path, run: Run) -> None:
    fleet = Fleet(run, tmp_path, {})
    run(fleet.gateway)
    read = fleet.send(20)
    until(lambda: read <= kept(fleet.gateway) and fleet.told(AGE) == 0, 60, "read and committed")
    assert fleet.told(LOST) == 0
    fleet.gateway.kill()

    fleet.send(30)
    fleet.kafka.stop()
    fleet.kafka.settings |= {
        "log.retention.ms": 1000,
        "log.retention.check.interval.ms": 500,
        "log.initial.task.delay.ms": 500,
        "log.segment.delete.delay.ms": 100,
    }
    fleet.kafka.start()
    until(lambda: first_offsets(fleet.kafka) == 50, 60, "the outage was longer than the retention")
    fleet.gateway.start()
    until(lambda: fleet.told(PARTITIONS) == 2, 60, "the gateway is back")
    until(lambda: fleet.send(2) and fleet.told(LOST) == 30, 60, "each record that was lost is counted")
    assert "the topic keeps them for too short a time" in fleet.gateway.log.read_text()
