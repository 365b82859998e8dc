"""A fleet for real: two agents, Kafka, two gateways; each trace judged whole in one, also when one is killed."""

from __future__ import annotations

import json
import random
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from e2e.programs import CONFIGURATION, KEPT_STORE, Collector, Kafka, Program, until

pytestmark = pytest.mark.timeout(900)

TRACES = 20_000
SPANS_A_TRACE = 4
TRACES_A_REQUEST = 100
TRACES_AT_A_TIME = 2_000
KEEP_PERCENT = 10
SECOND = 1_000_000_000
START = 1_760_000_000 * SECOND

ACCEPTED = "otelcol_receiver_accepted_spans"
SENT = "otelcol_exporter_sent_spans"
DECIDED = "otelcol_processor_tail_sampling_global_count_traces_sampled"
#: As of the gateway's last tick.
UNDECIDED = "otelcol_processor_tail_sampling_sampling_traces_on_memory"

WAITS = {"COLLECTOR_DECISION_WAIT": "20s", "COLLECTOR_COMMIT_DELAY": "70s"}

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


def send_all(agent: Collector, bodies: Iterable[bytes]) -> None:
    for body in bodies:
        send(agent, body)


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
        store.write_text(KEPT_STORE)
        kafka = Kafka(directory, partitions=8)
        run(kafka)
        settings = {
            "KAFKA_BROKERS": kafka.brokers,
            "COLLECTOR_KEEP_PERCENT": str(KEEP_PERCENT),
            "COLLECTOR_DECISION_WAIT_AFTER_ROOT": "0s",
            "COLLECTOR_FSYNC": "false",
            **settings,
        }
        self.agents = [
            self._collector(n, directory, settings, "common", "ingest", "spans", "to-kafka") for n in ("a", "b")
        ]
        self.gateways = [
            self._collector(n, directory, settings, "common", "from-kafka", "sampling", "evaluation", store)
            for n in ("one", "two")
        ]
        for collector in (*self.agents, *self.gateways):
            run(collector)
        self._settle()

    def _settle(self) -> None:
        """Warm up until partitions have moved for the last time, and what was read on the way is decided.

        All of it is for evaluation, so that the evaluation files say who has read what. A gateway that gets partitions
        later than the other reads them from the start, so some traces are decided in both.
        """
        source = random.Random(0)
        self.before: set[str] = set()

        def more() -> set[str]:
            traces = [Trace(source.randbytes(16), "evaluation") for _ in range(TRACES_A_REQUEST)]
            send(self.agents[0], next(requests(traces, range(SPANS_A_TRACE))))
            identifiers = {trace.id.hex() for trace in traces}
            self.before |= identifiers
            return identifiers

        until(lambda: more() and all(self._received()), 180, "both gateways have partitions")
        # Some for each partition: who has read the last of one has read all of it.
        last = more()
        until(lambda: last <= {t for file in self._received() for t in file}, 120, "the warm-up is read")
        until(lambda: self.decided() == [len(file) for file in self._received()], 120, "the warm-up is decided")
        self.decided_before = sum(self.decided())

    def _received(self) -> list[dict[str, Counter[str]]]:
        """What each gateway has read of what is for evaluation: that file has it before anything is decided."""
        return [spans_by_trace(gateway.data / "eval" / "traces.jsonl") for gateway in self.gateways]

    @staticmethod
    def _collector(name: str, directory: Path, settings: Mapping[str, str], *files: str | Path) -> Collector:
        paths = [CONFIGURATION / "otelcol" / f"{file}.yaml" if isinstance(file, str) else file for file in files]
        return Collector(paths, directory, settings, name=name)

    def send(self, traces: list[Trace], halfway: Callable[[], None] = lambda: None) -> None:
        """Root and second span of each trace through one agent, the others through the other, at the same time.

        No agent gets far ahead of the other, however slow the machine: a gateway waits for the rest of a trace as long
        as DECISION_WAIT, no longer.
        """
        for start in range(0, len(traces), TRACES_AT_A_TIME):
            if start == len(traces) // 2:
                halfway()
            part = traces[start : start + TRACES_AT_A_TIME]
            with ThreadPoolExecutor(len(self.agents)) as pool:
                list(pool.map(send_all, self.agents, (requests(part, (0, 1)), requests(part, (2, 3)))))
            until(self._all_in_kafka, 120, "the agents have handed on what they took")

    def _all_in_kafka(self) -> bool:
        pages = [agent.internal() for agent in self.agents]
        return all(page.get(SENT) == page[ACCEPTED] for page in pages)

    def kept(self, path: str = "kept.jsonl") -> list[dict[str, Counter[str]]]:
        """What came out of each gateway since it was settled."""
        files = [spans_by_trace(gateway.data / path) for gateway in self.gateways]
        return [{trace: spans for trace, spans in file.items() if trace not in self.before} for file in files]

    def kept_whole(self) -> set[str]:
        """The traces that came whole out of one gateway."""
        return {trace for file in self.kept() for trace, spans in file.items() if whole(spans)}

    def decided(self) -> list[float]:
        return [gateway.internal().get(DECIDED, 0) for gateway in self.gateways]


def whole(spans: Counter[str]) -> bool:
    return len(spans) == SPANS_A_TRACE


def test_each_trace_is_decided_once_and_whole_in_one_gateway(tmp_path: Path, run: Run) -> None:
    # A gateway that gets no processor time for a while must not be taken for dead.
    fleet = Fleet(run, tmp_path, WAITS | {"KAFKA_SESSION_TIMEOUT": "60s"})
    traces = make_traces(seed=1)
    fleet.send(traces)
    everything = fleet.decided_before + TRACES
    until(lambda: sum(fleet.decided()) >= everything, 180, "all traces are decided")

    expected = {trace.id.hex() for trace in traces if trace.kept}
    until(lambda: expected <= fleet.kept_whole(), 60, "what was kept is in the files")
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
    fleet = Fleet(run, tmp_path, WAITS)
    victim = fleet.gateways[1]

    def holds_many() -> bool:
        return victim.internal().get(UNDECIDED, 0) > 500

    def kill() -> None:
        until(holds_many, 120, "the gateway holds undecided traces")
        since = time.monotonic()
        # So long that a receiver that commits what it has handed on has committed them.
        until(lambda: time.monotonic() > since + 4, 60, "they are held for a while")
        assert holds_many()
        victim.kill()

    traces = make_traces(seed=2)
    fleet.send(traces, halfway=kill)

    expected = {trace.id.hex() for trace in traces if trace.kept}

    until(lambda: expected <= fleet.kept_whole(), 300, "every trace to be kept is there, whole, out of one gateway")
    one, two = fleet.kept()
    assert one.keys() | two.keys() == expected, "kept what no policy keeps"
