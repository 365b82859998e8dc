"""``setup`` does in code what the launcher does, once."""

from __future__ import annotations

import json
from pathlib import Path

from interpreter import NO_EXPORT, python, stand_ins
from processes import EXAMPLES

ASK = """
import openai
openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}])
"""


def traced(output: str) -> list[str]:
    return [
        span["name"]
        for line in output.splitlines()
        if line.startswith("{")
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def test_as_the_launcher_and_only_once() -> None:
    program = f"import otel_llm\notel_llm.setup()\notel_llm.setup()\n{ASK}\nassert otel_llm.flush(10)"
    with stand_ins() as servers:
        finished = python("-c", program, **servers, **(NO_EXPORT | {"OTEL_TRACES_EXPORTER": "otlp_json_file"}))
    assert traced(finished.stdout) == ["chat gpt-4o-mini"]


def test_under_the_launcher_it_changes_nothing() -> None:
    program = f"import otel_llm\notel_llm.setup()\n{ASK}"
    with stand_ins() as servers:
        environment = servers | NO_EXPORT | {"OTEL_TRACES_EXPORTER": "otlp_json_file"}
        finished = python("-c", program, launched=True, **environment)
    assert traced(finished.stdout) == ["chat gpt-4o-mini"]


def test_a_provider_of_the_application_stays() -> None:
    program = """
import os, sys
sys.path.insert(0, os.environ["EXAMPLES"])
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
import otel_llm
exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
otel_llm.setup()
assert trace.get_tracer_provider() is provider
"""
    with stand_ins() as servers:
        python(
            "-c",
            program + ASK + "assert [span.name for span in exporter.get_finished_spans()] == ['chat gpt-4o-mini']",
            EXAMPLES=str(EXAMPLES),
            **servers,
        )


def test_without_an_sdk_it_says_what_to_install() -> None:
    program = """
import importlib.metadata as metadata
found = metadata.entry_points
metadata.entry_points = lambda **asked: () if asked.get("group") == "opentelemetry_configurator" else found(**asked)
import otel_llm
try:
    otel_llm.setup()
except RuntimeError as error:
    assert 'pip install "otel-llm[otlp]"' in str(error)
else:
    raise AssertionError("nothing was raised")
"""
    python("-c", program)


def test_settings_that_were_given_before_stay_in_force(tmp_path: Path) -> None:
    lines = tmp_path / "prompts.jsonl"
    program = f"""
import otel_llm
otel_llm.instrument(settings=otel_llm.Settings(prompt_log={str(lines)!r}))
otel_llm.setup()
{ASK}
assert otel_llm.flush(10)
"""
    with stand_ins() as servers:
        finished = python("-c", program, **servers, **(NO_EXPORT | {"OTEL_TRACES_EXPORTER": "otlp_json_file"}))
    assert traced(finished.stdout) == ["chat gpt-4o-mini"]
    assert finished.stderr == ""
    assert len(lines.read_text().splitlines()) == 1
