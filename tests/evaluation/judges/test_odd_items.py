"""Items of other forms than ours are judged as far as that goes, or give errors; nothing is raised."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged_items import ROOT, TRACE, item

from otel_llm.evaluation.judges import checks, criteria, judging
from otel_llm.evaluation.judges.clients.stand_in import StandInJudge

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["0" * 32, TRACE, ROOT]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["content", "id", "span_id", "parts", "type"]), inner)
    ),
    max_leaves=6,
)
FIELDS = ("trace_id", "span_id", "query", "answer", "context", "messages", "answered_by", "name", "duration", "cost")
CHECKS = [make() for name, make in checks.BUILT_IN.items() if name not in ("contains", "regex")]


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), ANY))
def test_an_item_of_any_form_is_judged_or_an_error(changes: dict[str, Any]) -> None:
    evaluators = [*criteria.JUDGED, *CHECKS]
    made = asyncio.run(judging.judge({**item(), **changes}, evaluators, StandInJudge()))
    assert len(made.verdicts) + len(made.not_applicable) == len(evaluators)


@pytest.mark.parametrize("context", ["The lighthouse was built in 1890.", ["The lighthouse was built in 1890."]])
def test_documents_may_be_plain_texts(context: Any) -> None:
    evaluators = [criteria.HALLUCINATION, criteria.FAITHFULNESS]
    made = asyncio.run(judging.judge(item("It was built in 1990.", context=context), evaluators, StandInJudge()))
    assert [verdict.passed for verdict in made.verdicts] == [False, False]


def test_an_item_without_ids_has_verdicts_without_them() -> None:
    (verdict,) = asyncio.run(judging.judge(item(trace_id="mine-1"), [checks.empty()])).verdicts
    assert (verdict.trace_id, verdict.span_id, verdict.passed) == (None, None, True)
