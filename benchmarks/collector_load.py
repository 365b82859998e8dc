"""How much each Collector configuration passes, against a bare otlp -> otlp pipeline of the same binary and run.

    python benchmarks/collector_load.py [--seconds 15] [--rounds 3] [--check]

Needs the native backends (`make backends`). Each configuration takes turns with the others on one core of its own;
the load and the sink, another Collector, have the rest. A round lets the subject warm up until tail sampling decides as
fast as traces come, then counts for `--seconds`: spans accepted, CPU time of the process, and at the end its peak of
memory. What is behind the receiver holds back what it does not take at once: what is accepted is what is passed.
The figure is spans per second of CPU time, divided by the bare one's: other work on the machine hardly changes it.
Our configurations run with the GOGC that compose.yaml sets, and the GOMEMLIMIT that goes with the 2 GiB they may use;
the bare one without, and once with them.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from e2e.programs import CONFIGURATION, Collector, Kafka, until

LIMIT = 0.6
SPANS_A_TRACE = 5
TRACES_A_REQUEST = 100
SENDERS = 4
DECISION_WAIT = 5.0
ACCEPTED = "otelcol_receiver_accepted_spans"
BARE = "bare otlp -> otlp"
TUNED = {"GOGC": "400", "GOMEMLIMIT": "1600MiB"}

#: One pipeline from OTLP to an exporter and nothing else; `common.yaml` gives health check and telemetry.
PLAIN = """
receivers: {otlp: {protocols: {http: {endpoint: "${env:COLLECTOR_HTTP}"}, grpc: {endpoint: "${env:COLLECTOR_GRPC}"}}}}
service: {pipelines: {traces: {receivers: [otlp]}}}
"""
FORWARD = """
exporters:
  otlp_grpc:
    endpoint: ${env:JAEGER_OTLP}
    tls: {insecure: true}
    sending_queue: {block_on_overflow: true, queue_size: 20}
