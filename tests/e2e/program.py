"""A program that a test runs: on free ports of 127.0.0.1, with its files below a directory of the test's.

It can be stopped, killed and started again on the same ports and files, and ends with the test run, however that ends.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

ROOT = Path(__file__).resolve().parents[2]
BACKENDS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "otel-llm" / "backends" / "bin"

START_SECONDS = 180
STOP_SECONDS = 60

T = TypeVar("T")


def binary(name: str) -> Path:
    """Path of a built program.

    Raises:
        FileNotFoundError: it was not built.
    """
    path = BACKENDS / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run `make backends`")
    return path


#: Below what the system uses for outgoing connections, in no order that another run at the same time has too.
_PORTS = iter(random.SystemRandom().sample(range(15000, 32000), 17000))

#: Address -> socket that keeps it from others until its program starts; nothing listens there.
_KEPT: dict[str, socket.socket] = {}


def free_address() -> str:
    """An address that is free, that no other call gives, and that no other run at the same time can take."""
    for port in _PORTS:
        keeper = socket.socket()
        try:
            keeper.bind(("127.0.0.1", port))
        except OSError:
            keeper.close()
            continue
        address = f"127.0.0.1:{port}"
        _KEPT[address] = keeper
        return address
    raise AssertionError("no port is free")


def until(condition: Callable[[], T], seconds: float, what: str) -> T:
    """The first truthy result of `condition`, asked for again and again for `seconds`; AssertionError after that."""
    deadline = time.monotonic() + seconds
    while True:
        asked = time.monotonic()
        result = condition()
        if result:
            return result
        now = time.monotonic()
        if now > deadline:
            raise AssertionError(f"not within {seconds} s: {what} (last: {result!r})")
        time.sleep(max(0.05, now - asked))  # what takes long to ask must not slow what is waited for


def get(address: str, path: str, **query: str | int) -> bytes:
    """The body of `http://address/path`, straight, without a proxy of the environment.

    Raises:
        OSError: nothing answers there, or it answers with an error.
    """
    url = f"http://{address}{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=20) as response:
        return bytes(response.read())


def get_json(address: str, path: str, **query: str | int) -> Any:
    return json.loads(get(address, path, **query))


def answers(address: str, path: str) -> bool:
    try:
        get(address, path)
    except OSError:
        return False
    return True


def samples(text: str) -> dict[str, float]:
    """The metrics of a Prometheus page, name -> sum of its samples over all labels."""
    sums: dict[str, float] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name = line.split("{")[0].split()[0]
            sums[name] = sums.get(name, 0.0) + float(line.rsplit("}", 1)[-1].split()[0 if "}" in line else 1])
    return sums


#: Looked up here: between fork and exec, with threads in the parent, nothing may be loaded.
_PRCTL = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def _die_with_parent() -> None:
    if _PRCTL is not None:
        _PRCTL(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: also when the test run is killed


class Program:
    """One program: started by `with` or `start`, ready when `is_ready` says so; killed at the end of the `with`."""

    name = "program"

    def __init__(self, directory: Path) -> None:
        self.directory = directory / self.name
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log = self.directory / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str | Path]:
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        return {}

    def is_ready(self) -> bool:
        raise NotImplementedError

    def launch(self) -> Self:
        """Start, without waiting until it is ready."""
        assert self.process is None, f"{self.name} runs already"
        for address in vars(self).values():
            if keeper := _KEPT.pop(address, None) if isinstance(address, str) else None:
                keeper.close()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.directory,
                env=os.environ | self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,
            )
        return self

    def start(self) -> Self:
        return self.launch().wait_ready()

    def wait_ready(self) -> Self:
        def ready_or_dead() -> bool:
            assert self.process is not None
            if (code := self.process.poll()) is not None:
                raise AssertionError(f"{self.name} ended with {code}:\n{self.last_words()}")
            return self.is_ready()

        until(ready_or_dead, START_SECONDS, f"{self.name} is ready; its log: {self.log}")
        return self

    def stop(self) -> None:
        """End it in good order; kill it if it does not."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self) -> None:
        """SIGKILL, as the machine's out-of-memory killer would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self) -> Self:
        """After `stop` or `kill`, or instead of a `stop`: the same ports, the same files."""
        self.stop()
        return self.start()

    @property
    def resident_bytes(self) -> int:
        """Memory in use (Linux)."""
        assert self.process is not None
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.kill()
            raise

    def __exit__(self, *exception: object) -> None:
        self.kill()
