"""Runs the stack in containers, with the compose file that the package contains."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from otel_llm.cli.stack.plan import StackError, configuration, sdk_environment

PROJECT = "otel-llm"

#: The ports that the compose file publishes on this machine.
URLS = {
    "Jaeger": "http://localhost:16686",
    "Grafana": "http://localhost:3000",
    "Prometheus": "http://localhost:9090",
    "OTLP over HTTP": "http://localhost:4318",
    "OTLP over gRPC": "http://localhost:4317",
}
ENVIRONMENT = sdk_environment(URLS["OTLP over HTTP"])


def why_not() -> str:
    """Why containers can't be run here and what to do; empty if they can."""
    if shutil.which("docker") is None:
        return "docker is not installed: https://docs.docker.com/get-docker/"
    if _quietly("docker", "compose", "version").returncode:
        return "docker has no `compose` command: https://docs.docker.com/compose/install/"
    if (asked := _quietly("docker", "info")).returncode:
        said = (asked.stderr.strip() or asked.stdout.strip()).splitlines()
        return f"docker does not answer ({said[-1] if said else 'no reason given'}): start Docker"
    return ""


def up() -> None:
    """Start the containers that are not running, and wait until all are healthy.

    Raises:
        StackError: Docker fails; it prints the reason on standard error.
    """
    _require()
    if _compose("up", "--detach", "--wait"):
        raise StackError("`docker compose up` failed for the reason above; `otel-llm down` stops what has started")


def down() -> None:
    _require()
    if _compose("down"):
        raise StackError("`docker compose down` failed for the reason above")


def show() -> bool:
    """Print a list of the containers. Returns whether any is running."""
    _compose("ps", "--all")
    return running()


def running() -> bool:
    listed = _quietly(*_command("ps", "--quiet"))
    return listed.returncode == 0 and bool(listed.stdout.strip())


def _require() -> None:
    if reason := why_not():
        raise StackError(reason)


def _command(*arguments: str) -> list[str]:
    return ["docker", "compose", "--project-name", PROJECT, "--file", str(_file()), *arguments]


def _file() -> Path:
    return configuration() / "compose.yaml"


def _compose(*arguments: str) -> int:
    return subprocess.run(_command(*arguments), check=False).returncode


def _quietly(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)
