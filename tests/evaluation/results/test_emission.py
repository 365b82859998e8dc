"""A verdict becomes an event on the judged span, a span in its trace and metrics, in any process that has the ids."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import SpanContext, StatusCode

from otel_llm import ContentCapture, Settings
from otel_llm.evaluation import EvaluationSampler, Verdict, VerdictEmitter

Make = Callable[..., VerdictEmitter]
TRACE, SPAN = "5b8aa5a2d2c872e8321cf37308d69df2", "051581bf3cb55c13"
VERDICT = Verdict(
    "faithfulness",
    TRACE,
    SPAN,
    score=4,
    label="faithful",
    explanation="It says so in the second document.",
    response_id="chatcmpl-1",
    evaluator="faithfulness-of-ours",
    revision="9f3a",
    scale="1-5",
    passed=True,
    at=1_700_000_000.5,
    seconds=0.25,
    attributes={"otel_llm.evaluation.judge.model": "gpt-x"},
)
STANDARD = {
    "gen_ai.evaluation.name": "faithfulness",
    "gen_ai.evaluation.score.value": 4.0,
    "gen_ai.evaluation.score.label": "faithful",
    "gen_ai.evaluation.explanation": "It says so in the second document.",
    "gen_ai.response.id": "chatcmpl-1",
}
OURS = {
    "otel_llm.evaluation.evaluator.id": "faithfulness-of-ours",
    "otel_llm.evaluation.evaluator.version": "9f3a",
    "otel_llm.evaluation.evaluator.type": "llm_judge",
    "otel_llm.evaluation.scale": "1-5",
    "otel_llm.evaluation.passed": True,
    "otel_llm.evaluation.judge.model": "gpt-x",
}
MARK = {"otel_llm.eval.sampled": False}


def test_an_event_on_the_judged_span(emitter: Make, recorder: Any) -> None:
    emitter(ContentCapture.SPAN_AND_EVENT).emit(VERDICT)
    (event,) = recorder.logs
    assert event.event_name == "gen_ai.evaluation.result"
    assert dict(event.attributes) == {**STANDARD, **OURS}
    assert (event.trace_id, event.span_id) == (int(TRACE, 16), int(SPAN, 16))
    assert event.timestamp == 1_700_000_000_500_000_000
    assert event.body is None
    assert event.severity_number is None


def test_a_late_child_of_the_judged_span(emitter: Make, recorder: Any) -> None:
    emitter(ContentCapture.SPAN_AND_EVENT).emit(VERDICT)
    span = recorder.span
    assert span.name == "evaluate faithfulness"
    assert span.context.trace_id == int(TRACE, 16)
    assert span.parent.span_id == int(SPAN, 16)
    assert dict(span.attributes) == {**STANDARD, **OURS, "otel_llm.operation.name": "evaluate"}
    assert (span.start_time, span.end_time) == (1_700_000_000_250_000_000, 1_700_000_000_500_000_000)
    assert span.status.status_code is StatusCode.UNSET


def test_a_linked_trace_of_its_own(emitter: Make, recorder: Any) -> None:
    judge = SpanContext(7, 8, is_remote=True)
    emitter(linked=True).emit(VERDICT, [judge])
    span = recorder.span
    assert span.parent is None
    assert span.context.trace_id != int(TRACE, 16)
    assert [(link.context.trace_id, link.context.span_id) for link in span.links] == [
        (int(TRACE, 16), int(SPAN, 16)),
        (7, 8),
    ]
    assert recorder.logs[0].span_id == int(SPAN, 16)


def test_only_the_trace_is_known(emitter: Make, recorder: Any) -> None:
    emit = emitter().emit
    emit(replace(VERDICT, span_id=None))
    emit(replace(VERDICT, span_id=None))
    first, second = recorder.spans
    assert first.context.trace_id == int(TRACE, 16)
    assert first.parent.span_id == second.parent.span_id == int(TRACE[16:], 16)


def test_not_even_the_trace_is_known(emitter: Make, recorder: Any) -> None:
    emitter().emit(replace(VERDICT, trace_id=None, span_id=None, attributes={"gen_ai.conversation.id": "c7"}))
    assert recorder.span.parent is None
    assert recorder.span.attributes["gen_ai.conversation.id"] == recorder.logs[0].attributes["gen_ai.conversation.id"]


def test_a_failed_evaluation_is_an_error_and_no_score(emitter: Make, recorder: Any) -> None:
    emitter().emit(Verdict("faithfulness", TRACE, SPAN, error_type="RateLimitError"))
    assert recorder.span.status.status_code is StatusCode.ERROR
    for attributes in (recorder.span.attributes, recorder.logs[0].attributes):
        assert attributes["error.type"] == "RateLimitError"
        assert not [name for name in attributes if "score" in name]
    assert recorder.points("otel_llm.evaluation.results") == recorder.points("otel_llm.evaluation.score") == []
    (point,) = recorder.points("otel_llm.evaluation.errors")
    assert point.value == 1
    assert point.attributes["error.type"] == "RateLimitError"


def test_feedback_of_a_person(emitter: Make, recorder: Any) -> None:
    emitter().emit(Verdict("thumbs", TRACE, SPAN, score=0, label="down", source="human", submitter="u7"))
    assert recorder.span.name == "feedback thumbs"
    assert recorder.span.attributes["otel_llm.evaluation.evaluator.type"] == "human_feedback"
    assert recorder.span.attributes["user.id"] == "u7"


# --- metrics -----------------------------------------------------------------------------------------


def test_metrics_by_label_and_scale_without_ids(emitter: Make, recorder: Any) -> None:
    emit = emitter().emit
    emit(VERDICT)
    emit(replace(VERDICT, score=2, label="unfaithful", passed=False, trace_id="1" * 32))
    emit(replace(VERDICT, score=0.5, scale="0-1"))
    scores = recorder.points("otel_llm.evaluation.score")
    by = {
        "gen_ai.evaluation.name": "faithfulness",
        "otel_llm.evaluation.evaluator.id": "faithfulness-of-ours",
        "otel_llm.evaluation.evaluator.type": "llm_judge",
    }
    assert [(point.attributes, point.count, point.sum) for point in scores] == [
        ({**by, "otel_llm.evaluation.scale": "1-5"}, 2, 6.0),
        ({**by, "otel_llm.evaluation.scale": "0-1"}, 1, 0.5),
    ]
    results = recorder.points("otel_llm.evaluation.results")
    assert {(point.attributes["gen_ai.evaluation.score.label"], point.value) for point in results} == {
        ("faithful", 2),
        ("unfaithful", 1),
    }
    ids = (TRACE, SPAN, "chatcmpl-1", "9f3a", "gpt-x")
    assert not [value for point in scores + results for value in point.attributes.values() if value in ids]


def test_labels_that_anyone_may_choose_are_bounded(emitter: Make, recorder: Any) -> None:
    emit = emitter().emit
    for number in range(300):
        emit(replace(VERDICT, label=f"label {number}"))
    labels = {
        point.attributes["gen_ai.evaluation.score.label"] for point in recorder.points("otel_llm.evaluation.results")
    }
    assert len(labels) == 201
    assert "_OTHER" in labels


# --- content -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("capture", list(ContentCapture), ids=lambda capture: capture.name)
def test_the_explanation_is_content(emitter: Make, recorder: Any, capture: ContentCapture) -> None:
    emitter(capture).emit(VERDICT)
    assert ("gen_ai.evaluation.explanation" in recorder.span.attributes) is capture.on_span
    assert ("gen_ai.evaluation.explanation" in recorder.logs[0].attributes) is capture.on_event


def test_explanations_by_choice_and_by_the_policy(emitter: Make, recorder: Any) -> None:
    settings = Settings(redact=("secrets", "pii"))
    said = replace(VERDICT, explanation="It names canary.person@example.org", label="names canary.person@example.org")
    emitter(explanations=True, settings=settings).emit(said)
    told = recorder.span.to_json() + repr(dict(recorder.logs[0].attributes)) + recorder.metrics.to_json()
    assert "It names [EMAIL]" in told
    assert "canary.person" not in told


def test_what_is_hidden_is_quoted_by_no_explanation(emitter: Make, recorder: Any) -> None:
    emitter(explanations=True, settings=Settings(hide=frozenset({"output"}))).emit(VERDICT)
    assert "gen_ai.evaluation.explanation" not in recorder.span.attributes


# --- sampling ----------------------------------------------------------------------------------------


def test_the_head_sampler_keeps_it_though_the_judged_trace_was_dropped(emitter: Make, recorder: Any) -> None:
    emitter(sampler=ParentBased(ALWAYS_OFF)).emit(VERDICT)
    assert recorder.span.context.trace_flags.sampled


def test_it_is_not_sampled_for_evaluation(emitter: Make, recorder: Any) -> None:
    made = emitter()
    items: list[Any] = []
    sampler = EvaluationSampler(1.0, sink=items.append, grace=0)
    recorder.tracer_provider.add_span_processor(sampler)
    made.emit(VERDICT)
    sampler.shutdown()
    assert dict(recorder.span.attributes).items() >= MARK.items()
    assert items == []
    assert sampler.accounts().offered == sampler.accounts().not_sampled == 1


# --- odd ones ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"name": ""}, "needs a name"),
        ({"trace_id": "0" * 32}, "trace_id must be 32 hexadecimal digits"),
        ({"trace_id": TRACE.upper()}, "trace_id must be 32"),
        ({"span_id": "7"}, "span_id must be 16 hexadecimal digits"),
        ({"trace_id": None}, "span_id needs its trace_id"),
        ({"source": "oracle"}, "source must be one of judge, human, code"),
        ({"score": float("nan")}, "score must be a finite number"),
        ({"score": True}, "score must be a finite number"),
        ({"error_type": "Timeout"}, "neither a score nor a label"),
        ({"score": None, "label": None}, "needs a score, a label or an error_type"),
    ],
)
def test_what_is_no_verdict(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        replace(VERDICT, **given)


def test_verdicts_need_no_sdk() -> None:
    program = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("opentelemetry.sdk"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hidden())
from otel_llm.evaluation import Verdict, VerdictEmitter
VerdictEmitter().emit(Verdict("a", "1" * 32, score=1))
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
