"""The prompt log in whole programs: zero-code, by the settings, in forked processes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from logged import lines

from interpreter import NO_EXPORT, python
from standin.openai import OpenAIServer

ROOT = Path(__file__).parents[2]


def run(program: str, launched: bool = False, **environment: str) -> subprocess.CompletedProcess[str]:
    with OpenAIServer() as server:
        given = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "x", **environment}
        return python("-c", program, launched=launched, **given)


ASK = """
import openai
def ask():
    openai.OpenAI().embeddings.create(model="text-embedding-3-small", input="Why?")
"""


def test_zero_code(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    run(ASK + "ask()", True, **NO_EXPORT, OTEL_LLM_PROMPT_LOG=str(path))
    assert [line["operation"] for line in lines(path)] == ["embeddings"]
    for target, stream in (("-", "stdout"), ("stderr", "stderr")):
        finished = run(ASK + "ask()", True, **NO_EXPORT, OTEL_LLM_PROMPT_LOG=target)
        assert json.loads(getattr(finished, stream).splitlines()[-1])["operation"] == "embeddings"


def test_zero_code_with_a_file_that_can_not_be_opened() -> None:
    program = ASK + "import otel_llm\notel_llm.instrument()\nask()"
    finished = run(program, True, **NO_EXPORT, OTEL_LLM_PROMPT_LOG="/nowhere/at/all.jsonl")
    (said,) = finished.stderr.splitlines()
    assert said.startswith("OTEL_LLM_PROMPT_LOG='/nowhere/at/all.jsonl' can't be used: ")
    assert said.endswith("No such file or directory: '/nowhere/at/all.jsonl'; using the default, none")


def test_without_an_sdk() -> None:
    finished = run(ASK + "import sys, otel_llm\notel_llm.instrument()\notel_llm.log_prompts(sys.stdout)\nask()")
    line = json.loads(finished.stdout)
    assert line["input_tokens"] > 0
    assert "trace_id" not in line


def test_instrumented_from_code_by_the_settings(tmp_path: Path) -> None:
    program = """
import otel_llm
otel_llm.instrument(settings=otel_llm.Settings(prompt_log={path!r}))
ask()
otel_llm.uninstrument()
otel_llm.instrument()
ask()
"""
    path = tmp_path / "prompts.jsonl"
    run(ASK + program.format(path=str(path)))
    assert len(lines(path)) == 1


def test_nothing_of_it_is_imported_where_it_is_off() -> None:
    run("import sys, otel_llm\notel_llm.instrument()\nassert 'otel_llm.prompt_log' not in sys.modules")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_forked_processes_write_their_own_lines(tmp_path: Path) -> None:
    program = """
import os, sys, otel_llm
otel_llm.instrument()
log = otel_llm.log_prompts({path!r})
ask()
assert log.flush(30)
children = []
for number in range(3):
    child = os.fork()
    if child == 0:
        with otel_llm.propagate_attributes(session_id=str(number)):
            for _ in range(10):
                ask()
        log.shutdown()
        os._exit(0)
    children.append(child)
with otel_llm.propagate_attributes(session_id="parent"):
    ask()
sys.exit(any(os.waitpid(child, 0)[1] for child in children))
"""
    path = tmp_path / "prompts.jsonl"
    run(ASK + program.format(path=str(path)))
    sessions = [line.get("session_id") for line in lines(path)]
    assert {name: sessions.count(name) for name in set(sessions)} == {None: 1, "parent": 1, "0": 10, "1": 10, "2": 10}
