"""What it takes to price a call whose model is known: python benchmarks/cost.py

The least of many short measurements, as other work on the machine only adds to it.
"""

from __future__ import annotations

import tempfile
import timeit
from pathlib import Path
from time import time_ns
from typing import Any

from openai.types import CompletionUsage
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN

from otel_llm import semconv as s
from otel_llm.core.listeners import EndedCall, Listeners
from otel_llm.core.request import Request, Response
from otel_llm.cost.prices import Prices
from otel_llm.cost.pricing import Pricing

_TABLES = {
    "by a table": "models: [{model: gpt-4o*, input: 2.5, cached_input: 1.25, output: 10}]",
    "by the hour": "hosts: [{host: api.openai.com, per_hour: 3.03}]",
}
_SENT = {
    "prompt_tokens": 1000,
    "completion_tokens": 200,
    "total_tokens": 1200,
    "prompt_tokens_details": {"cached_tokens": 500},
}


def _call(usage: Any) -> EndedCall:
    asked: dict[str, Any] = {
        s.OPERATION_NAME: s.CHAT,
        s.PROVIDER_NAME: "openai",
        s.REQUEST_MODEL: "gpt-4o",
        s.SERVER_ADDRESS: "api.openai.com",
        s.SERVER_PORT: 443,
    }
    tokens = {s.USAGE_INPUT_TOKENS: 1000, s.USAGE_OUTPUT_TOKENS: 200, s.USAGE_CACHE_READ_INPUT_TOKENS: 500}
    answer = Response("c1", "gpt-4o-2024-08-06", ["stop"], tokens, billed=((usage, "default"),))
    request = Request(s.CHAT, "gpt-4o", asked)
    return EndedCall(request, answer, INVALID_SPAN, Context(), time_ns(), 0.001, None, {}, None, {}, {})


def _microseconds(table: str, usage: Any) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "prices.yaml")
        path.write_text(table)
        pricing = Pricing(Prices(str(path)), Listeners())
        ended = _call(usage)
        pricing.holds(ended, lambda: None)
        pricing.flush(30.0)

        def price() -> None:
            ended.started_at += 2_000_000  # one call after the other, as a host paid by the hour asks when they are
            pricing.holds(ended, int)

        times = timeit.repeat(price, number=100, repeat=3000)
        pricing.close(5.0)
    return min(times) / 100 * 1e6


def main() -> None:
    usage = CompletionUsage.model_validate(_SENT)
    for name, table in _TABLES.items():
        print(f"{name:<16} {_microseconds(table, usage):.2f} us")
    told = CompletionUsage.model_validate({**_SENT, "cost": 0.001})
    print(f"{'by the response':<16} {_microseconds(_TABLES['by a table'], told):.2f} us")


if __name__ == "__main__":
    main()
