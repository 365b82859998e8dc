"""The real programs that the end-to-end tests run: Collector, Jaeger, Prometheus, Kafka, Tempo.

Each listens on free ports of 127.0.0.1, keeps its files below a directory of the test's, can be stopped, killed and
started again on the same ports and files, and ends with the test run, however that ends. `make backends` builds them.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = ROOT / "collector"
BACKENDS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "otel-llm" / "backends" / "bin"

START_SECONDS = 60
STOP_SECONDS = 30

T = TypeVar("T")


def binary(name: str) -> Path:
    """Path of a built program.

    Raises:
        FileNotFoundError: it was not built.
    """
    path = BACKENDS / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run `make backends`")
    return path


#: Below what the system uses for outgoing connections, in no order that another run at the same time has too.
_PORTS = iter(random.SystemRandom().sample(range(15000, 32000), 17000))


def free_port() -> int:
    """A port that is free now, and that no other call gives."""
    for port in _PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def free_address() -> str:
    return f"127.0.0.1:{free_port()}"


def until(condition: Callable[[], T], seconds: float, what: str) -> T:
    """The first truthy result of `condition`, asked for again and again for `seconds`; AssertionError after that."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what} (last: {result!r})")
        time.sleep(0.05)


def get(address: str, path: str, **query: str | int) -> bytes:
    """The body of `http://address/path`, straight, without a proxy of the environment.

    Raises:
        OSError: nothing answers there, or it answers with an error.
    """
    url = f"http://{address}{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=20) as response:
        return bytes(response.read())


def get_json(address: str, path: str, **query: str | int) -> Any:
    return json.loads(get(address, path, **query))


def answers(address: str, path: str) -> bool:
    try:
        get(address, path)
    except OSError:
        return False
    return True


def samples(text: str) -> dict[str, float]:
    """The metrics of a Prometheus page, name -> sum of its samples over all labels."""
    sums: dict[str, float] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name = line.split("{")[0].split()[0]
            sums[name] = sums.get(name, 0.0) + float(line.rsplit("}", 1)[-1].split()[0 if "}" in line else 1])
    return sums


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: also when the test run is killed


class Program:
    """One program: started by `with` or `start`, ready when `is_ready` says so; killed at the end of the `with`."""

    name = "program"

    def __init__(self, directory: Path) -> None:
        self.directory = directory / self.name
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log = self.directory / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str | Path]:
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        return {}

    def is_ready(self) -> bool:
        raise NotImplementedError

    def launch(self) -> Self:
        """Start, without waiting until it is ready."""
        assert self.process is None, f"{self.name} runs already"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.directory,
                env=os.environ | self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,
            )
        return self

    def start(self) -> Self:
        return self.launch().wait_ready()

    def wait_ready(self) -> Self:
        def ready_or_dead() -> bool:
            assert self.process is not None
            if (code := self.process.poll()) is not None:
                raise AssertionError(f"{self.name} ended with {code}:\n{self.last_words()}")
            return self.is_ready()

        until(ready_or_dead, START_SECONDS, f"{self.name} is ready; its log: {self.log}")
        return self

    def stop(self) -> None:
        """End it in good order; kill it if it does not."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self) -> None:
        """SIGKILL, as the machine's out-of-memory killer would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self) -> Self:
        """After `stop` or `kill`, or instead of a `stop`: the same ports, the same files."""
        self.stop()
        return self.start()

    @property
    def resident_bytes(self) -> int:
        """Memory in use (Linux)."""
        assert self.process is not None
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.kill()
            raise

    def __exit__(self, *exception: object) -> None:
        self.kill()


class Collector(Program):
    """`config` is one configuration file, or several that are merged; `settings` are set in its environment."""

    name = "collector"

    def __init__(
        self, config: Path | Sequence[Path], directory: Path, settings: Mapping[str, str] | None = None, name: str = ""
    ) -> None:
        self.name = name or self.name
        super().__init__(directory)
        self.config = [config] if isinstance(config, Path) else list(config)
        self.settings = dict(settings or {})
        self.data = self.directory / "data"
        self.data.mkdir(exist_ok=True)
        self.otlp_grpc, self.otlp_http, self.health, self.metrics, self.internal_metrics = (
            free_address() for _ in range(5)
        )

    def command(self) -> list[str | Path]:
        return [binary("otelcol"), *(f"--config={path}" for path in self.config)]

    def environment(self) -> dict[str, str]:
        host, port = self.internal_metrics.split(":")
        return {
            "COLLECTOR_GRPC": self.otlp_grpc,
            "COLLECTOR_HTTP": self.otlp_http,
            "COLLECTOR_HEALTH": self.health,
            "COLLECTOR_METRICS": self.metrics,
            "COLLECTOR_TELEMETRY_HOST": host,
            "COLLECTOR_TELEMETRY_PORT": port,
            "COLLECTOR_DATA": str(self.data),
            "NO_PROXY": "127.0.0.1,localhost",
            **self.settings,
        }

    def is_ready(self) -> bool:
        return answers(self.health, "/")

    def internal(self) -> dict[str, float]:
        """Its own metrics, name -> sum over all labels; counters that have not counted yet are missing."""
        return samples(get(self.internal_metrics, "/metrics").decode())


