"""Feedback becomes an event, a span, a metric and a label: now, later, and from another process; once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased

import otel_llm
from interpreter import python
from otel_llm import ContentCapture, Feedback
from otel_llm.evaluation.results.labels import LabelStore

Answer = Callable[..., dict[str, Any]]
CANARY = "canary words of a person"


def test_in_the_request_it_is_about(sinks: Any) -> None:
    with otel_llm.workflow_span("ask"):
        ids = otel_llm.current_ids()
        done = otel_llm.record_feedback("thumbs", label="up")
    assert done == Feedback(True, trace_id=ids["trace_id"])
    (span,), (event,), (row,) = sinks.spans, sinks.events, sinks.rows
    assert span.context.trace_id == event.trace_id == int(ids["trace_id"], 16)
    assert span.parent.span_id == event.span_id == int(ids["span_id"], 16)
    assert dict(event.attributes) == {
        "gen_ai.evaluation.name": "thumbs",
        "gen_ai.evaluation.score.value": 1.0,
        "gen_ai.evaluation.score.label": "up",
        "otel_llm.evaluation.evaluator.id": "thumbs",
        "otel_llm.evaluation.evaluator.type": "human_feedback",
        "otel_llm.evaluation.scale": "0-1",
    }
    assert (row["target"], row["name"], row["score"], row["label"]) == (f"trace:{ids['trace_id']}", "thumbs", 1.0, "up")
    (point,) = sinks.recorder.points("otel_llm.evaluation.results")
    assert point.value == 1
    assert ids["trace_id"] not in repr(point.attributes)


def test_later_from_another_process(sinks: Any, answered: Answer) -> None:
    ids = answered()
    program = f"""
import otel_llm
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
assert otel_llm.record_feedback("stars", score=2, scale="1-5", target={ids!r}).recorded
assert otel_llm.flush()
(span,) = exporter.get_finished_spans()
print(span.to_json())
"""
    span = json.loads(python("-c", program, OTEL_LLM_EVAL_DATASET=str(sinks.dataset)).stdout)
    assert span["name"] == "feedback stars"
    assert (span["context"]["trace_id"], span["parent_id"]) == (f"0x{ids['trace_id']}", f"0x{ids['span_id']}")
    (row,) = sinks.rows
    assert row["target"] == f"span:{ids['trace_id']}-{ids['span_id']}"


def test_a_program_that_just_ends_records_it(tmp_path: Path) -> None:
    program = """
import otel_llm
for number in range(1, 201):
    otel_llm.record_feedback("thumbs", label="up", target={"trace_id": f"{number:032x}"})
