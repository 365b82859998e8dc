"""A fleet for real: two agents, Kafka, two gateways; each trace judged whole in one, also when one is killed."""

from __future__ import annotations

import json
import random
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from e2e.programs import CONFIGURATION, Collector, Kafka, Program, until

pytestmark = pytest.mark.timeout(400)

TRACES = 20_000
SPANS_A_TRACE = 4
TRACES_A_REQUEST = 100
KEEP_PERCENT = 10
SECOND = 1_000_000_000
START = 1_760_000_000 * SECOND

DECIDED = "otelcol_processor_tail_sampling_global_count_traces_sampled"
UNDECIDED = "otelcol_processor_tail_sampling_sampling_traces_on_memory"

#: The backend of these tests: a file beside each gateway, which says what came out of which.
STORE = """
exporters:
  file/kept:
    path: ${env:COLLECTOR_DATA}/kept.jsonl
service:
  pipelines:
    traces/store:
      receivers: [forward/kept]
      exporters: [file/kept]
"""

Run = Callable[[Program], Program]


@dataclass(frozen=True)
class Trace:
    """What is sent under one trace id; `kind` says why sampling must keep it, if it must."""

    id: bytes
    kind: str

    @property
    def kept(self) -> bool:
        return self.kind != "plain" or self.in_share

    @property
    def in_share(self) -> bool:
        """Whether the `share` policy of sampling.yaml keeps it: FNV-1a of salt and id, as tail_sampling computes it."""
        digest = 0xCBF29CE484222325
        for byte in b"otel-llm" + self.id:
            digest = ((digest ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
        return digest <= 0xFFFFFFFFFFFFFFFF * KEEP_PERCENT // 100

    def span(self, number: int) -> Span:
        """Root first. What decides stands on the last span, which another agent gets than the root."""
        last = number == SPANS_A_TRACE - 1
        span = Span(
            trace_id=self.id,
            span_id=self.id[:7] + bytes([number + 1]),
            parent_span_id=b"" if number == 0 else self.id[:7] + b"\x01",
            name="chat gpt-4o-mini",
            start_time_unix_nano=START,
            end_time_unix_nano=START + (12 * SECOND if last and self.kind == "slow" else SECOND),
        )
        if last and self.kind == "error":
            span.status.code = Status.STATUS_CODE_ERROR
        if self.kind == "evaluation":
            attribute = span.attributes.add(key="otel_llm.eval.sampled")
            attribute.value.bool_value = True
        return span


def make_traces(seed: int) -> list[Trace]:
    """2 % errors, 2 % slow, 5 % sampled for evaluation; the rest has only the share to hope for."""
    source = random.Random(seed)
    kinds = source.choices(["error", "slow", "evaluation", "plain"], [2, 2, 5, 91], k=TRACES)
    return [Trace(source.randbytes(16), kind) for kind in kinds]


def requests(traces: list[Trace], numbers: Iterable[int]) -> Iterator[bytes]:
    for start in range(0, len(traces), TRACES_A_REQUEST):
        request = ExportTraceServiceRequest()
        spans = request.resource_spans.add().scope_spans.add().spans
        spans.extend(trace.span(number) for trace in traces[start : start + TRACES_A_REQUEST] for number in numbers)
        yield request.SerializeToString()


def send(agent: Collector, body: bytes) -> None:
    headers = {"Content-Type": "application/x-protobuf"}
    request = urllib.request.Request(f"http://{agent.otlp_http}/v1/traces", body, headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as response:
        assert response.status == 200


def spans_by_trace(path: Path) -> dict[str, Counter[str]]:
    """trace id -> span id -> how often the file has it. The last line may be half written."""
    found: dict[str, Counter[str]] = {}
    if not path.exists():
        return found
    for line in path.read_text(errors="replace").splitlines():
        try:
            data = json.loads(line)
        except json.JSONDecodeError:
            continue
        for resource in data["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    found.setdefault(span["traceId"], Counter())[span["spanId"]] += 1
    return found


class Fleet:
    """Kafka, two agents, two gateways with `settings`."""

    def __init__(self, run: Run, directory: Path, settings: Mapping[str, str]) -> None:
        store = directory / "store.yaml"
        store.write_text(STORE)
        kafka = Kafka(directory, partitions=8)
        run(kafka)
        settings = {
            "KAFKA_BROKERS": kafka.brokers,
            "KAFKA_SESSION_TIMEOUT": "6s",
            "COLLECTOR_KEEP_PERCENT": str(KEEP_PERCENT),
            "COLLECTOR_DECISION_WAIT_AFTER_ROOT": "0s",
            "COLLECTOR_FSYNC": "false",
            **settings,
        }
        self.agents = [self._collector(n, directory, settings, "common", "ingest", "to-kafka") for n in ("a", "b")]
        self.gateways = [
            self._collector(n, directory, settings, "common", "from-kafka", "sampling", "evaluation", store)
            for n in ("one", "two")
        ]
        for collector in (*self.agents, *self.gateways):
            run(collector)

    @staticmethod
    def _collector(name: str, directory: Path, settings: Mapping[str, str], *files: str | Path) -> Collector:
        paths = [CONFIGURATION / "otelcol" / f"{file}.yaml" if isinstance(file, str) else file for file in files]
        return Collector(paths, directory, settings, name=name)

    def send(self, traces: list[Trace], halfway: Callable[[], None] = lambda: None) -> None:
        """Root and second span of each trace through one agent, the others through the other, at the same time."""
        bodies = [list(requests(traces, numbers)) for numbers in ((0, 1), (2, 3))]
        for first, second in ((0, 0.5), (0.5, 1)):
            part = [
                threading.Thread(target=lambda a=agent, p=half: [send(a, body) for body in p])
                for agent, all_of_it in zip(self.agents, bodies, strict=True)
                if (half := all_of_it[int(first * len(all_of_it)) : int(second * len(all_of_it))])
            ]
            for thread in part:
                thread.start()
            for thread in part:
                thread.join()
            if not first:
                halfway()

    def kept(self) -> list[dict[str, Counter[str]]]:
        return [spans_by_trace(gateway.data / "kept.jsonl") for gateway in self.gateways]

    def decided(self) -> list[float]:
        return [gateway.internal().get(DECIDED, 0) for gateway in self.gateways]


def whole(spans: Counter[str]) -> bool:
    return len(spans) == SPANS_A_TRACE


def test_each_trace_is_decided_once_and_whole_in_one_gateway(tmp_path: Path, run: Run) -> None:
    fleet = Fleet(run, tmp_path, {"COLLECTOR_DECISION_WAIT": "10s", "COLLECTOR_COMMIT_DELAY": "30s"})
    traces = make_traces(seed=1)
    fleet.send(traces)
    until(lambda: sum(fleet.decided()) >= TRACES, 120, "all traces are decided")

    expected = {trace.id.hex() for trace in traces if trace.kept}
    until(lambda: sum(map(len, fleet.kept())) >= len(expected), 30, "what was kept is in the files")
    assert sum(fleet.decided()) == TRACES
    assert all(fleet.decided()), "one gateway did all the work"
    one, two = fleet.kept()
    assert not one.keys() & two.keys()
    together = one | two
    assert together.keys() == expected
    assert [trace for trace, spans in together.items() if not whole(spans) or max(spans.values()) > 1] == []

    evaluated = [spans_by_trace(gateway.data / "eval" / "traces.jsonl") for gateway in fleet.gateways]
    assert {*evaluated[0], *evaluated[1]} == {trace.id.hex() for trace in traces if trace.kind == "evaluation"}


def test_a_killed_gateway_loses_nothing(tmp_path: Path, run: Run) -> None:
    fleet = Fleet(run, tmp_path, {"COLLECTOR_DECISION_WAIT": "10s", "COLLECTOR_COMMIT_DELAY": "30s"})
    victim = fleet.gateways[1]

    def at_work() -> bool:
        """Has decided some traces, so has held others for long: a receiver that commits at once has committed them."""
        metrics = victim.internal()
        return metrics.get(DECIDED, 0) > 0 and metrics.get(UNDECIDED, 0) > 500

    def kill() -> None:
        until(at_work, 60, "the gateway is in the middle of its work")
        victim.kill()

    traces = make_traces(seed=2)
    fleet.send(traces, halfway=kill)

    expected = {trace.id.hex() for trace in traces if trace.kept}

    def all_there() -> bool:
        one, two = fleet.kept()
        return expected <= {trace for kept in (one, two) for trace, spans in kept.items() if whole(spans)}

    until(all_there, 180, "every trace that is to be kept is there, whole, out of one gateway")
    one, two = fleet.kept()
    assert one.keys() | two.keys() == expected, "kept what no policy keeps"
