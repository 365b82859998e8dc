"""A Collector whose disk is full refuses what it can't write, and loses nothing of what it has acknowledged."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from e2e import load, otlp
from e2e.programs import CONFIGURATION, KEPT_STORE, Collector, SmallDisk, until

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "true"], check=False).returncode != 0,
        reason="a disk of its own needs user namespaces",
    ),
]

Run = Callable[[Any], Any]

#: As towards Kafka: many requests in one batch, so many are taken from the queue while nothing can be sent.
BATCHES = "exporters: {otlp_grpc/jaeger: {sending_queue: {batch: {min_size: 1048576, max_size: 4194304}}}}"

NOT_QUEUED = "otelcol_exporter_enqueue_failed_spans"
REFUSED = "otelcol_receiver_refused_spans"


@pytest.fixture
def backend(tmp_path: Path) -> Collector:
    """It is not running yet."""
    store = tmp_path / "store.yaml"
    store.write_text(KEPT_STORE)
    files = [*(CONFIGURATION / "otelcol" / f"{name}.yaml" for name in ("common", "from-agents", "keep-all")), store]
    return Collector(files, tmp_path, name="backend")


@pytest.fixture
def agent(tmp_path: Path, run: Run, backend: Collector) -> SmallDisk:
    batches = tmp_path / "batches.yaml"
    batches.write_text(BATCHES)
    names = ("common", "ingest", "spans", "keep-all", "jaeger")
    files = [*(CONFIGURATION / "otelcol" / f"{name}.yaml" for name in names), batches]
    return run(SmallDisk(files, tmp_path, {"JAEGER_OTLP": backend.otlp_grpc}, name="agent"))


def arrived(backend: Collector) -> Counter[str]:
    return Counter(span["trace"] for span in otlp.spans_of_file(backend.data / "kept.jsonl"))


def all_arrive(backend: Collector, sender: load.Sender) -> None:
    def missing() -> int:
        found = arrived(backend)
        return sum(max(0, count - found[trace]) for trace, count in sender.acknowledged.items())

    until(lambda: not missing(), 120, "all that was acknowledged arrives")


def fill(path: Path) -> None:
    def write(file: BinaryIO) -> None:
        while True:
            file.write(b"x" * 4096)

    with path.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        write(file)


def test_what_a_full_disk_has_acknowledged_arrives(run: Run, agent: SmallDisk, backend: Collector) -> None:
    """Under load, which goes on while the queue is sent."""
    sender = load.Sender(agent.otlp_http, "full", text="x" * 1000, pause=0.02, threads=4)
    with sender.running():
        until(lambda: sender.refused > 200, 60, "the disk is full")
        run(backend)
        goal = len(sender.acknowledged) + 400
        until(lambda: len(sender.acknowledged) > goal, 120, "it takes spans again")
    all_arrive(backend, sender)
    counts = agent.internal()
    assert counts[NOT_QUEUED] == counts[REFUSED] == sender.refused * 20


def test_a_disk_that_others_fill_delays_and_loses_nothing(run: Run, agent: SmallDisk, backend: Collector) -> None:
    sender = load.Sender(agent.otlp_http, "full", text="x" * 1000, pause=0.02, threads=4)
    with sender.running():
        until(lambda: len(sender.acknowledged) > 50, 60, "it takes spans")
        other = agent.disk / "log-of-another-program"
        fill(other)
        until(lambda: sender.refused > 100, 60, "the disk is full")
        run(backend)
        goal = len(sender.acknowledged) + 100
        until(lambda: len(sender.acknowledged) > goal, 120, "room in the queue's own file is used again")
        other.unlink()
        goal = len(sender.acknowledged) + 100
        until(lambda: len(sender.acknowledged) > goal, 120, "it takes spans again")
    all_arrive(backend, sender)
