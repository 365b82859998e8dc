"""Evaluators as data: what they need, their revision, and where they come from."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from judged_items import item

from otel_llm.evaluation.judges import catalog, criteria, fencing
from otel_llm.evaluation.judges.catalog import BUILT_IN, find_evaluators
from otel_llm.evaluation.judges.evaluator import Evaluator, EvaluatorError, has
from otel_llm.evaluation.judges.scales import Categories, Labels, Points, Scale

ISSUE = [
    *("hallucination", "faithfulness", "answer_relevance", "context_relevance", "completeness", "moderation", "style"),
    *("toxicity", "tool_use", "refusal", "empty", "valid_json", "pii", "secrets", "length", "language", "contains"),
    *("regex", "exact", "latency", "cost", "prompt_injection"),
]


def test_every_promised_evaluator_is_there() -> None:
    assert set(ISSUE) <= BUILT_IN.keys()
    assert {one.name for one in criteria.JUDGED} == set(ISSUE[:9])


@pytest.mark.parametrize("evaluator", criteria.JUDGED, ids=lambda one: one.name)
def test_a_judged_evaluator_is_complete(evaluator: Evaluator) -> None:
    assert evaluator.asks_a_judge
    assert evaluator.threshold is not None
    assert evaluator.passes(evaluator.scale.high) is evaluator.higher_is_better
    assert evaluator.passes(evaluator.scale.low) is not evaluator.higher_is_better


CHANGES: list[dict[str, Any]] = [
    {"criteria": "Else?"},
    {"steps": ("First",)},
    {"threshold": 0.4},
    {"higher_is_better": True},
    {"needs": frozenset({"answer"})},
    {"scale": Labels((("faithful", 0.0, "yes"), ("hallucinated", 1.0, "no")))},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_what_decides_changes_the_revision(change: dict[str, Any]) -> None:
    assert replace(criteria.HALLUCINATION, **change).revision != criteria.HALLUCINATION.revision


def test_the_revision_is_the_same_in_every_process_and_changes_with_the_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    assert replace(criteria.HALLUCINATION).revision == criteria.HALLUCINATION.revision
    before = criteria.HALLUCINATION.revision
    monkeypatch.setattr(fencing, "FRAME", "Otherwise.")
    assert replace(criteria.HALLUCINATION).revision != before


def test_the_parameters_and_the_code_of_a_function_change_the_revision() -> None:
    length = BUILT_IN["length"]
    assert length().revision == length().revision != length(high=10).revision
    assert Evaluator.of("own", lambda item: True).revision != Evaluator.of("own", lambda item: False).revision


def test_an_evaluator_says_what_an_item_lacks() -> None:
    assert criteria.HALLUCINATION.lacks(item()) is None
    assert criteria.HALLUCINATION.lacks(item(context=[])) == "context"
    assert criteria.HALLUCINATION.lacks(item(answer=None, content_captured=False)) == "answer"
    assert criteria.TOOL_USE.lacks(item()) == "tools"
    called = [{"role": "assistant", "parts": [{"type": "tool_call", "name": "find", "arguments": "{}"}]}]
    assert has(item(messages=called), "tools")


def test_an_answer_without_text_is_one_where_content_was_captured() -> None:
    assert has(item(answer=None), "answer")
    assert not has(item(answer=None, content_captured=False), "answer")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"name": "No Name"}, "no name of an evaluator"),
        ({"needs": frozenset({"soul"})}, "no item has soul"),
        ({"threshold": 2.0}, "the threshold is beyond 0 to 1"),
        ({"criteria": ""}, "either criteria for a judge or a function"),
    ],
)
def test_what_can_not_be_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(EvaluatorError, match=says):
        replace(criteria.HALLUCINATION, **given)


# --- where they come from -----------------------------------------------------------------------------

FILE = """\
evaluators:
  - hallucination
  - {use: length, name: brief, with: {low: 1, high: 200}}
  - name: brand_voice
    criteria: Is the answer written in the voice of the brand?
    steps: [Read the answer., Compare it with the voice.]
    scale: {points: [1, 5], meanings: [not at all, hardly, partly, mostly, fully]}
    threshold: 3
  - name: spam
    criteria: Does it advertise?
    scale: {labels: {no: 0, yes: {score: 1, meaning: it advertises}}}
    higher_is_better: false
    threshold: 0.5
  - name: topics
    criteria: Which topics does it touch?
    scale: {categories: {money: prices and fees, law: legal matters}}
    higher_is_better: false
