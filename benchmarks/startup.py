"""What our entry points add to the start of a program under ``opentelemetry-instrument``."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

from harness import Result

_NAMES = [point.name for point in entry_points(group="opentelemetry_instrumentor")]
#: Others are off in both runs: one that imports its library at the start would have us load ours with it.
_OTHERS = ",".join(name for name in _NAMES if not name.startswith("otel_llm_"))
_ALL = ",".join(_NAMES)


def _seconds(disabled: str) -> float:
    """Processor time of the program: its wall time varies by more than what we add."""
    environment = {
        **os.environ,
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": disabled,
    }
    command = [str(Path(sys.executable).with_name("opentelemetry-instrument")), sys.executable, "-c", "pass"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _quartiles(values: list[float]) -> tuple[float, float]:
    low, _, high = statistics.quantiles(values, n=4)
    return low, high


def run(quick: bool = False) -> list[Result]:
    """Milliseconds added, and the same as a share of the program's start without us."""
    pairs = [(_seconds(_ALL), _seconds(_OTHERS)) for _ in range(3 if quick else 21)][1:]
    added = [(with_ours - without) * 1000 for without, with_ours in pairs]
    shares = [(with_ours - without) / without for without, with_ours in pairs]
    return [
        Result(name, statistics.median(values), *_quartiles(values), limit)
        for name, values, limit in (("milliseconds added", added, 40.0), ("share added", shares, None))
    ]
