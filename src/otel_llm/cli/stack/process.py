"""Background processes that outlive the command that started them.

A process is identified by its id and its start time, because the system reuses ids.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from otel_llm.cli.stack.plan import StackError


@dataclass(frozen=True, slots=True)
class Process:
    """A process that was started earlier, perhaps by another command.

    Attributes:
        pid: Its id.
        started: Its start time in seconds, see `_started`.
    """

    pid: int
    started: float

    @classmethod
    def start(cls, command: Sequence[str], environment: Mapping[str, str], directory: Path, log: Path) -> Process:
        """Start `command` in a session of its own and write its output to `log`.

        Raises:
            OSError: the program can't be started.
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
        child.returncode = 0  # avoids the ResourceWarning of a Popen object that is collected while its process runs
        started = 0.0
        with suppress(psutil.Error):  # it has ended already
            started = _started(psutil.Process(child.pid))
        return cls(child.pid, started)

    @property
    def alive(self) -> bool:
        """Whether the process is running."""
        return self.find() is not None

    def find(self) -> psutil.Process | None:
        """The process if it is running; None if it has ended, even if another process has its id now."""
        with suppress(psutil.Error):
            process = psutil.Process(self.pid)
            if process.status() != psutil.STATUS_ZOMBIE and _started(process) == self.started:
                return process
        return None


def end(processes: Iterable[Process], seconds: float) -> None:
    """Send SIGTERM to each process, and SIGKILL to those that still run after `seconds`.

    Raises:
        StackError: a process belongs to another user.
    """
    running = [found for process in processes if (found := process.find()) is not None]
    for signal in (psutil.Process.terminate, psutil.Process.kill):
        for process in running:
            _send(signal, process)
        _, running = psutil.wait_procs(running, seconds)


def _send(signal: Callable[[psutil.Process], None], process: psutil.Process) -> None:
    try:
        signal(process)
    except psutil.NoSuchProcess:
        pass
    except psutil.AccessDenied as error:
        raise StackError(f"process {process.pid} can't be stopped: it belongs to another user") from error


def _started(process: psutil.Process) -> float:
    """The start time in seconds. On Linux it is relative to the boot, as a change of the clock moves the absolute one.

    Raises:
        psutil.Error: the process has ended.
    """
    return round(float(process.create_time()) - (psutil.boot_time() if psutil.LINUX else 0), 2)
