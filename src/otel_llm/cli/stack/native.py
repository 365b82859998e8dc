"""Runs the stack as native programs in the background. A state file records which processes were started."""

from __future__ import annotations

import errno
import fcntl
import http.client
import json
import re
import shutil
import socket
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from otel_llm.cli.stack.plan import HOST, Plan, Service, StackError, native
from otel_llm.cli.stack.process import Process, end

START_SECONDS = 60
STOP_SECONDS = 20
#: The free disk space that a start requires: enough for the queues, traces and metrics of a day.
NEEDED_BYTES = 500_000_000
_LOG_LINES = 15
_POLL_SECONDS = 0.1
_ANSWER_SECONDS = 5


@dataclass
class Stack:
    """The stack whose state, logs and data are below `directory`."""

    directory: Path
    plan: Plan | None = None
    processes: dict[str, Process] = field(default_factory=dict)

    @classmethod
    def load(cls, directory: Path) -> Stack:
        """The stack that was started in `directory`; without a plan if none was.

        Raises:
            StackError: the state file can't be read.
        """
        path = directory / "state.json"
        try:
            stored: Any = json.loads(path.read_text())
            processes = {name: Process(**process) for name, process in stored["processes"].items()}
            return cls(directory, Plan.from_json(stored["plan"]), processes)
        except FileNotFoundError:
            return cls(directory)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StackError(
                f"{path} can't be read ({error}): stop the programs that still run by hand, and remove the file"
            ) from error

    def save(self) -> None:
        assert self.plan is not None
        processes = {name: asdict(process) for name, process in self.processes.items()}
        fresh = self.directory / "state.json.new"
        fresh.write_text(json.dumps({"plan": self.plan.as_json(), "processes": processes}, indent=1))
        fresh.replace(self.directory / "state.json")

    def alive(self, name: str) -> bool:
        return name in self.processes and self.processes[name].alive

    @property
    def running(self) -> bool:
        """Whether any of its programs is running."""
        return any(self.alive(name) for name in self.processes)

    def health(self) -> dict[str, str]:
        """The state of each program: `ready`, `not ready` or `not running`."""
        assert self.plan is not None
        return {service.name: self._health(service) for service in self.plan.services}

    def _health(self, service: Service) -> str:
        if not self.alive(service.name):
            return "not running"
        return "ready" if answers(service.health) else "not ready"

    def log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def up(self, programs: Mapping[str, str], ports: Mapping[str, int]) -> list[str]:
        """Start the programs that are not running, and return their names.

        Raises:
            StackError: a port is taken, the disk is full, or a program does not start. What was started is stopped.
        """
        with _locked(self.directory):
            if self.plan is None or not self.running:
                self.plan, self.processes = native(programs, ports, self.directory / "data"), {}
            missing = [service for service in self.plan.services if not self.alive(service.name)]
            if missing:
                _require_room(self.directory)
                _require_free_ports(missing)
            try:
                for service in missing:
                    self._start(service)
            except BaseException:
                end((self.processes[service.name] for service in missing if service.name in self.processes), 5)
                if not self.running:
                    (self.directory / "state.json").unlink(missing_ok=True)
                raise
        return [service.name for service in missing]

    def _start(self, service: Service) -> None:
        log = self.log(service.name)
        try:
            process = Process.start(service.command, service.environment, self.directory, log)
        except OSError as error:
            raise StackError(f"{service.name} can't be started: {service.command[0]}: {error.strerror}") from error
        self.processes[service.name] = process
        self.save()
        deadline = time.monotonic() + START_SECONDS
        while not answers(service.health):
            if not process.alive:
                raise StackError(f"{service.name} ended while starting. {explain(service, log)}")
            if time.monotonic() > deadline:
                raise StackError(f"{service.name} was not ready within {START_SECONDS} s. {explain(service, log)}")
            time.sleep(_POLL_SECONDS)

    def down(self) -> list[str]:
        """Stop what `up` started, and return the names of the programs that were still running."""
        with _locked(self.directory):
            stopped = [name for name in self.processes if self.alive(name)]
            # The Collector first, because it sends what it holds to Jaeger.
            for name in sorted(self.processes, key=lambda name: name != "collector"):
                end([self.processes[name]], STOP_SECONDS)
            (self.directory / "state.json").unlink(missing_ok=True)
        return stopped


def answers(url: str) -> bool:
    """Whether a server answers `url` with success."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=_ANSWER_SECONDS):
            return True
    except (OSError, http.client.HTTPException):
        return False


def explain(service: Service, log: Path) -> str:
    """Why `service` did not start, according to its log, and what to do."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError as error:
        return f"Its log can't be read: {error}"
    said = "\n".join(lines).lower()
    if taken := re.search(r":(\d+): bind: address already in use", said):
        names = [name for name, port in service.ports.items() if port == int(taken[1])]
        return _taken(names[0], int(taken[1])) if names else f"Port {taken[1]} was taken by another program: try again."
    if "no space left on device" in said:
        return f"The disk that holds {log.parent} is full: free some space, or use --directory on another disk."
    return "\n".join([f"The end of {log}:", *(f"  {line}" for line in lines[-_LOG_LINES:])])


def _taken(name: str, port: int) -> str:
    return (
        f"Port {port} is taken by another program: stop that (`lsof -i :{port}` names it), or choose another with"
        f" --{name}-port; 0 is any free port."
    )


def _require_free_ports(services: list[Service]) -> None:
    wanted = [(service.name, name, port) for service in services for name, port in service.ports.items()]
    names: dict[int, str] = {}
    for _, name, port in wanted:
        if (other := names.setdefault(port, name)) != name:
            raise StackError(f"port {port} is given twice: choose another with --{other}-port or --{name}-port")
    for program, name, port in wanted:
        with socket.socket() as probe:
            # The programs set it too. Without it, a connection that has just ended would make the port look taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise StackError(f"{program}: {_taken(name, port)}") from error
                raise StackError(
                    f"{program} can't listen at port {port} ({error.strerror}): choose another with --{name}-port"
                ) from error


def _require_room(directory: Path) -> None:
    free = shutil.disk_usage(directory).free
    if free < NEEDED_BYTES:
        raise StackError(
            f"the disk that holds {directory} has {free // 1_000_000} MB free, the stack needs"
            f" {NEEDED_BYTES // 1_000_000}: free some space, or use --directory on another disk"
        )


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Prevent two commands from working in `directory` at the same time.

    Raises:
        StackError: another command is at work, or the directory can't be written.
    """
    try:
        # Private to the owner, because it holds prompts and answers.
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (directory / "lock").open("w")
    except OSError as error:
        raise StackError(f"{directory} can't be written ({error.strerror}): use --directory") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(f"another `otel-llm` command is at work in {directory}: wait for its end") from None
        yield
