"""The processes behind `otel-llm up`, `down` and `status`: found again by later commands, and ended."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from otel_llm.cli import main
from otel_llm.cli.stack.plan import StackError
from otel_llm.cli.stack.process import Process, end

SLEEP = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"

Start = Any


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Process] = []

    def run(program: str = SLEEP, **environment: str) -> Process:
        log = tmp_path / f"{len(started)}.log"
        started.append(Process.start([sys.executable, "-c", program], environment, tmp_path, log))
        while not log.read_text() and started[-1].alive:
            time.sleep(0.01)
        return started[-1]

    yield run
    end(started, 0)


def test_a_process_is_found_again_by_another_command(start: Start) -> None:
    process = start()
    stored = json.dumps(dataclasses.asdict(process))
    program = "import json, sys; from otel_llm.cli.stack.process import Process; "
    program += "process = Process(**json.loads(sys.argv[1])); print(process.alive)"
    asked = subprocess.run([sys.executable, "-c", program, stored], capture_output=True, text=True, check=True)
    assert asked.stdout == "True\n"


def test_it_has_a_session_of_its_own_and_the_environment(start: Start, tmp_path: Path) -> None:
    process = start(
        "import os; print(os.environ['MARK'], os.getsid(0) == os.getpid(), os.getcwd(), flush=True)", MARK="m"
    )
    psutil.wait_procs([psutil.Process(process.pid)] if process.alive else [], 10)
    assert (tmp_path / "0.log").read_text().split() == ["m", "True", str(tmp_path)]


def test_one_that_ended_is_not_alive(start: Start) -> None:
    process = start("pass")
    while process.alive:
        time.sleep(0.01)
    end([process], 1)


def test_one_with_the_same_id_is_another(start: Start) -> None:
    process = start()
    earlier = dataclasses.replace(process, started=process.started - 1)
    assert not earlier.alive
    end([earlier], 0.2)
    assert process.alive


def test_ending_kills_what_does_not_listen(start: Start) -> None:
    processes = [start(), start(STUBBORN)]
    began = time.monotonic()
    end(processes, 0.5)
    assert time.monotonic() - began < 10
    assert [process.alive for process in processes] == [False, False]


def test_no_warning_when_the_command_ends(start: Start) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        start()


def test_the_process_of_another_user_is_told(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    process = start()
    with monkeypatch.context() as patched:
        patched.setattr(psutil.Process, "terminate", lambda self: (_ for _ in ()).throw(psutil.AccessDenied(self.pid)))
        with pytest.raises(StackError, match=rf"process {process.pid} can't be stopped: it belongs to another user"):
            end([process], 1)


def test_a_clock_that_was_set_changes_nothing(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Linux the kernel reports another boot time then, and psutil another start time."""
    if not psutil.LINUX:
        pytest.skip("start times are absolute here")
    process = start()
    boot, created = psutil.boot_time, psutil.Process.create_time
    monkeypatch.setattr(psutil, "boot_time", lambda: boot() + 3600)
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: created(self) + 3600)
    assert process.alive


def test_without_psutil_the_extra_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    program = "import sys, importlib.util as u; find = u.find_spec;"
    program += "u.find_spec = lambda name, *rest: None if name == 'psutil' else find(name, *rest);"
    program += "from otel_llm.cli import main; sys.exit(main(['status']))"
    asked = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ)
    assert asked.returncode == 2
    assert '`status` needs the psutil package: pip install "otel-llm[cli]"' in asked.stderr


def test_nothing_runs_in_an_empty_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["status", "--directory", str(tmp_path)]) == 1
    assert "Nothing is running" in capsys.readouterr().out
