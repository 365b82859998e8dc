"""The examples run, under ``opentelemetry-instrument``, and their spans say what they are examples of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from standin.openai import OpenAIServer
from standin.sagemaker import SageMakerServer

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
def test_an_example(name: str, tmp_path: Path) -> None:
    spans = tmp_path / "spans.txt"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    with OpenAIServer() as openai, SageMakerServer() as sagemaker, spans.open("w") as told:
        finished = subprocess.run(
            [Path(sys.executable).with_name("opentelemetry-instrument"), sys.executable, EXAMPLES / name],
            env=environment
            | {
                "OPENAI_BASE_URL": openai.base_url,
                "OPENAI_API_KEY": "stand-in",
                "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": sagemaker.url,
                "AWS_DEFAULT_REGION": "eu-central-1",
                "AWS_ACCESS_KEY_ID": "stand-in",
                "AWS_SECRET_ACCESS_KEY": "stand-in",
                "NO_PROXY": "127.0.0.1",
                "OTEL_TRACES_EXPORTER": "console",
                "OTEL_METRICS_EXPORTER": "none",
                "OTEL_LOGS_EXPORTER": "none",
            },
            stdout=told,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert finished.returncode == 0, finished.stderr
    printed = spans.read_text()
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
