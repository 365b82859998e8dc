"""Every trace is accounted for: in the metrics, under threads, and where one trace has several local roots."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Any

from evaluating import Evaluated, balanced, empty
from opentelemetry import baggage, trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import set_span_in_context

from otel_llm.evaluation import EvaluationSampler

Make = Callable[..., Evaluated]


def test_the_metrics_say_what_the_accounts_say(evaluated: Make) -> None:
    made = evaluated(0.5, rules=[{"name": "failed", "attribute": {"failed": True}}])
    for number in range(100):
        made.chat(failed=number % 10 == 0)
        with made.tracer.start_as_current_span("health"):
            pass
    made.flushed()
    balanced(made)
    accounts = made.accounts
    assert accounts.offered == 200
    assert accounts.sampled_by["failed"] > 0
    assert accounts.dropped_by == {"nothing_to_evaluate": accounts.sampled - len(made.items)}
    metrics = made.metrics()
    assert metrics.pop(("effective_rate", "", "")) == accounts.effective_rate
    assert metrics == {
        ("traces", "sampled", "rate"): accounts.sampled_by["rate"],
        ("traces", "sampled", "failed"): accounts.sampled_by["failed"],
        ("traces", "not_sampled", "no_rule"): accounts.not_sampled,
        ("items", "stored", ""): len(made.items),
        ("items", "dropped", "nothing_to_evaluate"): accounts.dropped,
        ("pending", "", ""): 0,
    }
    empty(made)


def test_the_metrics_are_those_of_all_samplers(evaluated: Make) -> None:
    """Each provider of traces has its own, and one may come after another has gone."""
    first = evaluated(1.0)
    made = Evaluated(1.0, meter_provider=first.meters)
    made.chat()
    made.provider.shutdown()
    assert first.metrics()["items", "stored", ""] == 1
    del made
    gc.collect()
    for rate in (0.0, 1.0):
        made = evaluated(rate, meter_provider=first.meters)
        made.chat()
        made.flushed()
    metrics = first.metrics()
    assert metrics["traces", "sampled", "rate"] == metrics["traces", "not_sampled", "rate"] == 1
    assert metrics["items", "stored", ""] == 1
    assert metrics["effective_rate", "", ""] == 0.5


def test_two_samplers_of_one_provider_keep_their_own_accounts(evaluated: Make) -> None:
    made = evaluated(0.3)
    more = EvaluationSampler(1.0, sink=lambda item: None, grace=0.0)
    made.provider.add_span_processor(more)
    made.provider._active_span_processor._span_processors = (more, made.sampler)
    for _ in range(50):
        made.chat()
    made.flushed()
    assert more.force_flush()
    assert more.accounts().stored == 50
    assert 0 < made.accounts.sampled == made.accounts.stored == len(made.items) < 50


def test_many_threads(evaluated: Make) -> None:
    made = evaluated(0.5, rules=[{"name": "long", "tokens_over": 5, "rate": 0.7}], exported=False)
    threads, traces = 8, 250
    wrong: list[str] = []
    over = threading.Event()

    def work(number: int) -> None:
        for turn in range(traces):
            made.chat(gen_ai__usage__input_tokens=turn % 10)

    def watch() -> None:
        while not over.is_set():
            accounts = made.accounts
            if accounts.sampled != accounts.stored + accounts.dropped + accounts.pending or accounts.pending < 0:
                wrong.append(str(accounts))

    watcher = threading.Thread(target=watch)
    watcher.start()
    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    made.flushed()
    over.set()
    watcher.join()
    assert wrong == []
    assert made.accounts.offered == threads * traces
    assert made.accounts.stored == len(made.items) == len({item["id"] for item in made.items})
    assert made.accounts.dropped_by == {}
    balanced(made)
    empty(made)


def test_two_local_roots_in_one_trace_are_two_items(evaluated: Make) -> None:
    """A service that is called twice in one trace, or calls itself."""
    made = evaluated(1.0, grace=0.0)
    with made.tracer.start_as_current_span("client") as outer:
        made.call(gen_ai__response__id="outer")
        remote = trace.SpanContext(outer.get_span_context().trace_id, 99, True, trace.TraceFlags(1))
        with made.tracer.start_as_current_span("server", set_span_in_context(trace.NonRecordingSpan(remote))):
            made.call(gen_ai__response__id="inner")
    items = {item["name"]: item for item in made.flushed()}
    assert {name: [call["response_id"] for call in item["calls"]] for name, item in items.items()} == {
        "client": ["outer"],
        "server": ["inner"],
    }
    assert made.accounts.offered == made.accounts.stored == 2
    empty(made)


def test_local_roots_of_one_trace_of_which_a_rule_samples_one(evaluated: Make) -> None:
    """Whether the sampled one begins before or after the other."""
    made = evaluated(rules=[{"name": "asked", "baggage": {"evaluate": "yes"}}], grace=3600.0)
    with_baggage = baggage.set_baggage("evaluate", "yes")

    def remote(trace_id: int, context: Context | None = None) -> Context:
        parent = trace.SpanContext(trace_id, 99, True, trace.TraceFlags(1))
        return set_span_in_context(trace.NonRecordingSpan(parent), context)

    for trace_id, first, second in ((5, with_baggage, None), (6, None, with_baggage)):
        one = made.tracer.start_span("first", remote(trace_id, first))
        other = made.tracer.start_span("second", remote(trace_id, second))
        for root in (other, one):
            made.tracer.start_span(
                "chat m", set_span_in_context(root), attributes={"gen_ai.operation.name": "chat"}
            ).end()
        other.end()
        one.end()
    made.flushed()
    accounts = made.accounts
    assert accounts.offered == 4
    assert accounts.stored == len(made.items) == 3
    assert accounts.not_sampled_by == {"rate": 1}
    balanced(made)
    empty(made)


def test_spans_below_those_of_another_provider_are_local_roots(evaluated: Make) -> None:
    """The spans of a web framework go elsewhere: each of ours below them is the first that is seen here."""
    made = evaluated(0.5, grace=3600.0)
    others = TracerProvider().get_tracer("web")
    for _ in range(50):
        with others.start_as_current_span("GET /"):
            made.chat()
            made.chat()
    made.flushed()
    accounts = made.accounts
    assert accounts.offered == 100
    assert accounts.stored == accounts.sampled == len(made.items)
    assert accounts.effective_rate == accounts.stored / 100
    assert accounts.not_sampled_by == {"rate": 100 - accounts.stored}
    assert {(item["name"], item["spans"]) for item in made.items} == {("request", 2)}
    balanced(made)
    empty(made)


class _DropsHealth(Sampler):
    def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
        decision = Decision.DROP if args[2] == "GET /" else Decision.RECORD_AND_SAMPLE
        return SamplingResult(decision, kwargs.get("attributes") or args[4])

    def get_description(self) -> str:
        return "drops health"


def test_spans_below_one_that_the_head_sampler_dropped_are_local_roots(evaluated: Make) -> None:
    made = evaluated(0.5, head=_DropsHealth())
    for _ in range(20):
        with made.tracer.start_as_current_span("GET /"):
            made.chat()
    assert made.accounts.offered == 20
    assert 0 < len(made.flushed()) == made.accounts.stored < 20
    assert made.accounts.not_sampled == 20 - len(made.items)
    empty(made)
