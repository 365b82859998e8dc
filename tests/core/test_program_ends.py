"""Whoever ends the program, by Ctrl-C or ``sys.exit()``, says nothing of the model: that is no error, in any loop."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import otel_llm
from processes import run

PROGRAM = """
import asyncio, os, signal, threading
import otel_llm
exporter = sdk()
otel_llm.instrument()

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

@otel_llm.observe(name="waiting")
def wait():
    interrupt()
    threading.Event().wait(30)

@otel_llm.observe(name="waiting")
async def await_():
    asyncio.get_running_loop().call_soon(interrupt)
    await asyncio.sleep(30)

@otel_llm.observe(name="waiting")
async def wait_for_trio():
    interrupt()
    await trio.sleep(30)

try:
    {start}
except KeyboardInterrupt:
    (span,) = exporter.get_finished_spans()
    print(span.attributes["otel_llm.stream.outcome"], span.status.status_code.name)
"""


@pytest.mark.parametrize(
    "start",
    ["wait()", "asyncio.run(await_())", "import trio; trio.run(wait_for_trio)"],
    ids=["sync", "asyncio", "trio"],
)
def test_ctrl_c(start: str) -> None:
    assert run(PROGRAM.format(start=start)).stdout == "cancelled UNSET\n"


@pytest.mark.parametrize(("code", "fails"), [(None, False), (0, False), (1, True), ("no config", True)])
def test_an_exit(recorder: Any, code: Any, fails: bool) -> None:
    """A server that stops its worker exits with 0; one whose worker was too slow, with 1."""

    @otel_llm.observe(name="working", operation="workflow")
    def work() -> None:
        sys.exit(code)

    with pytest.raises(SystemExit):
        work()
    told = [recorder.attributes.get(name) for name in ("error.type", "otel_llm.stream.outcome")]
    assert told == (["SystemExit", None] if fails else [None, "cancelled"])
    (duration,) = recorder.points("gen_ai.workflow.duration")
    assert duration.attributes.get("error.type") == ("SystemExit" if fails else None)


def test_a_greenlet_that_is_killed_and_one_whose_time_is_up() -> None:
    run("""
        from gevent import monkey
        monkey.patch_all()
        import gevent, otel_llm
        exporter = sdk()
        otel_llm.instrument()

        @otel_llm.observe(name="waiting")
        def wait():
            gevent.sleep(30)

        def in_time():
            with gevent.Timeout(0.05):
                wait()

        killed = gevent.spawn(wait)
        gevent.sleep(0)
        killed.kill()
        try:
            in_time()
        except gevent.Timeout:
            pass
        first, second = (span.attributes for span in exporter.get_finished_spans())
        assert first["otel_llm.stream.outcome"] == "cancelled" and "error.type" not in first, first
        assert second["error.type"] == "gevent.timeout.Timeout", second
    """)
