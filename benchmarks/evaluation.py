"""What an EvaluationSampler adds to a span: in microseconds, and as a share of what the span itself costs.

A span here is one of the floor's (20 attributes, a batch processor). It is measured within traces of one local root and
ten spans, which is what a request is; what the root costs is spread over them.
"""

from __future__ import annotations

import gc
import random
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter_ns
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import set_span_in_context

from harness import _SPAN_ATTRIBUTES, Result, tracer_provider
from otel_llm.evaluation import EvaluationSampler, Limits

_SPANS = 10
_LATE = [{"name": "errors", "error": True}, {"name": "slow", "latency_over": 30}]
_RATE = 0.05
#: The largest share of a span at that rate. Microseconds depend on the machine and have no limit.
_LIMIT = 0.3


def _trace(provider: TracerProvider) -> Callable[[], None]:
    tracer = provider.get_tracer("bench")
    attributes: dict[str, Any] = {**_SPAN_ATTRIBUTES, "gen_ai.operation.name": "chat"}

    def work() -> None:
        root = tracer.start_span("request")
        context = set_span_in_context(root)
        for _ in range(_SPANS):
            tracer.start_span("chat", context, attributes=attributes).end()
        root.end()

    return work


@contextmanager
def _sampled(rate: float, rules: Any = ()) -> Iterator[Callable[[], None]]:
    sampler = EvaluationSampler(rate, rules=rules, sink=lambda item: None, grace=1e9, limits=Limits(queue=64))
    provider = tracer_provider()
    provider.add_span_processor(sampler)
    yield _trace(provider)
    provider.shutdown()


def _added(bare: Callable[[], None], sampled: Callable[[], None], traces: int) -> tuple[list[float], list[float]]:
    """Microseconds a span, and shares of a span, of blocks."""
    order = random.Random(0)
    added, shares = [], []
    for number in range(11):
        times: dict[Callable[[], None], list[int]] = {bare: [], sampled: []}
        works = [bare, sampled]
        gc.collect()
        gc.disable()
        for _ in range(traces):
            order.shuffle(works)
            for work in works:
                start = perf_counter_ns()
                work()
                times[work].append(perf_counter_ns() - start)
        gc.enable()
        without, with_ours = (statistics.median(times[work]) / (_SPANS + 1) for work in (bare, sampled))
        if number:  # the first block warms up
            added.append((with_ours - without) / 1000)
            shares.append((with_ours - without) / without)
    return added, shares


def run(quick: bool = False) -> list[Result]:
    results = []
    measured: dict[str, tuple[list[float], list[float]]] = {}
    bare_provider = tracer_provider()
    bare = _trace(bare_provider)
    for name, rate, rules in (
        ("not sampled", 0.0, ()),
        ("sampled", 1.0, ()),
        ("not sampled, kept for rules", 0.0, _LATE),
    ):
        with _sampled(rate, rules) as sampled:
            measured[name] = _added(bare, sampled, 20 if quick else 200)
    bare_provider.shutdown()
    measured[f"at a rate of {_RATE}"] = tuple(  # type: ignore[assignment]
        [_RATE * chosen + (1 - _RATE) * other for chosen, other in zip(yes, no, strict=True)]
        for yes, no in zip(measured["sampled"], measured["not sampled"], strict=True)
    )
    for name, (added, shares) in measured.items():
        limit = _LIMIT if name.startswith("at") else None
        for what, values, most in (("us", added, None), ("share", shares, limit)):
            low, median, high = statistics.quantiles(values, n=4)
            results.append(Result(f"a span {name}, {what}", median, low, high, most))
    return results


if __name__ == "__main__":
    for result in run():
        print(result)
