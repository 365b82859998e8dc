"""Programs run in processes of their own, where nothing is imported yet and the environment is theirs."""

from __future__ import annotations

import subprocess
import textwrap
from pathlib import Path

from interpreter import python

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

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


def run(program: str, launched: bool = False, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``program``, under the launcher if it is to be ``launched``. It must end well."""
    program = PRELUDE + textwrap.dedent(program)
    return python(
        "-W", "error::RuntimeWarning", "-c", program, launched=launched, EXAMPLES=str(EXAMPLES), **environment
    )
