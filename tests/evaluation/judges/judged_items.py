"""Items for the tests of judges."""

from __future__ import annotations

from typing import Any

TRACE, ROOT, ANSWERING = "5b8aa5a2d2c872e8321cf37308d69df2", "051581bf3cb55c13", "eee19b7ec3c1b174"


def item(answer: str | None = "The lighthouse was built in 1890.", **others: Any) -> dict[str, Any]:
    """An item with a question, a document and an answer."""
    made: dict[str, Any] = {
        "schema": "otel-llm.evaluation-item/1",
        "id": f"{TRACE}-{ROOT}",
        "trace_id": TRACE,
        "span_id": ROOT,
        "name": "answer_question",
        "started_at": "2026-11-21T14:03:07.250000+00:00",
        "duration": 2.5,
        "sampled_by": ["rate"],
        "content_captured": True,
        "truncated": False,
        "spans": 3,
        "spans_left_out": 0,
        "calls": [],
        "query": "When was the lighthouse built?",
        "context": [{"id": "d1", "content": "The lighthouse of Kap Arn was built in 1890 by the harbour board."}],
        "answered_by": {"span_id": ANSWERING, "response_id": "chatcmpl-1"},
        "answer": answer,
        **others,
    }
    return {name: value for name, value in made.items() if value is not None}