"""


def test_a_file_defines_evaluators(tmp_path: Path) -> None:
    path = tmp_path / "evaluators.yaml"
    path.write_text(FILE)
    hallucination, brief, voice, spam, topics = find_evaluators([str(path)])
    assert hallucination is criteria.HALLUCINATION
    assert (brief.name, dict(brief.parameters)) == ("brief", {"low": 1, "high": 200})
    assert (voice.scale, voice.threshold) == (Points(1, 5, ("score",), tuple(voice.scale.meanings)), 3.0)  # type: ignore[attr-defined]
    assert len(voice.steps) == 2
    assert spam.scale == Labels((("no", 0.0, ""), ("yes", 1.0, "it advertises")))
    assert spam.passes(1.0) is False
    assert topics.scale == Categories((("money", "prices and fees"), ("law", "legal matters")))
    assert topics.passes(1.0) is None


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("{name: a}", "one of criteria, use and function"),
        ("{name: a, criteria: x, needs: [soul]}", "no item has soul"),
        ("{name: a, criteria: x, scale: {points: [5, 1]}}", "the scale is none of"),
        ("{name: a, criteria: x, scale: {labels: {good: very, bad: 0}}}", "the label good needs a number"),
        ("{name: a, criteria: x, threshold: high}", "the threshold must be a number"),
        ("{name: a, criteria: x, tresholds: 1}", "unknown tresholds"),
        ("{use: length, with: {highest: 3}}", "it takes low, high, not highest"),
        ("{use: nothing}", "no built-in evaluator nothing"),
        ("nothing", "there is no evaluator nothing"),
        ("'no.such:thing'", "can't be imported"),
        ("5", "each entry is a name"),
    ],
)
def test_a_file_that_can_not_be_used_says_which_entry(tmp_path: Path, entry: str, says: str) -> None:
    path = tmp_path / "evaluators.yaml"
    path.write_text(f"evaluators: [{entry}]")
    with pytest.raises(EvaluatorError, match=says) as raised:
        find_evaluators([str(path)])
    assert str(path) in str(raised.value)


def test_a_function_of_the_application_is_an_evaluator(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("own_checks")
    module.Polite = lambda item: "please" in item["answer"]
    module.ready = Evaluator.of("ready", lambda item: 1.0, needs=frozenset({"duration"}))
    module.number = 5
    monkeypatch.setitem(sys.modules, "own_checks", module)
    polite, ready = find_evaluators(["own_checks:Polite", "own_checks:ready"])
    assert (polite.name, polite.blocking, polite.threshold) == ("polite", True, 0.5)
    assert ready is module.ready
    with pytest.raises(EvaluatorError, match="neither an Evaluator nor a function"):
        find_evaluators(["own_checks:number"])


def test_packages_register_evaluators(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "kind_words.py").write_text("def kind(item):\n    return True\n")
    about = tmp_path / "kind_words-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: kind-words\nVersion: 1\n")
    (about / "entry_points.txt").write_text(f"[{catalog.GROUP}]\nkindness = kind_words:kind\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    (kindness,) = find_evaluators(["kindness"])
    assert (kindness.name, kindness.asks_a_judge) == ("kindness", False)


def test_two_evaluators_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "evaluators.yaml"
    path.write_text("evaluators: [{name: hallucination, criteria: Else}]")
    with pytest.raises(EvaluatorError, match="two different evaluators named hallucination"):
        find_evaluators(["hallucination", str(path)])
    assert len(find_evaluators(["hallucination", "hallucination"])) == 1


@pytest.mark.parametrize("scale", [one.scale for one in criteria.JUDGED], ids=[one.name for one in criteria.JUDGED])
def test_the_schema_of_a_scale_is_strict(scale: Scale) -> None:
    for field in scale.schema().values():
        assert "enum" in field or "enum" in field["items"]


def test_the_file_of_the_documentation_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[3] / "docs" / "judges.md").read_text()
    (tmp_path / "evaluators.yaml").write_text(page.split("```yaml\n")[1].split("```")[0])
    module: Any = ModuleType("my_checks")
    module.polite = lambda item: True
    monkeypatch.setitem(sys.modules, "my_checks", module)
    found = find_evaluators([str(tmp_path / "evaluators.yaml")])
    assert [one.name for one in found] == ["hallucination", "brief", "brand_voice", "advertising", "polite"]


def test_the_documentation_has_every_evaluator() -> None:
    page = (Path(__file__).parents[3] / "docs" / "judges.md").read_text()
    assert {name for name in BUILT_IN if f"`{name}`" not in page} == set()
