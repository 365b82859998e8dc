"""A fleet for real: two agents, Kafka, two gateways; each trace judged whole in one, also when one is killed."""

from __future__ import annotations

import json
import random
import threading
import time
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

ACCEPTED = "otelcol_receiver_accepted_spans"
DECIDED = "otelcol_processor_tail_sampling_global_count_traces_sampled"
#: As of the gateway's last tick.
UNDECIDED = "otelcol_processor_tail_sampling_sampling_traces_on_memory"
TICKS = "otelcol_processor_tail_sampling_sampling_decision_timer_latency_milliseconds_count"

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
        self._settle()

    def _settle(self) -> None:
        """Send until both gateways have a share: until the group is complete, partitions move, and are read again."""
        sent: list[Trace] = []

        def shared() -> bool:
            warm_up = make_traces(seed=1_000 + len(sent))[:TRACES_A_REQUEST]
            sent.extend(warm_up)
            send(self.agents[0], next(requests(warm_up, range(SPANS_A_TRACE))))
            return all(gateway.internal().get(ACCEPTED, 0) > 0 for gateway in self.gateways)

        until(shared, 60, "both gateways have partitions")
        before: list[tuple[float, ...]] = []
        ticks_then = [0.0, 0.0]

        def idle() -> bool:
            nonlocal before, ticks_then
            pages = [gateway.internal() for gateway in self.gateways]
            now = [tuple(page.get(name, 0) for name in (ACCEPTED, DECIDED, UNDECIDED)) for page in pages]
            ticks = [page.get(TICKS, 0) for page in pages]
            if now != before:
                before, ticks_then = now, ticks
            accepted, _, undecided = map(sum, zip(*now, strict=True))
            ticked = all(tick >= then + 3 for tick, then in zip(ticks, ticks_then, strict=True))
            return ticked and not undecided and accepted >= len(sent) * SPANS_A_TRACE

        until(idle, 60, "nothing is left of the warm-up, and nothing of it is read again")
        self.before = {trace.id.hex() for trace in sent}
        self.decided_before = sum(self.decided())

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

    def kept(self, path: str = "kept.jsonl") -> list[dict[str, Counter[str]]]:
        """What came out of each gateway since it was settled."""
        files = [spans_by_trace(gateway.data / path) for gateway in self.gateways]
        return [{trace: spans for trace, spans in file.items() if trace not in self.before} for file in files]

    def decided(self) -> list[float]:
        return [gateway.internal().get(DECIDED, 0) for gateway in self.gateways]


def whole(spans: Counter[str]) -> bool:
    return len(spans) == SPANS_A_TRACE


def test_each_trace_is_decided_once_and_whole_in_one_gateway(tmp_path: Path, run: Run) -> None:
    fleet = Fleet(run, tmp_path, {"COLLECTOR_DECISION_WAIT": "10s", "COLLECTOR_COMMIT_DELAY": "30s"})
    traces = make_traces(seed=1)
    fleet.send(traces)
    everything = fleet.decided_before + TRACES
    until(lambda: sum(fleet.decided()) >= everything, 120, "all traces are decided")

    expected = {trace.id.hex() for trace in traces if trace.kept}
    until(lambda: sum(map(len, fleet.kept())) >= len(expected), 30, "what was kept is in the files")
    assert sum(fleet.decided()) == everything
    one, two = fleet.kept()
    assert one, "one gateway did nothing"
    assert two, "the other gateway did nothing"
    assert not one.keys() & two.keys()
    together = one | two
    assert together.keys() == expected
    assert [trace for trace, spans in together.items() if not whole(spans) or max(spans.values()) > 1] == []

    evaluated = {trace for file in fleet.kept("eval/traces.jsonl") for trace in file}
    assert evaluated == {trace.id.hex() for trace in traces if trace.kind == "evaluation"}


def test_a_killed_gateway_loses_nothing(tmp_path: Path, run: Run) -> None:
    fleet = Fleet(run, tmp_path, {"COLLECTOR_DECISION_WAIT": "10s", "COLLECTOR_COMMIT_DELAY": "30s"})
    victim = fleet.gateways[1]

    def holds_many() -> bool:
        return victim.internal().get(UNDECIDED, 0) > 500

    def kill() -> None:
        until(holds_many, 60, "the gateway holds undecided traces")
        since = time.monotonic()
        # So long that a receiver that commits what it has handed on has committed them.
        until(lambda: time.monotonic() > since + 4, 10, "they are held for a while")
        assert holds_many()
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
