"""A fleet of Collectors on this machine, and applications that send to it."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from e2e import load, otlp
from e2e.program import samples
from e2e.programs import CONFIGURATION, KEPT_STORE, Collector, Kafka, SmallDisk, get, until

__all__ = ["SPANS_A_TRACE", "Collector", "Fleet", "Load", "SmallDisk"]

SPANS_A_TRACE = 20
RATE = 500
SETTINGS = {
    "COLLECTOR_DECISION_WAIT": "10s",
    "COLLECTOR_DECISION_WAIT_AFTER_ROOT": "2s",
    "COLLECTOR_COMMIT_DELAY": "30s",
    "COLLECTOR_KEEP_PERCENT": "100",
    "COLLECTOR_METRICS_INTERVAL": "1s",
}
CALLS = "traces_span_metrics_calls_total"
LOST_RECORDS = "otelcol_kafka_delayed_commit_lost_records"
LOSSES = {
    "deleted by Kafka": LOST_RECORDS,
    "lost behind tail sampling": "otelcol_connector_forward_lost_spans",
    "refused by the backend": "otelcol_exporter_send_failed_spans",
    "too large": "otelcol_processor_span_limit_dropped_spans",
    "forgotten": "otelcol_processor_tail_sampling_sampling_trace_dropped_too_early",
}


class Load(load.Sender):
    """Sends traces at a rate, to the agents in turn, each again until it is acknowledged."""

    def __init__(self, agents: Sequence[Collector], rate: float = RATE, threads: int = 4) -> None:
        super().__init__("", "fleet", SPANS_A_TRACE, "x" * 500, threads=threads)
        self.rate = rate
        self._agents = agents

    def _work(self, number: int) -> None:
        due = time.monotonic()
        while not self._ended.is_set():
            due = max(due + SPANS_A_TRACE * self._threads / self.rate, time.monotonic() - 1)
            self._ended.wait(max(0.0, due - time.monotonic()))
            spans = load.trace(self._spans, self._text)
            body = load.request(self._service, spans)
            # A request is sent again only when it was refused, or not even heard.
            while not load.post(self._agents[number % len(self._agents)].otlp_http, body):
                self.refused += 1
                number += 1
                if self._ended.wait(0.2):
                    return
            self.acknowledged[spans[0].trace_id.hex()] = len(spans)
            number += 1


@dataclass
class Fleet:
    directory: Path
    stack: ExitStack
    agent: type[Collector] = Collector
    gateway: type[Collector] = Collector
    agents: list[Collector] = field(init=False)
    gateways: list[Collector] = field(init=False)

    def __post_init__(self) -> None:
        store = self.directory / "store.yaml"
        store.write_text(KEPT_STORE)
        self.kafka = self.stack.enter_context(Kafka(self.directory, partitions=8))
        self.backend = self.stack.enter_context(
            Collector(pieces("common", "from-agents", "keep-all", store), self.directory, name="backend")
        )
        settings = {"KAFKA_BROKERS": self.kafka.brokers, "JAEGER_OTLP": self.backend.otlp_grpc, **SETTINGS}
        ways = pieces("common", "ingest", "spans", "to-kafka"), pieces("common", "from-kafka", "sampling", "jaeger")
        self.agents = [self.agent(ways[0], self.directory, settings, name=f"agent-{n}") for n in (1, 2)]
        self.gateways = [self.gateway(ways[1], self.directory, settings, name=f"gateway-{n}") for n in (1, 2)]
        for collector in (*self.agents, *self.gateways):
            self.stack.enter_context(collector)
        self.warmed: dict[str, int] = {}
        until(self._have_partitions, 120, "both gateways have partitions")
        self.ended: Counter[str] = Counter()

    def _have_partitions(self) -> bool:
        """Kafka makes the topic when something is sent to it."""
        if not self.warmed:
            spans = load.trace(SPANS_A_TRACE)
            assert load.post(self.agents[0].otlp_http, load.request("fleet", spans))
            self.warmed[spans[0].trace_id.hex()] = len(spans)
        return all(gateway.internal().get("otelcol_kafka_delayed_commit_partitions") for gateway in self.gateways)

    def losses(self) -> Counter[str]:
        found = Counter(self.ended)
        for collector in (*self.agents, *self.gateways):
            if collector.process is not None:
                page = collector.internal()
                for reason, name in LOSSES.items():
                    found[reason] += int(page.get(name, 0))
        return found

    def restart(self, collector: Collector) -> None:
        before = self.losses()
        collector.stop()
        self.ended = before
        collector.start()

    def arrived(self) -> Counter[str]:
        """Trace id -> how many of its spans the backend has; and how many came more than once."""
        seen = Counter((span["trace"], span["id"]) for span in otlp.spans_of_file(self.backend.data / "kept.jsonl"))
        self.twice = sum(count - 1 for count in seen.values())
        return Counter(trace for trace, _ in seen)

    def calls(self) -> int:
        return int(sum(samples(get(agent.metrics, "/metrics").decode()).get(CALLS, 0) for agent in self.agents))


def pieces(*names: str | Path) -> list[Path]:
    return [CONFIGURATION / "otelcol" / f"{name}.yaml" if isinstance(name, str) else name for name in names]
