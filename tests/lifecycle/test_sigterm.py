"""SIGTERM runs no exit handlers: what waits is sent before, if that is asked for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from interpreter import stand_ins
from processes import EXAMPLES, PRELUDE

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no POSIX signals here")

SETUP = """
import signal, threading
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
import otel_llm
from otel_llm.lifecycle import ending, sigterm
import openai

exporter = ConsoleSpanExporter(formatter=lambda span: f"{span.name}\\n")
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(exporter))
trace.set_tracer_provider(provider)
"""
ASK = """
client = openai.OpenAI()
client.embeddings.create(model="e", input="x")
"""
TERMINATE = "os.kill(os.getpid(), signal.SIGTERM)\nthreading.Event().wait(30)"


def terminated(program: str, on: bool = True, code: int = -signal.SIGTERM, setup: str = SETUP) -> tuple[list[str], str]:
    """The spans that a program has sent when it has terminated, and what it logged."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "OPENAI_"))}
    with stand_ins() as servers:
        done = subprocess.run(
            [sys.executable, "-c", PRELUDE + setup + program],
            env=inherited | servers | {"EXAMPLES": str(EXAMPLES), "OTEL_LLM_FLUSH_ON_SIGTERM": str(on).lower()},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == code, done.stderr
    return done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize("on", [True, False])
def test_what_waits_and_what_is_open(on: bool) -> None:
    read = 'stream = client.responses.create(model="r", input="hi", stream=True)\nnext(stream)\n'
    spans, _ = terminated(f"otel_llm.instrument(){ASK}{read}{TERMINATE}", on)
    assert spans == (["embeddings e", "chat r"] if on else [])


def test_a_handler_of_the_application_is_left() -> None:
    handle = "signal.signal(signal.SIGTERM, lambda *_: os._exit(3))\n"
    spans, _ = terminated(f"{handle}otel_llm.instrument(){ASK}{TERMINATE}", code=3)
    assert spans == []


def test_a_lock_that_the_interrupted_thread_holds() -> None:
    """It is given up after some time, and said."""
    program = f"""
class Locking(SpanExporter):
    lock = threading.Lock()
    def export(self, spans):
        with self.lock:
            exporter.export(spans)

ending.PATIENCE = sigterm.PATIENCE = 0.2
provider.add_span_processor(BatchSpanProcessor(Locking()))
otel_llm.instrument()
{ASK}
with Locking.lock:
    {TERMINATE.splitlines()[0]}
    threading.Event().wait(30)
"""
    spans, logged = terminated(program)
    assert spans == ["embeddings e"]
    assert logged.count("ends before its telemetry was sent") == 1


def test_outside_the_main_thread_it_says_that_it_has_no_effect() -> None:
    program = f"""
thread = threading.Thread(target=otel_llm.instrument)
thread.start()
thread.join()
{TERMINATE}"""
    spans, logged = terminated(program)
    assert spans == []
    assert "only by the main thread" in logged


@pytest.mark.parametrize(("on", "method", "pools"), [(True, "fork", 1), (False, "fork", 3), (False, "forkserver", 1)])
def test_a_pool_that_is_terminated(on: bool, method: str, pools: int, tmp_path: Path) -> None:
    """`with Pool()` ends with that. Its workers wait for work then, or have just been told to end."""
    module = tmp_path / "tasks.py"
    module.write_text(
        f"{SETUP}\ndef start():\n    otel_llm.instrument()\n\ndef work(number):"
        + textwrap.indent(ASK, "    ")
        + "    return signal.getsignal(signal.SIGTERM) is signal.SIG_DFL\n"
    )
    program = f"""
import multiprocessing
sys.path.insert(0, {str(tmp_path)!r})
import tasks
if {method == "fork"}: tasks.start()
for _ in range({pools}):
    with multiprocessing.get_context({method!r}).Pool(2, initializer=tasks.start) as pool:
        while_working = pool.map(tasks.work, range(4), chunksize=1)
    assert while_working == [not {on}] * 4
"""
    spans, _ = terminated(program, on=on, code=0, setup="")
    assert spans == ["embeddings e"] * 4 * pools


def test_a_worker_that_has_a_handler_of_its_own() -> None:
    program = """
import multiprocessing
otel_llm.instrument()
def handle(number, frame):
    pass
def start():
    signal.signal(signal.SIGTERM, handle)
def work(number):
    return signal.getsignal(signal.SIGTERM) is handle
pool = multiprocessing.get_context("fork").Pool(1, initializer=start)
assert pool.map(work, range(3), chunksize=1) == [True] * 3
pool.close()
pool.join()
"""
    terminated(program, on=False, code=0)
