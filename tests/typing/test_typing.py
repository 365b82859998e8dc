"""What a type checker makes of the public API: right where ``manual_api.py`` is, and wrong where it says so."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import get_args

import pytest

import otel_llm
from otel_llm.lifecycle import api
from otel_llm.manual import decorator

SOURCE = Path(__file__).with_name("manual_api.py")
ROOT = SOURCE.parents[2]


def test_mypy(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path}", str(SOURCE)]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    lines = SOURCE.read_text().splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
    told = {int(number) for number in re.findall(rf"{SOURCE.name}:(\d+): error:", checked.stdout)}
    assert told == wrong, checked.stdout


def test_the_types_name_what_there_is() -> None:
    assert set(get_args(decorator.OperationName)) == set(decorator._MAKERS)
    assert {f"otel_llm_{name}" for name in get_args(api.Library)} == {
        point.name for point in entry_points(group="opentelemetry_instrumentor") if point.name.startswith("otel_llm_")
    }


def test_at_run_time_a_misspelt_name_is_answered_with_what_there_is() -> None:
    for call in (otel_llm.instrument, otel_llm.uninstrument):
        with pytest.raises(ValueError, match="does not instrument opnai; it knows langchain, openai, sagemaker"):
            call("opnai")  # type: ignore[arg-type]
    operations = "step, workflow, agent, tool, retrieval, embeddings, chat, completion"
    with pytest.raises(ValueError, match=f"operation 'stpe' is not known; use one of {operations}"):
        otel_llm.observe(operation="stpe")  # type: ignore[call-overload]
