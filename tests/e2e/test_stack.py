"""`otel-llm up`, `down` and `status`: the stack on one machine, and what they say where it cannot be."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from e2e.programs import BACKENDS, answers, free_address, get_json, until

pytestmark = pytest.mark.timeout(600)

FREE_PORTS = [f"--{name}-port=0" for name in ("otlp-grpc", "otlp-http", "jaeger", "prometheus")]


def otel_llm(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command, in a process of its own, as a user runs it."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return subprocess.run(
        [sys.executable, "-m", "otel_llm.cli", *map(str, arguments)],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A place for one stack, which is ended with the test."""
    place = tmp_path / "stack"
    yield place
    otel_llm("down", "--directory", place)


@pytest.fixture
def up(directory: Path) -> dict[str, Any]:
    started = otel_llm("up", "--directory", directory, *FREE_PORTS)
    assert started.returncode == 0, started.stderr
    return status(directory)


def status(directory: Path) -> dict[str, Any]:
    return dict(json.loads(otel_llm("status", "--json", "--directory", directory).stdout))


def processes(directory: Path) -> dict[str, int]:
    stored = json.loads((directory / "state.json").read_text())["processes"]
    return {name: process["pid"] for name, process in stored.items()}


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def send_span(environment: Mapping[str, str]) -> str:
    """One span, sent as the printed environment says; its trace id."""
    provider = TracerProvider(resource=Resource({"service.name": "hello"}), shutdown_on_exit=False)
    endpoint = environment["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/traces"
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint)))
    span = provider.get_tracer("test").start_span("hello")
    span.end()
    provider.shutdown()
    return f"{span.get_span_context().trace_id:032x}"


def in_jaeger(url: str, trace_id: str) -> bool:
    return answers(url.removeprefix("http://"), f"/api/v3/traces/{trace_id}")


def test_up_brings_a_span_to_jaeger_and_down_ends_it(directory: Path) -> None:
    started = otel_llm("up", "--directory", directory, *FREE_PORTS)
    assert started.returncode == 0, started.stderr
    said = status(directory)
    assert said["programs"] == {"jaeger": "ready", "collector": "ready", "prometheus": "ready"}
    for url in said["urls"].values():
        assert url in started.stdout
    for name, value in said["environment"].items():
        assert f"export {name}={value}" in started.stdout
    assert f"otel-llm down --directory {directory}" in started.stdout

    trace_id = send_span(said["environment"])
    until(lambda: in_jaeger(said["urls"]["Jaeger"], trace_id), 120, "the span is in Jaeger")

    pids = processes(directory)
    ended = otel_llm("down", "--directory", directory)
    assert "collector, " in ended.stdout or "Stopped: " in ended.stdout
    assert all(gone(pid) for pid in pids.values())
    assert "Nothing is running" in otel_llm("status", "--directory", directory).stdout


def test_what_is_stored_outlives_down(directory: Path, up: dict[str, Any]) -> None:
    trace_id = send_span(up["environment"])
    until(lambda: in_jaeger(up["urls"]["Jaeger"], trace_id), 120, "the span is in Jaeger")
    otel_llm("down", "--directory", directory)
    otel_llm("up", "--directory", directory, *FREE_PORTS)
    assert in_jaeger(status(directory)["urls"]["Jaeger"], trace_id)


def test_up_again_changes_nothing(directory: Path, up: dict[str, Any]) -> None:
    before = processes(directory)
    again = otel_llm("up", "--directory", directory)
    assert again.returncode == 0
    assert "Everything is running already" in again.stdout
    assert processes(directory) == before
    assert status(directory) == up


def test_a_program_that_died_is_told_and_started_again(directory: Path, up: dict[str, Any]) -> None:
    before = processes(directory)
    os.kill(before["collector"], signal.SIGKILL)
    until(lambda: gone(before["collector"]), 60, "the Collector is dead")
    told = otel_llm("status", "--directory", directory)
    assert told.returncode == 1
    assert "collector    not running" in told.stdout
    assert "`otel-llm up` starts it again" in told.stderr

    assert "Started: collector." in otel_llm("up", "--directory", directory).stdout
    after = processes(directory)
    assert {name for name in before if before[name] != after[name]} == {"collector"}
    assert status(directory) == up


def test_down_ends_nothing_that_it_did_not_start(directory: Path, up: dict[str, Any]) -> None:
    """A process id of the state file that now belongs to another process."""
    path = directory / "state.json"
    pids = processes(directory)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as other:
        try:
            state = json.loads(path.read_text())
            state["processes"]["prometheus"]["pid"] = other.pid
            path.write_text(json.dumps(state))
            otel_llm("down", "--directory", directory)
            assert other.poll() is None
            assert gone(pids["collector"])
            assert gone(pids["jaeger"])
        finally:
            os.kill(pids["prometheus"], signal.SIGKILL)
            other.kill()


