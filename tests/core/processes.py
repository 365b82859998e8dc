"""Programs run in processes of their own, where nothing is imported yet and the environment is theirs."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

#: Before each program: an SDK in memory, and a call that works against the stand-in.
PRELUDE = """
import os, sys
sys.path.insert(0, os.environ["EXAMPLES"])

def sdk():
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter

def call():
    import openai
    from standin.openai import OpenAIServer
    with OpenAIServer() as server:
        client = openai.OpenAI(base_url=server.base_url, api_key="x", max_retries=0)
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}])

def names(exporter):
    return [span.name for span in exporter.get_finished_spans()]
"""


def run(program: str, *command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``program`` with this Python, after ``command`` if one is given. It must end well."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "OPENAI_"))}
    clean |= {"EXAMPLES": str(EXAMPLES), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", **environment}
    finished = subprocess.run(
        [*map(str, command), sys.executable, "-W", "error::RuntimeWarning", "-c", PRELUDE + textwrap.dedent(program)],
        env=clean,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished
