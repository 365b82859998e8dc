"""Tempo, where there is one: it is not among the programs that are built."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import time
import urllib.error
from pathlib import Path
from typing import Any

import yaml

from e2e.program import Program, answers, free_address, get_json
from e2e.programs import CONFIGURATION


class Tempo(Program):
    """Tempo 3 with the configuration of this project: the program that TEMPO_BIN names, or its container."""

    name = "tempo"

    def __init__(self, directory: Path, prometheus: str = "") -> None:
        """`prometheus` is the address that takes the service graph."""
        super().__init__(directory)
        self.prometheus = prometheus
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
            **({"PROMETHEUS_WRITE": f"http://{self.prometheus}/api/v1/write"} if self.prometheus else {}),
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