@pytest.mark.parametrize("name", ["otlp-grpc", "otlp-http", "jaeger", "prometheus"])
def test_a_taken_port_is_named_with_the_option_that_changes_it(directory: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = [option for option in FREE_PORTS if name not in option]
        refused = otel_llm("up", "--directory", directory, *options, f"--{name}-port={port}")
    assert refused.returncode == 2
    assert f"Port {port} is taken" in refused.stderr
    assert f"--{name}-port" in refused.stderr
    assert "Nothing is running" in otel_llm("status", "--directory", directory).stdout


def test_a_port_given_twice_is_told(directory: Path) -> None:
    options = [option for option in FREE_PORTS if "otlp" not in option]
    port = free_address().split(":")[1]
    refused = otel_llm("up", "--directory", directory, *options, f"--otlp-grpc-port={port}", f"--otlp-http-port={port}")
    assert refused.returncode == 2
    assert f"port {port} is given twice: choose another with --otlp-grpc-port or --otlp-http-port" in refused.stderr


@pytest.mark.parametrize("port", ["http", "65536", "-1"])
def test_what_is_no_port_is_told(directory: Path, port: str) -> None:
    refused = otel_llm("up", "--directory", directory, f"--jaeger-port={port}")
    assert refused.returncode == 2
    assert f"{port} is not a port: use 1 to 65535, or 0 for any free port" in refused.stderr


def test_missing_programs_are_named_with_ways_to_get_them(directory: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "otelcol").symlink_to(BACKENDS / "otelcol")
    nothing = {"PATH": str(programs), "XDG_CACHE_HOME": str(tmp_path)}
    refused = otel_llm("up", "--directory", directory, "--programs", programs, **nothing)
    assert refused.returncode == 2
    assert "jaeger, prometheus not found" in refused.stderr
    assert "make backends" in refused.stderr
    assert "docker is not installed" in refused.stderr


def test_a_program_that_cannot_start_is_told_with_its_last_words(directory: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    # The others are where they were built.
    (programs / "otelcol").write_text("#!/bin/sh\necho 'made for another machine' >&2\nexit 3\n")
    (programs / "otelcol").chmod(0o755)
    refused = otel_llm("up", "--directory", directory, "--programs", programs, *FREE_PORTS)
    assert refused.returncode == 2
    assert "collector ended while starting" in refused.stderr
    assert "made for another machine" in refused.stderr
    assert "Nothing is running" in otel_llm("status", "--directory", directory).stdout, "Jaeger was ended again"


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """On a disk of 16 MB of its own."""
    mount = "mount -t tmpfs -o size=16m disk {0} && exec {1} -m otel_llm.cli up --directory {0}/stack"
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount.format(tmp_path, sys.executable)]
    if shutil.which("unshare") is None or subprocess.run([*command[:4], "true"], check=False).returncode:
        pytest.skip("no disk of its own can be made here: user namespaces are off")
    refused = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert refused.returncode == 2, refused.stderr
    assert "MB free, the stack needs 500" in refused.stderr
    assert "--directory on another disk" in refused.stderr


def test_a_broken_state_file_is_told(directory: Path) -> None:
    directory.mkdir()
    (directory / "state.json").write_text("{")
    refused = otel_llm("status", "--directory", directory)
    assert refused.returncode == 2
    assert "state.json can't be read" in refused.stderr
    (directory / "state.json").unlink()


def told(directory: Path, endpoint: str, protocol: str = "") -> tuple[int, str]:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    done = otel_llm("status", "--directory", directory, **environment)
    return done.returncode, done.stderr


def test_a_wrong_endpoint_is_told_with_the_right_one(directory: Path, up: dict[str, Any]) -> None:
    http, grpc, jaeger = (up["urls"][name] for name in ("OTLP over HTTP", "OTLP over gRPC", "Jaeger"))
    assert told(directory, http, "http/protobuf") == (0, "")
    assert told(directory, grpc, "grpc") == (0, "")
    assert told(directory, grpc) == (0, "")

    for endpoint, protocol, advice in [
        (http, "", "set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"),
        (grpc, "http/protobuf", "set OTEL_EXPORTER_OTLP_PROTOCOL=grpc"),
        (f"{http}/v1/traces", "http/protobuf", "leave out /v1/traces"),
        (f"{jaeger}/nothing", "http/protobuf", "it is no OTLP receiver"),
        (f"http://{free_address()}", "http/protobuf", "is it the right address, and running?"),
        (f"http://{free_address()}", "grpc", "is it the right address, and running?"),
        ("http://nowhere.invalid:4318", "http/protobuf", "is it the right address, and running?"),
        ("localhost:4318", "http/protobuf", "it must start with http:// or https://"),
        ("http://localhost:port", "http/protobuf", "is not a URL"),
    ]:
        code, said = told(directory, endpoint, protocol)
        assert (code, advice in said) == (1, True), (endpoint, protocol, said)
        assert endpoint in said


def test_prometheus_scrapes_all_of_it(up: dict[str, Any]) -> None:
    address = up["urls"]["Prometheus"].removeprefix("http://")

    def healthy() -> bool:
        targets = get_json(address, "/api/v1/targets")["data"]["activeTargets"]
        return {target["labels"]["job"] for target in targets if target["health"] == "up"} == {
            "applications",
            "collector",
            "jaeger",
        }

    until(healthy, 120, "all targets are up")


def test_jaeger_monitors_rate_errors_and_duration(up: dict[str, Any]) -> None:
    """What its Monitor tab asks for; a rate needs calls over some time."""
    address = up["urls"]["Jaeger"].removeprefix("http://")

    def points(metric: str) -> list[Any]:
        asked = {
            "service": "hello",
            "spanKind": "internal",
            "quantile": "0.95",
            "endTs": int(time.time() * 1000),
        }
        found = get_json(address, f"/api/metrics/{metric}", **asked, lookback=600_000, step=5_000, ratePer=600_000)
        return [point for series in found["metrics"] for point in series["metricPoints"]]

    def shown() -> bool:
        send_span(up["environment"])
        return all(points(metric) for metric in ("calls", "errors", "latencies"))

    until(shown, 120, "Jaeger has all three")