class Jaeger(Program):
    """Jaeger v2 with the configuration of this project, or with `config`."""

    name = "jaeger"

    def __init__(self, directory: Path, config: Path | None = None) -> None:
        super().__init__(directory)
        self.config = config or CONFIGURATION / "jaeger.yaml"
        self.data = self.directory / "data"
        self.data.mkdir(exist_ok=True)
        self.otlp_grpc, self.otlp_http, self.ui, self.grpc, self.health, self.internal_metrics = (
            free_address() for _ in range(6)
        )

    def command(self) -> list[str | Path]:
        return [binary("jaeger"), f"--config={self.config}"]

    def environment(self) -> dict[str, str]:
        host, port = self.internal_metrics.split(":")
        return {
            "JAEGER_OTLP_GRPC_ENDPOINT": self.otlp_grpc,
            "JAEGER_OTLP_HTTP_ENDPOINT": self.otlp_http,
            "JAEGER_QUERY_HTTP_ENDPOINT": self.ui,
            "JAEGER_QUERY_GRPC_ENDPOINT": self.grpc,
            "JAEGER_HEALTH_ENDPOINT": self.health,
            "JAEGER_METRICS_HOST": host,
            "JAEGER_METRICS_PORT": port,
            "JAEGER_DATA_DIR": str(self.data),
            "JAEGER_UI_CONFIG": str(CONFIGURATION / "config-ui.json"),
        }

    def is_ready(self) -> bool:
        return answers(self.ui, "/api/v3/services")

    def services(self) -> list[str]:
        return list(get_json(self.ui, "/api/v3/services").get("services") or [])

    def trace(self, trace_id: str) -> list[dict[str, Any]]:
        """The trace's `resourceSpans` in OTLP JSON, ids in hex; empty while it is not there."""
        try:
            return list(get_json(self.ui, f"/api/v3/traces/{trace_id}")["result"]["resourceSpans"])
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return []
            raise

    def find(self, service: str, limit: int = 1000, **query: str) -> list[dict[str, Any]]:
        """`resourceSpans` of the service's traces of the last day and the next minute."""
        now = time.time()
        period = {
            "query.start_time_min": _rfc3339(now - 86400),
            "query.start_time_max": _rfc3339(now + 60),
            "query.service_name": service,
            "query.search_depth": str(limit),
        }
        try:
            found = get_json(self.ui, "/api/v3/traces", **(period | query))
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return []
            raise
        return list(found["result"]["resourceSpans"])