service: {pipelines: {traces: {exporters: [otlp_grpc]}}}
"""
SWALLOW = """
exporters: {debug: {verbosity: basic, sampling_initial: 1, sampling_thereafter: 1000000}}
service: {pipelines: {traces: {exporters: [debug]}}}
"""


@dataclass(frozen=True)
class Measured:
    spans_a_second: float
    spans_a_cpu_second: float
    peak_mib: float


class Load:
    """Requests of a hundred traces each, as fast as they are taken; no trace id comes twice."""

    def __init__(self, requests: int = 60) -> None:
        source = random.Random(0)
        self._bodies = [self._request(source, number.to_bytes(8)) for number in range(requests)]
        self._numbers = itertools.count(1 << 40)

    @staticmethod
    def _request(source: random.Random, prefix: bytes) -> tuple[bytes, bytes]:
        prefix = b"\xa5" + prefix[1:]
        request = ExportTraceServiceRequest()
        resource = request.resource_spans.add()
        attributes(
            resource.resource, {"service.name": "load", "service.version": "1", "telemetry.sdk.language": "python"}
        )
        spans = resource.scope_spans.add().spans
        for _ in range(TRACES_A_REQUEST):
            spans.extend(llm_trace(prefix + source.randbytes(8), source))
        return prefix, request.SerializeToString()

    @contextmanager
    def on(self, address: str) -> Iterator[None]:
        stop = threading.Event()
        senders = [threading.Thread(target=self._send, args=(address, stop), daemon=True) for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        try:
            yield
        finally:
            stop.set()
            for sender in senders:
                sender.join()

    def _send(self, address: str, stop: threading.Event) -> None:
        connection = http.client.HTTPConnection(address, timeout=60)
        headers = {"Content-Type": "application/x-protobuf"}
        while not stop.is_set():
            number = next(self._numbers)
            prefix, body = self._bodies[number % len(self._bodies)]
            try:
                connection.request("POST", "/v1/traces", body.replace(prefix, b"\x5a" + number.to_bytes(7)), headers)
                response = connection.getresponse()
                response.read()
                if response.status != 200:
                    time.sleep(0.05)  # refused: it is full
            except (OSError, http.client.HTTPException):
                connection.close()


def attributes(holder: object, values: Mapping[str, str | int | float]) -> None:
    for key, value in values.items():
        added = holder.attributes.add(key=key).value  # type: ignore[attr-defined]
        if isinstance(value, str):
            added.string_value = value
        elif isinstance(value, int):
            added.int_value = value
        else:
            added.double_value = value


def llm_trace(trace_id: bytes, source: random.Random) -> list[Span]:
    """A workflow as the library sends it with content off; 1 % fail, 5 % are evaluated."""
    start = time.time_ns() - 60_000_000_000
    names = (
        "invoke_workflow twin",
        "retrieval articles",
        "chat gpt-4o-mini",
        "embeddings text-embedding-3-small",
        "chat llama",
    )
    failed, evaluated = source.random() < 0.01, source.random() < 0.05
    spans = []
    for number, name in enumerate(names):
        operation, model = name.split()
        span = Span(
            trace_id=trace_id,
            span_id=trace_id[8:15] + bytes([number + 1]),
            parent_span_id=trace_id[8:15] + b"\x01" if number else b"",
            name=name,
            kind=Span.SPAN_KIND_CLIENT,
            start_time_unix_nano=start + number,
            end_time_unix_nano=start + 1_000_000_000,
        )
        values: dict[str, str | int | float] = {
            "gen_ai.operation.name": operation,
            "session.id": f"session-{source.randrange(1000)}",
            "user.id": f"user-{source.randrange(1000)}",
        }
        if operation in ("chat", "embeddings"):
            values |= {
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": model,
                "gen_ai.response.model": model + "-2024-07-18",
                "gen_ai.response.id": f"chatcmpl-{source.randrange(1 << 60):x}",
                "gen_ai.request.temperature": 0.3,
                "gen_ai.request.max_tokens": 500,
                "gen_ai.usage.input_tokens": source.randrange(2000),
                "gen_ai.usage.output_tokens": source.randrange(500),
                "server.address": "api.openai.com",
                "server.port": 443,
                "openai.response.system_fingerprint": "fp_44709d6fcb",
                "otel_llm.request.id": f"req_{source.randrange(1 << 60):x}",
                "otel_llm.prompt.template.hash": f"{source.randrange(1 << 48):x}",
                "gen_ai.prompt.name": "answer",
            }
        attributes(span, values)
        if evaluated:
            span.attributes.add(key="otel_llm.eval.sampled").value.bool_value = True
        if failed and number == 2:
            span.status.code = 2
            attributes(span, {"error.type": "timeout"})
        spans.append(span)
    return spans


class Bench:
    def __init__(self, directory: Path, seconds: float) -> None:
        self.directory, self.seconds = directory, seconds
        cores = sorted(os.sched_getaffinity(0))
        self.core, rest = cores[-1], cores[:-1] or cores
        os.sched_setaffinity(0, rest)
        self.load = Load()
        self.runs = itertools.count()

    def collector(self, files: Sequence[str | Path], **settings: str) -> Collector:
        paths = [CONFIGURATION / "otelcol" / f"{file}.yaml" if isinstance(file, str) else file for file in files]
        settings = {
            "COLLECTOR_DECISION_WAIT": f"{DECISION_WAIT:.0f}s",
            "COLLECTOR_DECISION_WAIT_AFTER_ROOT": "0s",
            "COLLECTOR_TRACES_IN_MEMORY": "1000000",
            "COLLECTOR_MEMORY_MIB": "2048",
            "COLLECTOR_QUEUE_BYTES": str(32 << 20),
            "COLLECTOR_LOG_LEVEL": "error",
            **settings,
        }
        return Collector(paths, self.directory, settings, name=f"collector-{next(self.runs)}")

    def written(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.write_text(text)
        return path

    def plain(self, exporter: str) -> list[str | Path]:
        return ["common", self.written("plain.yaml", PLAIN), self.written(f"exporter-{next(self.runs)}.yaml", exporter)]

    def sink(self) -> Collector:
        return self.collector(self.plain(SWALLOW))

    def measure(self, files: Sequence[str | Path], tuned: bool = True) -> Measured:
        """OTLP in, OTLP out."""
        with self.sink() as sink:
            subject = self.collector(files, JAEGER_OTLP=sink.otlp_grpc, **(TUNED if tuned else {}))
            with self._alone(subject), self.load.on(subject.otlp_http):
                return self._count(subject)

    def measure_from_kafka(self, kafka: Kafka, files: Sequence[str | Path]) -> Measured:
        """A gateway that works off what waits in Kafka."""
        settings = {**TUNED, "KAFKA_BROKERS": kafka.brokers, "KAFKA_GROUP": f"group-{next(self.runs)}"}
        with self.sink() as sink, self._alone(self.collector(files, JAEGER_OTLP=sink.otlp_grpc, **settings)) as gateway:
            return self._count(gateway)

    def fill(self, kafka: Kafka, spans: int) -> None:
        agent = self.collector(["common", "ingest", "spans", "to-kafka"], KAFKA_BROKERS=kafka.brokers)
        with agent, self.load.on(agent.otlp_http):
            until(lambda: agent.internal().get("otelcol_exporter_sent_spans", 0) >= spans, 600, "Kafka is filled")

    @contextmanager
    def _alone(self, collector: Collector) -> Iterator[Collector]:
        """On a core of its own; Go sees one core."""
        ours = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {self.core})
        try:
            collector.launch()
        finally:
            os.sched_setaffinity(0, ours)
        with ExitStack() as stack:
            stack.callback(collector.kill)
            yield collector.wait_ready()

    def _count(self, collector: Collector) -> Measured:
        until(lambda: collector.internal().get(ACCEPTED, 0) > 0, 60, "spans come in")
        time.sleep(2 * DECISION_WAIT)
        began, spans, cpu = time.monotonic(), collector.internal()[ACCEPTED], cpu_seconds(collector)
        time.sleep(self.seconds)
        ended, more, worked = time.monotonic(), collector.internal()[ACCEPTED], cpu_seconds(collector)
        assert more > spans, "nothing came in"
        return Measured((more - spans) / (ended - began), (more - spans) / (worked - cpu), peak_mib(collector))


def cpu_seconds(collector: Collector) -> float:
    assert collector.process is not None
    fields = Path(f"/proc/{collector.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mib(collector: Collector) -> float:
    assert collector.process is not None
    status = Path(f"/proc/{collector.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15, help="of counting, in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=(), help="subjects, beside the bare one")
    parser.add_argument("--check", action="store_true", help=f"fail where one passes less than {LIMIT:.0%}%")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(Path(directory), options.seconds)
        subjects: dict[str, list[str | Path]] = {
            BARE: bench.plain(FORWARD),
            "the same, GOGC as ours": bench.plain(FORWARD),
            "agent": ["common", "ingest", "spans", "keep-all", "evaluation", "jaeger"],
            "agent without evaluation": ["common", "ingest", "spans", "keep-all", "jaeger"],
            "agent, queue in memory": [
                "common",
                "ingest",
                "spans",
                "keep-all",
                "evaluation",
                "jaeger",
                in_memory(bench),
            ],
            "agent, sampling": ["common", "ingest", "spans", "sampling", "evaluation", "jaeger"],
            "gateway without Kafka": ["common", "from-agents", http_in(bench), "sampling", "evaluation", "jaeger"],
            "gateway from Kafka": ["common", "from-kafka", "sampling", "evaluation", "jaeger"],
        }
        found: dict[str, list[Measured]] = {name: [] for name in subjects}
        with ExitStack() as stack:
            kafka: Kafka | None = None
            for _ in range(options.rounds):
                for name, files in subjects.items():
                    if options.only and name not in options.only and name != BARE:
                        continue
                    if name != "gateway from Kafka":
                        found[name].append(bench.measure(files, tuned=name != BARE))
                        continue
                    if kafka is None:
                        kafka = stack.enter_context(Kafka(Path(directory), partitions=8))
                        enough = found[BARE][0].spans_a_cpu_second * (options.seconds + 3 * DECISION_WAIT)
                        bench.fill(kafka, int(enough))
                    found[name].append(bench.measure_from_kafka(kafka, files))
        return report(found, options.check)


def http_in(bench: Bench) -> Path:
    """from-agents.yaml takes gRPC, as agents send; the load speaks HTTP."""
    return bench.written("http.yaml", 'receivers: {otlp: {protocols: {http: {endpoint: "${env:COLLECTOR_HTTP}"}}}}')


def in_memory(bench: Bench) -> Path:
    queue = "{storage: null, sizer: items, queue_size: 20000}"
    return bench.written("memory.yaml", f"exporters: {{otlp_grpc/jaeger: {{sending_queue: {queue}}}}}")


def report(found: Mapping[str, Sequence[Measured]], check: bool) -> int:
    def median(of: Sequence[Measured], what: str) -> float:
        return statistics.median(getattr(each, what) for each in of)

    bare = found[BARE]
    slow = 0
    print(f"{'':<24}{'of bare':>8}{'spans/CPU s':>14}{'spans/s':>10}{'peak MiB':>10}")
    for name, measured in found.items():
        if not measured:
            continue
        share = median(measured, "spans_a_cpu_second") / median(bare, "spans_a_cpu_second")
        slow += share < LIMIT
        columns = [median(measured, what) for what in ("spans_a_cpu_second", "spans_a_second", "peak_mib")]
        print(f"{name:<24}{share:>8.0%}{columns[0]:>14,.0f}{columns[1]:>10,.0f}{columns[2]:>10,.0f}")
    return 1 if check and slow else 0


if __name__ == "__main__":
    sys.exit(main())
