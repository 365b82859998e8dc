"""The examples run, under ``opentelemetry-instrument``, and their spans say what they are examples of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from interpreter import NO_EXPORT, python, stand_ins

EXAMPLES = Path(__file__).parents[2] / "examples" / "prompts"
SAYS = {
    "text.py": ["expand", "1"],
    "registry.py": ["twin", "2", "production", "3", "candidate"],
    "langchain_messages.py": ["expand", "1", "production"],
    "sagemaker_body.py": ["twin", "2", "production"],
    "experiment.py": ["greet", "1", "2", "greeting", "formal", "warm", "user-1", "user-9"],
    "experiment_model.py": ["model", "small", "user-1"],
    "prompt_log.py": ["ask", "s-1", "user-1"],
    "log_records.py": ["s-1"],
}


def test_every_example_is_tested() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SAYS)


@pytest.mark.parametrize("name", SAYS)
def test_an_example(name: str) -> None:
    with stand_ins() as environment:
        exporters = {**NO_EXPORT, "OTEL_TRACES_EXPORTER": "console"}
        finished = python(EXAMPLES / name, launched=True, **environment, **exporters)
    printed = finished.stdout
    values = {value for span in _spans(printed) for value in span["attributes"].values() if isinstance(value, str)}
    assert set(SAYS[name]) - values == set()
    if name == "prompt_log.py":
        (line,) = [json.loads(line) for line in printed.splitlines() if line.startswith('{"timestamp"')]
        assert (line["prompt_name"], line["session_id"], line["user_id"]) == ("ask", "s-1", "user-1")
    if name == "log_records.py":
        assert "retrieved 3 articles trace=" in finished.stderr
        assert '"session_id": "s-1"' in printed


def _spans(printed: str) -> list[dict[str, Any]]:
    """The spans that the console exporter has printed among other lines."""
    found, decoder, at = [], json.JSONDecoder(), 0
    while (at := printed.find('{\n    "name":', at)) >= 0:
        span, at = decoder.raw_decode(printed, at)
        found.append(span)
    return found
