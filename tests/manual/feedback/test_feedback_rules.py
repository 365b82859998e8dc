"""Feedback makes a trace an item while it is held, and says whether it was; a child process gives its own."""

from __future__ import annotations

import os
import sqlite3
from typing import Any

import pytest

import otel_llm
from otel_llm import ContentCapture

RULES = '[{"name": "unhappy", "feedback": "negative"}]'


def _items(sinks: Any) -> list[tuple[str, str]]:
    assert sinks.recorder.tracer_provider.force_flush()
    if not sinks.dataset.exists():
        return []
    database = sqlite3.connect(sinks.dataset)
    found = database.execute("select item ->> '$.trace_id', sampled_by from items").fetchall()
    database.close()
    return found


def _ask(**propagated: Any) -> dict[str, Any]:
    with otel_llm.propagate_attributes(**propagated), otel_llm.workflow_span("ask"):
        otel_llm.update_current_span(output="an answer")
        return dict(otel_llm.current_ids())


@pytest.fixture
def held(sinks: Any) -> Any:
    sinks.instrument(evaluation_rules=RULES, evaluation_grace=0.0, capture_content=ContentCapture.SPAN_ONLY)
    return sinks


def test_negative_feedback_makes_an_item(held: Any) -> None:
    happy, unhappy = _ask(), _ask()
    assert _items(held) == []
    assert otel_llm.record_feedback("thumbs", label="up", target=happy).held
    assert otel_llm.record_feedback("thumbs", label="down", target=unhappy).held
    assert _items(held) == [(unhappy["trace_id"], '["unhappy"]')]
    # It is stored by now, and no longer held.
    assert not otel_llm.record_feedback("stars", score=1, scale="1-5", target=unhappy).held
    assert not otel_llm.record_feedback("thumbs", label="down", target={"trace_id": "ab" * 16}).held


def test_a_held_trace_is_found_by_its_conversation(held: Any) -> None:
    _ask(conversation_id="c1")
    ids = _ask(conversation_id="c2", metadata={"ticket": "T-2"})
    _items(held)
    done = otel_llm.record_feedback("thumbs", label="up", target={"ticket": "T-2"})
    assert (done.trace_id, done.held) == (ids["trace_id"], True)
    _items(held)  # it is held again: nothing negative was said
    done = otel_llm.record_feedback("thumbs", label="down", target={"conversation_id": "c2"})
    assert (done.trace_id, done.held) == (ids["trace_id"], True)
    assert _items(held) == [(ids["trace_id"], '["unhappy"]')]
    assert [span.parent.span_id for span in held.spans] == [int(ids["span_id"], 16)] * 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_process_records_its_own(sinks: Any) -> None:
    otel_llm.record_feedback("thumbs", label="up", target={"trace_id": "1" * 32})
    assert otel_llm.flush()
    child = os.fork()
    if child == 0:
        done = otel_llm.record_feedback("thumbs", label="up", target={"trace_id": "2" * 32})
        os._exit(0 if done.recorded and otel_llm.flush() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    otel_llm.record_feedback("thumbs", label="up", target={"trace_id": "3" * 32})
    assert [row["trace_id"] for row in sinks.rows] == ["1" * 32, "2" * 32, "3" * 32]
