"""Programs that know nothing of it, under `opentelemetry-instrument`: the environment says all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from evaluating import SCHEMA

from interpreter import NO_EXPORT, python
from otel_llm.evaluation.dataset.reader import Selection, read

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
PROGRAM = """
import sys
import openai
from opentelemetry import trace
from standin.openai import OpenAIServer

with OpenAIServer() as server:
    client = openai.OpenAI(base_url=server.base_url, api_key="x", max_retries=0)
    for model in sys.argv[1:] or ["gpt-4o-mini"] * 3:
        with trace.get_tracer("app").start_as_current_span("ask"):
            try:
                client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Who wrote Faust?"}])
            except openai.OpenAIError:
                pass
print("the application ran on")
"""


def run(folder: Path, *models: str, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {"PYTHONPATH": str(EXAMPLES), "OTEL_SERVICE_NAME": "twin", "OTEL_LLM_EVAL_GRACE": "0"}
    given |= {**NO_EXPORT, "OTEL_TRACES_EXPORTER": "otlp_json_file", **environment}
    finished = python("-c", PROGRAM, *models, launched=True, cwd=folder, **given)
    assert "the application ran on" in finished.stdout
    return finished


def items(path: Path) -> list[dict[str, Any]]:
    found = list(read(path, Selection()).items)
    for item in found:
        SCHEMA.validate(item)
    return found


def exported(finished: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """Attributes of the spans that were exported."""
    return [
        {entry["key"]: next(iter(entry["value"].values())) for entry in span.get("attributes", ())}
        for line in finished.stdout.splitlines()
        if line.startswith("{")
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def test_a_rate_makes_a_dataset_where_the_program_runs(tmp_path: Path) -> None:
    finished = run(tmp_path, OTEL_LLM_EVAL_SAMPLE_RATE="1")
    assert finished.stderr == ""
    found = items(tmp_path / "otel-llm-evaluation.db")
    assert [(item["service"], item["name"], item["content_captured"]) for item in found] == [("twin", "ask", False)] * 3
    spans = exported(finished)
    assert len(spans) == 6
    assert all(span["otel_llm.eval.sampled"] and span["otel_llm.eval.rate"] == 1 for span in spans)


def test_rules_and_where_the_items_go(tmp_path: Path) -> None:
    rules = "[{name: errors, error: true}]"
    run(
        tmp_path,
        *("gpt-4o-mini", "error-404", "error-400"),
        OTEL_LLM_EVAL_RULES=rules,
        OTEL_LLM_EVAL_DATASET="items.jsonl",
    )
    found = items(tmp_path / "items.jsonl")
    assert [(item["sampled_by"], item["calls"][0]["model"]) for item in found] == [
        (["errors"], "error-404"),
        (["errors"], "error-400"),
    ]


def test_a_file_of_rules_with_a_rate_and_a_limit(tmp_path: Path) -> None:
    (tmp_path / "rules.json").write_text(json.dumps({"rate": 1, "max_per_minute": 2, "rules": []}))
    finished = run(tmp_path, OTEL_LLM_EVAL_RULES_FILE="rules.json")
    assert len(items(tmp_path / "otel-llm-evaluation.db")) == 2
    assert "1 (rate_limit)" in finished.stderr


def test_the_last_metrics_say_what_became_of_the_items(tmp_path: Path) -> None:
    """The program ends while they wait for late spans, and metrics are shut down before traces."""
    finished = run(
        tmp_path,
        OTEL_LLM_EVAL_SAMPLE_RATE="1",
        OTEL_LLM_EVAL_GRACE="3600",
        OTEL_TRACES_EXPORTER="none",
        OTEL_METRICS_EXPORTER="otlp_json_file",
    )
    said = {
        metric["name"]: sum(int(point.get("asInt", 0)) for point in points["dataPoints"])
        for line in finished.stdout.splitlines()
        if line.startswith("{")
        for resource in json.loads(line)["resourceMetrics"]
        for scope in resource["scopeMetrics"]
        for metric in scope["metrics"]
        for points in (metric.get("sum"),)
        if points is not None
    }
    assert said["otel_llm.eval.traces"] == said["otel_llm.eval.items"] == 3
    assert said["otel_llm.eval.pending"] == 0


def test_content_of_sampled_traces_only(tmp_path: Path) -> None:
    """Half of the traces: theirs have words, the others' none, neither in the dataset nor on the spans."""
    finished = run(
        tmp_path,
        *["gpt-4o-mini"] * 10,
        *["error-404"] * 10,
        OTEL_LLM_EVAL_SAMPLE_RATE="0.5",
        OTEL_LLM_EVAL_CAPTURE_CONTENT="true",
    )
    found = items(tmp_path / "otel-llm-evaluation.db")
    assert 0 < len(found) < 20
    assert all(item["content_captured"] and item["query"] == "Who wrote Faust?" for item in found)
    assert all("answer" in item for item in found if "error_type" not in item)
    calls = [span for span in exported(finished) if "gen_ai.operation.name" in span]
    assert len(calls) == 20
    for span in calls:
        assert ("otel_llm.eval.sampled" in span) == ("gen_ai.input.messages" in span)
        assert ("otel_llm.eval.sampled" in span) == ("Faust" in json.dumps(span))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OTEL_LLM_EVAL_SAMPLE_RATE", "5%", "expected a number"),
        ("OTEL_LLM_EVAL_SAMPLE_RATE", "5", "must be a number from 0 to 1, not 5.0"),
        ("OTEL_LLM_EVAL_RULES", "[{", "neither JSON nor YAML"),
        ("OTEL_LLM_EVAL_RULES_FILE", "missing.yaml", "missing.yaml can't be read"),
        ("OTEL_LLM_EVAL_MAX_PER_MINUTE", "0", "must be a number above 0"),
        ("OTEL_LLM_EVAL_GRACE", "-1", "must be a number of seconds from 0"),
        ("OTEL_LLM_EVAL_ALGORITHM", "dice", "expected one of auto, trace_id_ratio, consistent"),
        ("OTEL_LLM_EVAL_CAPTURE_CONTENT", "perhaps", "expected true or false"),
    ],
)
def test_what_can_not_be_used_is_one_warning(name: str, value: str, said: str, tmp_path: Path) -> None:
    rate = {} if name == "OTEL_LLM_EVAL_SAMPLE_RATE" else {"OTEL_LLM_EVAL_SAMPLE_RATE": "1"}
    finished = run(tmp_path, **rate, **{name: value})
    (warning,) = finished.stderr.splitlines()
    assert warning.startswith(f"{name}={value!r} can't be used: ")
    assert said in warning
    if rate:
        assert len(items(tmp_path / "otel-llm-evaluation.db")) == 3
    else:
        assert list(tmp_path.iterdir()) == []


