"""The examples run, as their first lines say, and make the spans that they are about."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interpreter import NO_EXPORT, python

pytest.importorskip("opentelemetry.exporter.otlp.json.file")
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "manual"


def traced(name: str, **environment: str) -> tuple[str, list[dict[str, Any]]]:
    """What the example printed, and the spans that it made, each with its attributes and the name of its parent."""
    exporters = {**NO_EXPORT, "OTEL_TRACES_EXPORTER": "otlp_json_file"}
    finished = python(EXAMPLES / name, launched=True, **exporters, **environment)
    lines = finished.stdout.splitlines()
    found = [
        span
        for line in lines
        if line.startswith('{"resourceSpans"')
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    names = {span["spanId"]: span["name"] for span in found}
    for span in found:
        span["parent"] = names.get(span.get("parentSpanId"))
        span["attributes"] = {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}
    return "\n".join(line for line in lines if not line.startswith("{")), found


def steps(printed: str, spans: Any) -> None:
    parents = {span["name"]: span["parent"] for span in spans}
    whole = "invoke_workflow answer"
    assert parents == {"look_up": whole, "rerank": whole, "format_prompt": whole, "words": whole, whole: None}
    assert not any("otel_llm.step.input" in span["attributes"] for span in spans)


def operations(printed: str, spans: Any) -> None:
    assert {span["name"]: span["parent"] for span in spans} == {
        "retrieval articles": "execute_tool search",
        "execute_tool search": "invoke_agent writer",
        "invoke_agent writer": "invoke_workflow twin",
        "rerank": "invoke_workflow twin",
        "invoke_workflow twin": None,
    }
    assert "Spans have a beginning" not in json.dumps(spans)


def own_model(printed: str, spans: Any) -> None:
    chat, embeddings = spans
    assert (chat["name"], embeddings["name"]) == ("chat llama-3", "embeddings e5")
    assert chat["attributes"]["gen_ai.response.time_to_first_chunk"] > 0
    assert printed == "Spans have two ends."


def sessions(printed: str, spans: Any) -> None:
    assert [(span["name"], span["parent"]) for span in spans] == [
        *(("score", "checkout"), ("score", "checkout")),
        ("checkout", None),
    ]
    assert {span["attributes"]["session.id"] for span in spans} == {"s-1"}
    assert printed == "support ticket: s-1"


def web(printed: str, spans: Any) -> None:
    ours = [span for span in spans if span["name"] in ("next word", "invoke_workflow stream_answer")]
    assert [span["parent"] for span in ours[:4]] == ["invoke_workflow stream_answer"] * 4
    assert ours[4]["name"] == "invoke_workflow stream_answer"  # what it is below is FastAPI's to say
    assert {span["attributes"]["session.id"] for span in ours} == {"s-1"}
    assert printed.strip() == "Spans have two ends."


@pytest.mark.parametrize("check", [steps, operations, own_model, sessions, web], ids=lambda check: check.__name__)
def test_an_example(check: Callable[[str, Any], None]) -> None:
    if check is web:
        pytest.importorskip("fastapi")
    check(*traced(f"{check.__name__}.py"))


def test_every_example_is_tested() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {"steps", "operations", "own_model", "sessions", "web"}


def test_content_where_it_is_wanted() -> None:
    _, spans = traced("steps.py", OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="SPAN_ONLY")
    (prompt,) = (span["attributes"] for span in spans if span["name"] == "format_prompt")
    assert json.loads(prompt["otel_llm.step.input"])["question"] == "What is a span?"
