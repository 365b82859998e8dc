"""The programs of the stack, their configuration and their addresses."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import otel_llm

HOST = "127.0.0.1"

#: The ports that a user needs, with their defaults. For all others, free ports are chosen.
PORTS = {"otlp-grpc": 4317, "otlp-http": 4318, "jaeger": 16686, "prometheus": 9090}

#: Free ports are chosen from these, because Linux, macOS and Windows use higher ones for outgoing connections.
FREE_PORTS = range(15000, 32000)

#: The file names of each program, the one that `make backends` builds first.
PROGRAMS = {
    "collector": ("otelcol", "otelcol-contrib"),
    "jaeger": ("jaeger",),
    "prometheus": ("prometheus",),
}

#: The configuration files of the Collector: an agent on one host that keeps every trace. The contrib distribution lacks
#: a component of ours, so it gets another file.
COLLECTOR_FILES = ("common", "ingest", "spans", "keep-all", "evaluation", "jaeger")
COMPONENT_OF_OURS, FILES_OF_CONTRIB = "span_series", {"spans": "spans-contrib"}


class StackError(Exception):
    """A command fails. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Service:
    """One program of the stack.

    Attributes:
        health: The URL that answers 200 when the program is ready.
        ports: The ports with an option, by the name of the option.
    """

    name: str
    command: list[str]
    environment: dict[str, str]
    health: str
    ports: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """All programs in the order of their start, and the URLs and environment variables for the user."""

    services: list[Service]
    urls: dict[str, str]
    environment: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Plan:
        services = [Service(**service) for service in stored["services"]]
        return cls(services, dict(stored["urls"]), dict(stored["environment"]))


def home() -> Path:
    """The default folder of the stack's state, logs and data."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "otel-llm"


def configuration() -> Path:
    """The folder `collector` of the checkout, or its copy in the installed package.

    Raises:
        StackError: it is in neither place.
    """
    package = Path(otel_llm.__file__).parent
    for place in (package.parents[1] / "collector", package / "collector"):
        if (place / "otelcol").is_dir():
            return place
    raise StackError(f"the configuration of the Collector is not in {package}: install otel-llm again")


def binaries(place: Path | None = None) -> dict[str, str]:
    """Find the native programs: in `place`, in the folder that `make backends` fills, and on the PATH, in this order.

    Returns:
        The path of each program that was found, by name.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "otel-llm" / "backends" / "bin"
    search = os.pathsep.join([*([str(place)] if place else []), str(cache), os.environ.get("PATH", os.defpath)])
    found = {
        name: next(filter(None, (shutil.which(alias, path=search) for alias in aliases)), None)
        for name, aliases in PROGRAMS.items()
    }
    return {name: path for name, path in found.items() if path}