def _rfc3339(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class Prometheus(Program):
    """Scrapes `targets` (job -> address) every second, with the rules of this project."""

    name = "prometheus"

    def __init__(self, directory: Path, targets: Mapping[str, str], rules: Sequence[Path] = ()) -> None:
        super().__init__(directory)
        self.address = free_address()
        self.config = self.directory / "prometheus.yaml"
        jobs = [
            {"job_name": job, "honor_labels": True, "static_configs": [{"targets": [target]}]}
            for job, target in targets.items()
        ]
        period = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        # YAML reads JSON.
        self.config.write_text(
            json.dumps({"global": period, "rule_files": [str(rule) for rule in rules], "scrape_configs": jobs})
        )

    def command(self) -> list[str | Path]:
        return [
            binary("prometheus"),
            f"--config.file={self.config}",
            f"--storage.tsdb.path={self.directory / 'tsdb'}",
            f"--web.listen-address={self.address}",
        ]

    def is_ready(self) -> bool:
        return answers(self.address, "/-/ready")

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The labels and values that `expression` has now."""
        result = get_json(self.address, "/api/v1/query", query=expression)["data"]["result"]
        return [(sample["metric"], float(sample["value"][1])) for sample in result]


class Kafka(Program):
    """One node, broker and controller (KRaft); topics are made at their first use, with `partitions` partitions."""

    name = "kafka"

    def __init__(self, directory: Path, partitions: int = 4) -> None:
        super().__init__(directory)
        self.brokers, self.controller = free_address(), free_address()
        self.properties = self.directory / "server.properties"
        settings = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{self.controller}",
            "listeners": f"PLAINTEXT://{self.brokers},CONTROLLER://{self.controller}",
            "advertised.listeners": f"PLAINTEXT://{self.brokers}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": self.directory / "data",
            "num.partitions": partitions,
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
        }
        self.properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def _java(self, main: str, *arguments: str | Path) -> list[str | Path]:
        java = shutil.which("java")
        if java is None:
            raise FileNotFoundError("Kafka needs Java 17 or newer: install a JRE")
        return [java, "-Xmx512m", "-cp", f"{binary('kafka')}/*", main, *arguments]

    def command(self) -> list[str | Path]:
        return self._java("kafka.Kafka", self.properties)

    def launch(self) -> Self:
        if not (self.directory / "data" / "meta.properties").exists():
            identifier = "MkU3OEVBNTcwNTJENDM2Qg"
            self.tool("kafka.tools.StorageTool", "format", "-t", identifier, "-c", self.properties)
        return super().launch()

    def tool(self, main: str, *arguments: str | Path) -> str:
        """What a command-line tool of Kafka's says."""
        done = subprocess.run(self._java(main, *arguments), capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{main} failed:\n{done.stdout}{done.stderr}"
        return done.stdout

    def is_ready(self) -> bool:
        if b"Kafka Server started" not in self.log.read_bytes():
            return False
        host, port = self.brokers.split(":")
        with socket.socket() as probe:
            return probe.connect_ex((host, int(port))) == 0


class Tempo(Program):
    """Tempo 3 with the configuration of this project: the program that TEMPO_BIN names, or its container."""

    name = "tempo"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.http, self.grpc, self.otlp_grpc = (free_address() for _ in range(3))
        self.config = CONFIGURATION / "tempo.yaml"
        self.container = f"otel-llm-test-{self.http.split(':')[1]}"

    @staticmethod
    def why_not() -> str:
        """Why it can't be run here; empty where it can."""
        if os.environ.get("TEMPO_BIN"):
            return ""
        if (
            shutil.which("docker")
            and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
        ):
            return ""
        return "NOT RUN against Tempo: neither TEMPO_BIN names a tempo program nor does docker answer here"

    def command(self) -> list[str | Path]:
        options = ["-config.expand-env=true", "-target=all"]
        if program := os.environ.get("TEMPO_BIN"):
            return [program, *options, f"-config.file={self.config}"]
        image = yaml.safe_load((CONFIGURATION / "compose.yaml").read_text())["services"]["tempo"]["image"]
        settings = [f"--env={name}={value}" for name, value in self.environment().items()]
        mounts = [f"--volume={self.config}:/tempo.yaml:ro", f"--volume={self.directory}:{self.directory}"]
        user = f"--user={os.getuid()}:{os.getgid()}"
        docker = [
            "docker",
            "run",
            "--rm",
            "--network=host",
            user,
            f"--name={self.container}",
            *settings,
            *mounts,
            image,
        ]
        return [*docker, *options, "-config.file=/tempo.yaml"]

    def environment(self) -> dict[str, str]:
        (http_host, http_port), (grpc_host, grpc_port) = self.http.split(":"), self.grpc.split(":")
        return {
            "TEMPO_HTTP_HOST": http_host,
            "TEMPO_HTTP_PORT": http_port,
            "TEMPO_GRPC_HOST": grpc_host,
            "TEMPO_GRPC_PORT": grpc_port,
            "TEMPO_OTLP_GRPC_ENDPOINT": self.otlp_grpc,
            "TEMPO_DATA_DIR": str(self.directory / "data"),
        }

    def kill(self) -> None:
        if self.process is not None and not os.environ.get("TEMPO_BIN"):
            subprocess.run(["docker", "kill", self.container], capture_output=True, check=False)
        super().kill()

    def is_ready(self) -> bool:
        return answers(self.http, "/ready")

    def trace(self, trace_id: str) -> list[dict[str, Any]]:
        """The trace's `resourceSpans`, ids in hex; empty while it is not there."""
        try:
            found = get_json(self.http, f"/api/v2/traces/{trace_id}").get("trace", {}).get("resourceSpans", [])
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return []
            raise
        for span in (span for part in found for scope in part["scopeSpans"] for span in scope["spans"]):
            for name in ("traceId", "spanId", "parentSpanId"):
                span[name] = base64.b64decode(span.get(name, "")).hex()
        return list(found)

    def search(self, query: str) -> list[str]:
        """Ids of the traces that the TraceQL `query` finds in the last hour."""
        now = int(time.time())
        found = get_json(self.http, "/api/search", q=query, start=now - 3600, end=now + 60)
        return [trace["traceID"].rjust(32, "0") for trace in found.get("traces") or []]
