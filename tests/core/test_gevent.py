"""gevent puts its own in the place of threads, locks and queues; under a launcher, after we have been imported."""

from __future__ import annotations

import json
from pathlib import Path

from processes import run
from standin.openai import OpenAIServer

PROGRAM = """
import warnings
warnings.simplefilter("ignore")  # it would like to come first of all
from gevent import monkey, spawn, joinall
monkey.patch_all()
import gevent, openai
from opentelemetry import metrics

client = openai.OpenAI()

def ask():
    client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}])

ask()  # whose imports greenlets would make each other wait for
joinall([spawn(ask) for _ in range(4)], raise_error=True)
with gevent.Timeout(20):
    metrics.get_meter_provider().force_flush()
"""


def test_greenlets_are_not_halted(tmp_path: Path) -> None:
    log = tmp_path / "prompts.jsonl"
    with OpenAIServer() as server:
        finished = run(
            PROGRAM,
            launched=True,
            OPENAI_BASE_URL=server.base_url,
            OPENAI_API_KEY="x",
            OTEL_TRACES_EXPORTER="none",
            OTEL_LOGS_EXPORTER="none",
            OTEL_METRICS_EXPORTER="console",
            OTEL_LLM_PROMPT_LOG=str(log),
            OTEL_LLM_EVAL_SAMPLE_RATE="1",
            OTEL_LLM_EVAL_DATASET=str(tmp_path / "items.jsonl"),
        )
    assert len(log.read_text().splitlines()) == 5
    assert len((tmp_path / "items.jsonl").read_text().splitlines()) == 5
    counts = [
        point["count"]
        for line in finished.stdout.split("\n}\n")
        if line.strip()
        for resource in json.loads(line + "}")["resource_metrics"]
        for scope in resource["scope_metrics"]
        for metric in scope["metrics"]
        if metric["name"] == "gen_ai.client.operation.duration"
        for point in metric["data"]["data_points"]
    ]
    assert set(counts) == {5}