"""
    python("-c", program, OTEL_LLM_EVAL_DATASET=str(tmp_path / "items.db"))
    assert len(list(LabelStore(tmp_path / "items.db").read())) == 200


def test_nothing_listens_and_there_is_no_dataset(recorder: Any) -> None:
    recorder.instrument()
    assert otel_llm.record_feedback("thumbs", label="up", target={"trace_id": "1" * 32}).recorded
    assert otel_llm.flush()
    assert not Path("otel-llm-evaluation.db").exists()


# --- targets -----------------------------------------------------------------------------------------


def test_a_span_and_its_context(sinks: Any) -> None:
    with otel_llm.workflow_span("ask"):
        from opentelemetry import trace

        span = trace.get_current_span()
    otel_llm.record_feedback("thumbs", label="up", target=span)
    otel_llm.record_feedback("clear", label="yes", target=span.get_span_context())
    assert [one.parent.span_id for one in sinks.spans] == [span.get_span_context().span_id] * 2
    assert len({row["target"] for row in sinks.rows}) == 1


@pytest.mark.parametrize(
    ("target", "attribute"),
    [
        ({"conversation_id": "c7"}, "gen_ai.conversation.id"),
        ({"app.ticket": "c7"}, "app.ticket"),
        ({"ticket": "c7"}, "otel_llm.metadata.ticket"),
    ],
)
def test_what_spans_carry(sinks: Any, target: dict[str, str], attribute: str) -> None:
    """Where the trace is not known, backends find the feedback by the attribute that its spans carry."""
    sinks.recorder.missing.add("app.ticket")
    assert otel_llm.record_feedback("thumbs", label="up", target=target) == Feedback(True)
    (span,) = sinks.spans
    assert span.parent is None
    assert span.attributes[attribute] == sinks.events[0].attributes[attribute] == "c7"


def test_a_response_by_the_id_of_its_provider(sinks: Any) -> None:
    otel_llm.record_feedback("thumbs", label="up", target={"response_id": "chatcmpl-7"})
    assert sinks.spans[0].attributes["gen_ai.response.id"] == "chatcmpl-7"


@pytest.mark.parametrize(
    "target", [{"conversation_id": "c7"}, {"response_id": "r7"}, {"ticket": "T-7"}, {"trace_id": "ab" * 16}]
)
def test_the_dataset_knows_which_span_answered(sinks: Any, target: dict[str, str]) -> None:
    from otel_llm.evaluation import SQLiteSink

    item = {"id": f"{'ab' * 16}-{'1' * 16}", "trace_id": "ab" * 16, "span_id": "1" * 16, "conversation_id": "c7"}
    item |= {"answered_by": {"span_id": "7" * 16}, "calls": [{"response_id": "r7"}], "metadata": {"ticket": "T-7"}}
    item |= {"name": "ask", "started_at": "2026-01-01", "sampled_by": ["rate"]}
    sink = SQLiteSink(sinks.dataset)
    sink.write(item)
    sink.close()
    otel_llm.record_feedback("thumbs", label="up", target=target)
    (span,) = sinks.spans
    assert (span.context.trace_id, span.parent.span_id) == (int("ab" * 16, 16), int("7" * 16, 16))
    assert sinks.rows[0]["trace_id"] == "ab" * 16


def test_no_current_trace(sinks: Any) -> None:
    assert otel_llm.record_feedback("thumbs", label="up") == Feedback(False, "no_target")
    assert otel_llm.feedback_token() is None
    with otel_llm.propagate_attributes(session_id="s7"):
        untraced = otel_llm.current_ids()
    assert otel_llm.record_feedback("thumbs", label="up", target=untraced) == Feedback(False, "no_target")
    assert sinks.spans == []


def test_a_trace_that_the_head_sampler_dropped(sinks: Any) -> None:
    sinks.recorder.instrument(otel_llm.Settings(), ParentBased(ALWAYS_OFF))
    with otel_llm.workflow_span("ask"):
        otel_llm.record_feedback("thumbs", label="down")
    assert [span.name for span in sinks.spans] == ["feedback thumbs"]


# --- once --------------------------------------------------------------------------------------------


def test_the_same_again_changes_nothing(sinks: Any, answered: Answer) -> None:
    ids = answered()
    first = otel_llm.record_feedback("thumbs", label="up", target=ids)
    again = otel_llm.record_feedback("thumbs", label="up", target=ids)
    assert (first.recorded, again.recorded, again.reason) == (True, False, "repeated")
    assert len(sinks.spans) == len(sinks.events) == len(sinks.rows) == 1


def test_the_same_again_in_another_process_changes_nothing(sinks: Any, answered: Answer) -> None:
    ids = answered()
    program = f"import otel_llm; otel_llm.record_feedback('thumbs', label='up', target={ids!r})"
    python("-c", program, OTEL_LLM_EVAL_DATASET=str(sinks.dataset))
    otel_llm.record_feedback("thumbs", label="up", target=ids)
    assert len(sinks.rows) == 1
    assert sinks.spans == sinks.events == []


def test_the_newest_wins_and_the_history_is_kept(sinks: Any, answered: Answer) -> None:
    ids = answered()
    for label in ("up", "down", "up"):
        assert otel_llm.record_feedback("thumbs", label=label, target=ids).recorded
    assert [(row["label"], row["replaced_at"] is None) for row in sinks.rows] == [
        ("up", False),
        ("down", False),
        ("up", True),
    ]
    assert [span.attributes["gen_ai.evaluation.score.label"] for span in sinks.spans] == ["up", "down", "up"]


def test_each_person_and_each_question_is_apart(sinks: Any, answered: Answer) -> None:
    ids = answered()
    otel_llm.record_feedback("thumbs", label="up", target=ids, submitter="u1")
    otel_llm.record_feedback("thumbs", label="up", target=ids, submitter="u2")
    otel_llm.record_feedback("clear", label="up", target=ids, submitter="u2")
    with otel_llm.propagate_attributes(user_id="u3"):
        otel_llm.record_feedback("thumbs", label="up", target=ids)
    assert [row["submitter"] for row in sinks.rows] == ["u1", "u2", "u2", "u3"]
    assert [span.attributes["user.id"] for span in sinks.spans] == ["u1", "u2", "u2", "u3"]
    assert all(row["replaced_at"] is None for row in sinks.rows)


# --- values ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "score", "label"),
    [
        ({"score": "0.5"}, 0.5, None),
        ({"score": True}, 1.0, "up"),
        ({"score": False}, 0.0, "down"),
        ({"label": "Thumbs_Down"}, 0.0, "Thumbs_Down"),
        ({"label": 7}, None, "7"),
        ({"score": float("nan"), "label": "meh"}, None, "meh"),
        ({"score": 10**400, "label": "meh"}, None, "meh"),
        ({"score": object(), "label": "meh\ud800"}, None, "meh?"),
        ({"label": "x" * 1000}, None, "x" * 256),
    ],
)
def test_odd_values_are_converted(sinks: Any, answered: Answer, quiet: Any, given: Any, score: Any, label: Any) -> None:
    assert otel_llm.record_feedback("thumbs", target=answered(), **given).recorded
    (row,) = sinks.rows
    assert (row["score"], row["label"]) == (score, label)
    quiet.clear()  # what was converted is told


class _Broken:
    """Nothing can be done with it."""

    def __str__(self) -> str:
        raise RuntimeError(CANARY)

    __repr__ = __float__ = __bool__ = __str__  # type: ignore[assignment]


_ODD: list[Any] = [_Broken(), b"\xff", [1], {"a": _Broken()}, 10**5000, "\ud800x", object, 1.5j, 0, ()]


@pytest.mark.parametrize("what", ["name", "score", "label", "comment", "correction", "submitter", "scale", "value"])
def test_nothing_odd_is_raised_and_nothing_is_lost(sinks: Any, quiet: Any, what: str) -> None:
    for number, odd in enumerate(_ODD, 1):
        given: dict[str, Any] = {"name": "odd", "label": "up", "target": {"trace_id": f"{number:032x}"}}
        given |= {"target": {f"key{number}": odd}} if what == "value" else {what: odd}
        assert otel_llm.record_feedback(**given).recorded, type(odd)
    assert len(sinks.spans) == len(sinks.rows) == len(_ODD)
    assert "failed in" not in quiet.text
    assert CANARY not in quiet.text
    quiet.clear()


def test_an_attribute_that_is_no_text_in_utf_8(sinks: Any) -> None:
    otel_llm.record_feedback("thumbs", label="up", target={"tick\ud800et": "T-7"})
    assert sinks.spans[0].attributes["otel_llm.metadata.tick?et"] == "T-7"
    assert len(sinks.rows) == 1


def test_nothing_that_can_be_used(sinks: Any, answered: Answer, quiet: Any) -> None:
    assert otel_llm.record_feedback("thumbs", score="words", target=answered()).reason == "nothing_said"  # type: ignore[arg-type]
    assert sinks.rows == []
    assert "score of feedback was given as str and is left out" in quiet.text
    quiet.clear()


@pytest.mark.parametrize(
    ("given", "error", "reason"),
    [
        ({"name": "", "label": "up"}, ValueError, "needs a name"),
        ({"name": "thumbs"}, ValueError, "a score, a label, a comment or a correction"),
        ({"name": "thumbs", "label": "up", "target": 7}, TypeError, "target must be a token, a span, or a mapping"),
        ({"name": "thumbs", "label": "up", "target": {"trace_id": "7"}}, ValueError, "32 hexadecimal digits"),
        ({"name": "thumbs", "label": "up", "target": {"span_id": "1" * 16}}, ValueError, "not span_id"),
        ({"name": "thumbs", "label": "up", "target": {"a": 1, "b": 2}}, ValueError, "not a, b"),
        ({"name": "thumbs", "label": "up", "target": {"ticket": ""}}, ValueError, "is empty"),
        ({"name": "thumbs", "label": "up", "target": {7: "T-7"}}, ValueError, "not int"),
    ],
)
def test_a_misuse_raises(sinks: Any, given: dict[str, Any], error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        otel_llm.record_feedback(**given)


def test_a_dataset_that_can_not_be_written(sinks: Any, answered: Answer, quiet: Any) -> None:
    sinks.dataset.write_text("no database at all " * 100)
    for name in ("one", "two"):
        assert otel_llm.record_feedback(name, label="up", comment=CANARY, target=answered()).recorded
    assert len(sinks.spans) == 2
    assert quiet.text.count("labels of feedback can't be stored") == 1
    assert CANARY not in quiet.text
    quiet.clear()


# --- content -----------------------------------------------------------------------------------------


def test_words_are_in_no_sink_unless_content_is_captured(sinks: Any, answered: Answer) -> None:
    done = otel_llm.record_feedback("thumbs", label="up", comment=CANARY, correction=CANARY, target=answered())
    assert done.left_out == ("comment", "correction")
    assert CANARY not in sinks.told()
    assert len(sinks.rows) == 1


def test_feedback_of_words_alone(sinks: Any, answered: Answer) -> None:
    otel_llm.record_feedback("thumbs", comment=CANARY, target=answered())
    assert sinks.spans[0].attributes["gen_ai.evaluation.score.label"] == "commented"
    assert CANARY not in sinks.told()


def test_captured_words(sinks: Any, answered: Answer) -> None:
    sinks.instrument(capture_content=ContentCapture.SPAN_AND_EVENT)
    done = otel_llm.record_feedback("thumbs", label="up", comment=CANARY, correction="better", target=answered())
    assert done.left_out == ()
    assert sinks.spans[0].attributes["gen_ai.evaluation.explanation"] == CANARY
    assert sinks.events[0].attributes["gen_ai.evaluation.explanation"] == CANARY
    assert json.loads(sinks.rows[0]["feedback"])["comment"] == CANARY
    assert json.loads(sinks.rows[0]["feedback"])["correction"] == "better"
    assert CANARY not in sinks.recorder.metrics.to_json()


def test_words_for_the_evaluation_alone(sinks: Any, answered: Answer) -> None:
    sinks.instrument(evaluation_capture_content=True, evaluation_sample_rate=0.0)
    otel_llm.record_feedback("thumbs", label="up", comment=CANARY, target=answered())
    assert "gen_ai.evaluation.explanation" not in sinks.spans[0].attributes
    assert json.loads(sinks.rows[0]["feedback"])["comment"] == CANARY


def test_the_policy_applies_everywhere(sinks: Any, answered: Answer) -> None:
    sinks.instrument(
        capture_content=ContentCapture.SPAN_AND_EVENT,
        redact=("secrets", "pii"),
        pseudonym_key="a key",
        evaluation_dataset=str(sinks.dataset),
    )
    person = "canary.person@example.org"
    otel_llm.record_feedback(
        f"asked {person}",
        label=f"by {person}",
        comment=f"Write to {person}, key gsk_A1b2C3d4E5f6G7h8I9j0A1b2C3d4E5f6G7h8I9j0",
        correction=f"Dear {person}",
        target={"app.mail": person},
        submitter=person,
    )
    sinks.recorder.missing.add("app.mail")
    told = sinks.told()
    assert "Write to [EMAIL], key [SECRET]" in told
    assert "canary.person" not in told
    assert "gsk_" not in told
    assert sinks.rows[0]["submitter"].startswith("psn_")


def test_what_is_hidden_is_not_kept(sinks: Any, answered: Answer) -> None:
    sinks.instrument(capture_content=ContentCapture.SPAN_AND_EVENT, hide=frozenset({"input"}))
    done = otel_llm.record_feedback("thumbs", label="up", comment=CANARY, correction=CANARY, target=answered())
    assert done.left_out == ("comment", "correction")
    assert CANARY not in sinks.told()


def test_a_long_comment_is_cut(sinks: Any, answered: Answer) -> None:
    sinks.instrument(capture_content=ContentCapture.SPAN_ONLY, content_max_bytes=1000)
    otel_llm.record_feedback("thumbs", comment="word " * 10_000, target=answered())
    assert len(sinks.spans[0].attributes["gen_ai.evaluation.explanation"]) <= 1000
    assert len(json.loads(sinks.rows[0]["feedback"])["comment"]) <= 1000
