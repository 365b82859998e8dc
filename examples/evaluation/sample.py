"""Sample 5 % of all traces for evaluation, and all that failed or were slow. Print the items that judges would get.

Run it with OPENAI_API_KEY set, or with OPENAI_BASE_URL set to any server that speaks OpenAI's protocol.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import openai
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import otel_llm
from otel_llm.evaluation import EvaluationSampler, Rules

RULES = Path(__file__).with_name("rules.yaml")


def show(item: dict[str, Any]) -> None:
    """A sink: called on the sampler's thread, once for each item."""
    print(f"{item['id'][:12]}  by {', '.join(item['sampled_by'])}: {item.get('query', '(no content)')}", flush=True)


def main() -> None:
    provider = TracerProvider(resource=Resource.create({"service.name": "ask"}))
    # Content is captured for the traces that the rate chooses, and is off for all others.
    sampler = EvaluationSampler(rate=0.05, rules=Rules.load(RULES), sink=show, capture_content=True)
    provider.add_span_processor(sampler)
    trace.set_tracer_provider(provider)
    otel_llm.instrument("openai")

    with openai.OpenAI(max_retries=0) as client:
        for question in range(100):
            with otel_llm.workflow_span("ask", input=f"Question {question}"):
                client.chat.completions.create(
                    model="gpt-4o-mini", messages=[{"role": "user", "content": f"Question {question}"}]
                )
        with suppress(openai.OpenAIError):  # sampled by a rule
            client.chat.completions.create(model="error-404", messages=[{"role": "user", "content": "Hello?"}])

    provider.shutdown()
    accounts = sampler.accounts()
    print(f"offered {accounts.offered}, sampled {accounts.sampled}, stored {accounts.stored}")


if __name__ == "__main__":
    main()
