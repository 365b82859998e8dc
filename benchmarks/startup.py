"""What our entry points add to the start of a program under ``opentelemetry-instrument``."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from time import perf_counter

from harness import Result

_OURS = ",".join(
    point.name for point in entry_points(group="opentelemetry_instrumentor") if point.name.startswith("otel_llm_")
)


def _seconds(disabled: str) -> float:
    environment = {
        **os.environ,
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": disabled,
    }
    command = [str(Path(sys.executable).with_name("opentelemetry-instrument")), sys.executable, "-c", "pass"]
    start = perf_counter()
    subprocess.run(command, env=environment, check=True)
    return perf_counter() - start


def run(quick: bool = False) -> list[Result]:
    """Milliseconds added, and the same as a share of the program's start without us."""
    pairs = [(_seconds(_OURS), _seconds("")) for _ in range(3 if quick else 21)][1:]
    added = [(with_ours - without) * 1000 for without, with_ours in pairs]
    shares = [(with_ours - without) / without for without, with_ours in pairs]
    return [
        Result(name, statistics.median(values), min(values), max(values), limit)
        for name, values, limit in (("milliseconds added", added, 40.0), ("share added", shares, None))
    ]
