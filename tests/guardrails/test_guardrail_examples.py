"""The examples run against the stand-in, and their spans are those of requests that did not fail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interpreter import NO_EXPORT, python, stand_ins

pytest.importorskip("opentelemetry.exporter.otlp.json.file")
pytest.importorskip("openai")
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "guardrails"


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    with stand_ins() as environment:
        yield {**environment, **NO_EXPORT, "OTEL_TRACES_EXPORTER": "otlp_json_file"}


def run(name: str, environment: dict[str, str]) -> tuple[str, list[dict[str, Any]]]:
    lines = python(EXAMPLES / name, launched=True, **environment).stdout.splitlines()
    spans = [
        span
        for line in lines
        if line.startswith('{"resourceSpans"')
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    return "\n".join(line for line in lines if not line.startswith('{"')), spans


def test_a_chat(environment: dict[str, str]) -> None:
    printed, spans = run("chat.py", environment)
    assert printed.splitlines()[-1] == "I can't answer that (prompt_injection)."
    assert "jane@example.com" not in printed
    names = [span["name"] for span in spans]
    assert sorted(names) == ["chat gpt-4o-mini", "invoke_workflow support", "invoke_workflow support"]
    assert all(span.get("status", {}).get("code", 0) == 0 for span in spans)


def test_an_agent(environment: dict[str, str]) -> None:
    pytest.importorskip("langchain_openai")
    pytest.importorskip("langchain.agents.middleware")
    printed, spans = run("agent.py", environment)
    assert printed.splitlines()[-1] == "I can't help with that."
    assert [span["name"] for span in spans].count("chat gpt-4o-mini") == 1
    assert all(span.get("status", {}).get("code", 0) == 0 for span in spans)
