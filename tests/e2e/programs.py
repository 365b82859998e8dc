"""The real programs that the end-to-end tests run: Collector, Jaeger, Prometheus, Kafka. `make backends`."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.error
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from e2e.program import (
    BACKENDS,
    ROOT,
    Program,
    answers,
    binary,
    free_address,
    get,
    get_json,
    samples,
    until,
)

__all__ = [
    "BACKENDS",
    "CONFIGURATION",
    "KEPT_STORE",
    "ROOT",
    "Collector",
    "Jaeger",
    "Kafka",
    "Program",
    "Prometheus",
    "SmallDisk",
    "answers",
    "binary",
    "free_address",
    "get",
    "get_json",
    "until",
]

CONFIGURATION = ROOT / "collector"
#: A backend for tests: a file beside the Collector, with the spans that it has kept.
KEPT_STORE = """
exporters:
  file/kept:
    path: ${env:COLLECTOR_DATA}/kept.jsonl
service:
  pipelines:
    traces/store:
      receivers: [forward/kept]
      exporters: [file/kept]
"""


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


class SmallDisk(Collector):
    """A Collector whose data is on a disk of its own, in memory, which ends with the process (Linux)."""

    megabytes = 8

    def command(self) -> list[str | Path]:
        mount = f'mount -t tmpfs -o size={self.megabytes}m disk {self.data} && exec "$@"'
        return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh", *super().command()]

    def environment(self) -> dict[str, str]:
        return {"COLLECTOR_DISK_RESERVE_BYTES": str(1 << 20), **super().environment()}

    @property
    def disk(self) -> Path:
        """Where others see its data."""
        assert self.process is not None
        return Path(f"/proc/{self.process.pid}/root{self.data}")


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
    """Scrapes `targets` (job -> address) every second, with `rules`."""

    name = "prometheus"

    def __init__(
        self,
        directory: Path,
        targets: Mapping[str, str],
        rules: Sequence[Path] = (),
        honor_labels: bool = True,
        name: str = "",
    ) -> None:
        self.name = name or self.name
        super().__init__(directory)
        self.address = free_address()
        self.config = self.directory / "prometheus.yaml"
        jobs = [
            {"job_name": job, "honor_labels": honor_labels, "static_configs": [{"targets": [target]}]}
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
            "--web.enable-remote-write-receiver",
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
        self.settings: dict[str, str | int | Path] = {
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

    def _java(self, main: str, *arguments: str | Path) -> list[str | Path]:
        java = shutil.which("java")
        if java is None:
            raise FileNotFoundError("Kafka needs Java 17 or newer: install a JRE")
        return [java, "-Xmx512m", "-cp", f"{binary('kafka')}/*", main, *arguments]

    def command(self) -> list[str | Path]:
        return self._java("kafka.Kafka", self.properties)

    def launch(self) -> Self:
        self.properties.write_text("".join(f"{name}={value}\n" for name, value in self.settings.items()))
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
