"""What judging leaves behind: a trace of its own, what it cost, metrics."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from judge_server import Traced, chat, judge, nonce_of, verdicts
from judged_items import ANSWERING, TRACE, item
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from otel_llm.evaluation import EvaluationSampler
from otel_llm.evaluation.judges import checks, criteria, judging
from otel_llm.evaluation.judges.clients.openai import OpenAIJudge
from otel_llm.evaluation.judges.evaluator import Evaluator
from otel_llm.evaluation.judges.measures import JudgeMeasures
from otel_llm.evaluation.judges.pricing import JudgePrices
from standin.openai import OpenAIServer
from standin.server import Reply, Request

HALLUCINATED = {"reason": "1990 is not in the documents.", "label": "hallucinated"}


# --- the trace of the judge ---------------------------------------------------------------------------


def test_a_judge_has_a_trace_of_its_own_with_a_link(judge_server: OpenAIServer, traced: Traced) -> None:
    items: list[dict[str, Any]] = []
    sampler = EvaluationSampler(1.0, sink=items.append, grace=0.0)
    traced.provider.add_span_processor(sampler)
    chat(judge_server, lambda asked: verdicts(asked, hallucination=HALLUCINATED))
    with traced.provider.get_tracer("application").start_as_current_span("nightly"):
        made = judge(judge_server, item(), criteria.HALLUCINATION)
    (verdict,) = made.verdicts
    (judged,), (call,), (around,) = (
        traced.named(name) for name in ("judge answer_question", "chat gpt-4o-mini", "nightly")
    )
    assert judged.parent is None
    assert judged.context.trace_id == call.context.trace_id != around.context.trace_id
    (link,) = judged.links
    assert trace.format_trace_id(link.context.trace_id) == TRACE
    assert trace.format_span_id(link.context.span_id) == ANSWERING
    for span in (judged, call):
        assert (span.attributes or {})["otel_llm.tags"] == ("judge",)
        assert (span.attributes or {}).get("otel_llm.eval.sampled") is not True
    assert (judged.attributes or {})["otel_llm.evaluation.judge.criteria"] == ("hallucination",)
    assert made.links(verdict) == [judged.context]
    assert verdict.attributes["otel_llm.evaluation.judge.trace_id"] == trace.format_trace_id(judged.context.trace_id)
    sampler.force_flush()
    assert items == []  # "nightly" has no GenAI spans, and the judge is never sampled
    sampler.shutdown()


def test_a_judge_that_fails_is_an_error_in_its_trace(judge_server: OpenAIServer, traced: Traced) -> None:
    chat(judge_server, Reply(status=401, body={"error": {"message": "no", "type": "x"}}))
    judge(judge_server, item(), criteria.HALLUCINATION)
    (judged,) = traced.named("judge answer_question")
    assert (judged.attributes or {})["error.type"] == "openai.AuthenticationError"
    assert judged.status.is_ok is False
    assert judged.events == ()


# --- prices -------------------------------------------------------------------------------------------

TABLE = {"models": [{"model": "gpt-4o-mini*", "host": "127.0.0.1", "input": 1, "output": 10}]}


def test_what_a_judge_costs_is_known(judge_server: OpenAIServer, tmp_path: Any) -> None:
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(TABLE))
    chat(judge_server, *[lambda asked: verdicts(asked, hallucination=HALLUCINATED)] * 2)
    made = judge(judge_server, item(), criteria.HALLUCINATION, prices=JudgePrices(str(path)))
    assert [(cost.amount, cost.currency) for cost in made.costs] == [(pytest.approx(0.0011), "USD")]
    assert made.unpriced == 0
    made = judge(judge_server, item(), criteria.HALLUCINATION, prices=JudgePrices(""))
    assert (made.costs, made.unpriced) == ([], 1)


def test_the_worst_case_is_above_what_any_call_costs(
    judge_server: OpenAIServer, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "stand-in")
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(TABLE))
    prices = JudgePrices(str(path))
    client = OpenAIJudge("gpt-4o-mini", base_url=judge_server.base_url)
    (request,) = judging.plan(item("日本語" * 1000), [criteria.HALLUCINATION]).requests
    most, probable = prices.at_most(client, request), prices.estimated(client, request)
    assert most is not None
    assert probable is not None
    assert most.amount > 2 * (9000 * 1e-6 + request.max_output_tokens * 1e-5) > probable.amount
    assert JudgePrices("").at_most(client, request) is None


def test_each_request_has_a_fresh_nonce(judge_server: OpenAIServer) -> None:
    seen: list[str] = []

    def reply(asked: Request) -> Reply:
        seen.append(nonce_of(asked))
        return verdicts(asked, hallucination=HALLUCINATED)

    chat(judge_server, reply, reply)
    for _ in range(2):
        judge(judge_server, item(), criteria.HALLUCINATION)
    assert len(set(seen)) == 2


def test_the_revision_is_that_of_the_evaluator_that_judged(judge_server: OpenAIServer) -> None:
    chat(judge_server, lambda asked: verdicts(asked, hallucination=HALLUCINATED))
    changed = replace(criteria.HALLUCINATION, threshold=0.4)
    (verdict,) = judge(judge_server, item(), changed).verdicts
    assert verdict.revision == changed.revision != criteria.HALLUCINATION.revision


def test_what_judges_take_and_what_is_not_applicable_is_measured(judge_server: OpenAIServer, tmp_path: Any) -> None:
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(TABLE))
    reader = InMemoryMetricReader()
    measures = JudgeMeasures(MeterProvider([reader]))
    chat(judge_server, lambda asked: verdicts(asked, hallucination=HALLUCINATED))
    evaluators = (criteria.HALLUCINATION, criteria.TOOL_USE, Evaluator.of("never", lambda given: None))
    measures.record(judge(judge_server, item(), *evaluators, prices=JudgePrices(str(path))))
    measures.record(asyncio.run(judging.judge(item(), [checks.empty()])))
    data = reader.get_metrics_data()
    assert data is not None
    points = {
        (metric.name.removeprefix("otel_llm.evaluation."), *sorted(map(str, (point.attributes or {}).values()))): point
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
        for point in metric.data.data_points
    }
    assert points["judge.duration", "gpt-4o-mini"].count == 1  # type: ignore[union-attr]
    values = {key: point.value for key, point in points.items() if hasattr(point, "value")}
    assert values == {
        ("not_applicable", "tool_use", "tools"): 1,
        ("not_applicable", "_OTHER", "never"): 1,
        ("judge.tokens", "gpt-4o-mini", "input"): 500,
        ("judge.tokens", "gpt-4o-mini", "output"): 60,
        ("judge.cost", "USD", "gpt-4o-mini"): pytest.approx(0.0011),
    }