def test_a_bad_rule_is_named_and_left_out_and_the_rest_works(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(
        "- {name: slow, latency: 3}\n- {name: errors, error: true}\n- {name: new, prompt_version: 7}\n"
    )
    finished = run(tmp_path, "gpt-4o-mini", "error-404", OTEL_LLM_EVAL_RULES_FILE="rules.yaml")
    (warning,) = finished.stderr.splitlines()
    assert warning.startswith(
        "OTEL_LLM_EVAL_RULES_FILE='rules.yaml' is used only in part; left out: rule 'slow': latency "
    )
    assert [item["sampled_by"] for item in items(tmp_path / "otel-llm-evaluation.db")] == [["errors"]]


def test_without_a_rule_that_can_be_used_there_is_no_sampler(tmp_path: Path) -> None:
    finished = run(tmp_path, OTEL_LLM_EVAL_RULES="[{latency: 3}]")
    (warning,) = finished.stderr.splitlines()
    assert "rule 'rule 1': latency is no condition" in warning
    assert list(tmp_path.iterdir()) == []


def test_settings_in_code_switch_the_sampler_on(tmp_path: Path) -> None:
    program = """
import otel_llm
from opentelemetry.sdk.trace import TracerProvider
provider = TracerProvider()
settings = otel_llm.Settings(evaluation_sample_rate=1.0, evaluation_dataset="items.jsonl", evaluation_grace=0.0)
for _ in range(2):
    otel_llm.instrument(settings=settings, tracer_provider=provider)
with otel_llm.chat_span("m", "p"):
    pass
provider.shutdown()
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert [item["name"] for item in items(tmp_path / "items.jsonl")] == ["chat m"]


def test_whoever_initializes_again_gets_no_second_sampler(tmp_path: Path) -> None:
    program = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
import otel_llm
from otel_llm.lifecycle.start_up import post_instrument
trace.set_tracer_provider(provider := TracerProvider())
post_instrument()
post_instrument()
with otel_llm.chat_span("m", "p"):
    pass
provider.shutdown()
"""
    environment = {**os.environ, "OTEL_LLM_EVAL_SAMPLE_RATE": "1", "OTEL_LLM_EVAL_DATASET": "items.jsonl"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(items(tmp_path / "items.jsonl")) == 1


def test_nothing_is_imported_where_the_environment_says_nothing() -> None:
    program = """
import sys
from otel_llm.lifecycle.start_up import post_instrument
post_instrument()
print([name for name in sys.modules if name.startswith("otel_llm.evaluation") or name in ("sqlite3", "yaml")])
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
