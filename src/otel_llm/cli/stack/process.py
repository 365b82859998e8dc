"""Processes that outlive the command that started them, known again by id and start time: ids are used again."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    started: str

    @classmethod
    def start(cls, command: Sequence[str], environment: Mapping[str, str], directory: Path, log: Path) -> Process:
        """Start `command` in a session of its own, its output into `log`.

        Raises:
            OSError: it can't be started.
        """
        with log.open("wb") as output:
            child = subprocess.Popen(
                command,
                cwd=directory,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child.returncode = 0  # it is meant to stay: no warning when the object goes
        return cls(child.pid, _identity(child.pid) or "")

    @property
    def alive(self) -> bool:
        return bool(self.started) and _identity(self.pid) == self.started

    def send(self, number: signal.Signals) -> None:
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def end(processes: Iterable[Process], seconds: float) -> None:
    """SIGTERM to each and, to those that are still there after `seconds`, SIGKILL."""
    remaining = [process for process in processes if process.alive]
    for process in remaining:
        process.send(signal.SIGTERM)
    remaining = _left(remaining, seconds)
    for process in remaining:
        process.send(signal.SIGKILL)
    _left(remaining, seconds)


def _left(processes: list[Process], seconds: float) -> list[Process]:
    deadline = time.monotonic() + seconds
    while (processes := [process for process in processes if process.alive]) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return processes


def _identity(pid: int) -> str | None:
    """When the process started, in whatever form the system tells it; None for one that has ended."""
    with suppress(ChildProcessError):
        if os.waitpid(pid, os.WNOHANG)[0]:  # a child of ours that ended stays listed until it is waited for
            return None
    if Path("/proc/self/stat").exists():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else fields[19]
    asked = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = asked.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else started.strip()