def native(programs: Mapping[str, str], ports: Mapping[str, int], data: Path) -> Plan:
    """The stack of native programs, with its data below `data`. For port 0, a free port is chosen.

    Raises:
        StackError: the configuration is missing.
        OSError: `data` can't be written.
    """
    folder = configuration()
    free = _free_ports()
    chosen = {name: port or next(free) for name, port in ports.items()}
    at = {name: f"{HOST}:{port}" for name, port in chosen.items()}
    inner = (f"{HOST}:{port}" for port in free)
    telemetry, jaeger_telemetry, metrics, jaeger_otlp, health = islice(inner, 5)

    jaeger = Service(
        "jaeger",
        [programs["jaeger"], f"--config={folder / 'jaeger.yaml'}"],
        {
            "JAEGER_OTLP_GRPC_ENDPOINT": jaeger_otlp,
            "JAEGER_OTLP_HTTP_ENDPOINT": next(inner),
            "JAEGER_QUERY_HTTP_ENDPOINT": at["jaeger"],
            "JAEGER_QUERY_GRPC_ENDPOINT": next(inner),
            "JAEGER_HEALTH_ENDPOINT": next(inner),
            "JAEGER_UI_CONFIG": str(folder / "config-ui.json"),
            "JAEGER_DATA_DIR": str(_made(data / "jaeger")),
            "PROMETHEUS_URL": f"http://{at['prometheus']}",
            **_host_and_port("JAEGER_METRICS", jaeger_telemetry),
        },
        f"http://{at['jaeger']}/api/v3/services",
        {"jaeger": chosen["jaeger"]},
    )
    collector = Service(
        "collector",
        [
            programs["collector"],
            *(f"--config={folder / 'otelcol' / name}.yaml" for name in _collector_files(programs["collector"])),
        ],
        {
            "COLLECTOR_GRPC": at["otlp-grpc"],
            "COLLECTOR_HTTP": at["otlp-http"],
            "COLLECTOR_HEALTH": health,
            "COLLECTOR_METRICS": metrics,
            "COLLECTOR_METRICS_INTERVAL": "5s",
            "COLLECTOR_EXEMPLARS_OF_ALL": "true",
            "COLLECTOR_DATA": str(_made(data / "collector")),
            "JAEGER_OTLP": jaeger_otlp,
            **_host_and_port("COLLECTOR_TELEMETRY", telemetry),
        },
        f"http://{health}/",
        {name: chosen[name] for name in ("otlp-grpc", "otlp-http")},
    )
    scraped = {"applications": metrics, "collector": telemetry, "jaeger": jaeger_telemetry}
    prometheus = Service(
        "prometheus",
        [
            programs["prometheus"],
            f"--config.file={_prometheus_file(data, folder, scraped)}",
            f"--storage.tsdb.path={_made(data / 'prometheus')}",
            f"--web.listen-address={at['prometheus']}",
        ],
        {},
        f"http://{at['prometheus']}/-/ready",
        {"prometheus": chosen["prometheus"]},
    )
    urls = {
        "Jaeger": f"http://{at['jaeger']}",
        "Prometheus": f"http://{at['prometheus']}",
        "OTLP over HTTP": f"http://{at['otlp-http']}",
        "OTLP over gRPC": f"http://{at['otlp-grpc']}",
    }
    return Plan([jaeger, collector, prometheus], urls, sdk_environment(urls["OTLP over HTTP"]))


def _collector_files(program: str) -> list[str]:
    """The names of the configuration files that this Collector can load. One that can't be asked gets those of ours."""
    try:
        asked = subprocess.run([program, "components"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return list(COLLECTOR_FILES)
    if asked.returncode or COMPONENT_OF_OURS in asked.stdout:
        return list(COLLECTOR_FILES)
    return [FILES_OF_CONTRIB.get(name, name) for name in COLLECTOR_FILES]


def sdk_environment(endpoint: str) -> dict[str, str]:
    """The environment variables with which an application sends telemetry to `endpoint`, over HTTP.

    The protocol is among them, because the default of `opentelemetry-instrument` is gRPC.
    """
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}


def _host_and_port(name: str, address: str) -> dict[str, str]:
    host, _, port = address.partition(":")
    return {f"{name}_HOST": host, f"{name}_PORT": port}


def _prometheus_file(data: Path, folder: Path, targets: Mapping[str, str]) -> Path:
    """Write Prometheus' configuration with these targets, because it can't read them from the environment.

    It is written as JSON, which is valid YAML.
    """
    jobs = [
        {"job_name": job, "honor_labels": job == "applications", "static_configs": [{"targets": [target]}]}
        for job, target in targets.items()
    ]
    rules = [str(folder / "prometheus" / "rules.yaml")]
    path = _made(data / "prometheus").with_suffix(".json")
    path.write_text(json.dumps({"global": {"scrape_interval": "5s"}, "rule_files": rules, "scrape_configs": jobs}))
    return path


def _made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def _free_ports() -> Iterator[int]:
    """Yield ports that are free now, each once."""
    for port in random.sample(FREE_PORTS, len(FREE_PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        yield port
