"""The set that judges are measured on, files of others, and the figures."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from otel_llm.evaluation.judges.calibration.agreement import Agreement
from otel_llm.evaluation.judges.calibration.labelled import Labelled, LabelsError, from_file, shipped

SET = list(shipped(forged=False))


def test_the_set_is_balanced() -> None:
    assert len(SET) == 240
    assert Counter((one.task, one.good["hallucination"]) for one in SET) == {
        (task, good): 40 for task in ("qa", "summary", "data_to_text") for good in (True, False)
    }
    assert len({one.id for one in SET}) == len({one.item["answer"] for one in SET}) == 240


def test_each_item_has_its_texts_a_reason_and_if_it_is_bad_the_span() -> None:
    folder = Path(__file__).parents[3] / "src/otel_llm/evaluation/judges/calibration"
    for line in (folder / "golden.jsonl").read_text().splitlines():
        row = json.loads(line)
        assert row["query"]
        assert row["context"]
        assert row["reason"]
        assert ("span" in row) is (row["verdict"] == "hallucinated")
        assert row.get("span", "") in row["answer"]


def test_answers_come_in_pairs_to_the_same_texts() -> None:
    """So a judge can't tell good from bad by the source."""
    pairs: dict[str, list[Labelled]] = {}
    for one in SET:
        pairs.setdefault(one.id.rpartition("-")[0], []).append(one)
    for good, bad in pairs.values():
        assert good.item["context"] == bad.item["context"]
        assert (good.good["hallucination"], bad.good["hallucination"]) == (True, False)


def test_the_length_of_an_answer_does_not_tell_whether_it_is_bad() -> None:
    lengths = {
        good: [len(one.item["answer"]) for one in SET if one.good["hallucination"] is good] for good in (True, False)
    }
    means = [sum(found) / len(found) for found in lengths.values()]
    assert abs(means[0] - means[1]) < 0.1 * means[0]


# --- files --------------------------------------------------------------------------------------------


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_file_of_the_user_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path / "mine.jsonl",
        {"id": "a", "query": "q", "context": ["c"], "answer": "x", "verdict": "faithful", "task": "faq"},
        {"answer": "y", "verdicts": {"toxicity": False, "brand_voice": True}},
    )
    first, second = from_file(path)
    assert (first.id, first.task, first.item["context"]) == ("a", "faq", [{"content": "c"}])
    assert first.good == {"hallucination": True, "faithfulness": True}
    assert (second.id, second.good) == ("2", {"toxicity": False, "brand_voice": True})


def test_files_of_halubench_and_ragtruth_are_read(tmp_path: Path) -> None:
    row = {"id": "h1", "passage": "p", "question": "q", "answer": "a", "label": "FAIL", "source_ds": "DROP"}
    (halubench,) = from_file(write(tmp_path / "halubench.jsonl", row))
    assert (halubench.task, halubench.good["hallucination"]) == ("DROP", False)
    assert halubench.item["context"] == [{"content": "p"}]
    write(
        tmp_path / "source_info.jsonl",
        {"source_id": "7", "task_type": "QA", "source_info": {"question": "q", "passages": "passage 1: p"}},
        {"source_id": "8", "task_type": "Data2txt", "source_info": {"name": "n"}},
        {"source_id": "9", "task_type": "Summary", "source_info": "article"},
    )
    labels = [{"start": 0, "end": 3, "text": "bad", "label_type": "Evident Conflict"}]
    qa, data, summary = from_file(
        write(
            tmp_path / "response.jsonl",
            {"id": "1", "source_id": "7", "response": "bad one", "labels": labels},
            {"id": "2", "source_id": "8", "response": "n", "labels": []},
            {"id": "3", "source_id": "9", "response": "s", "labels": []},
        )
    )
    assert (qa.item["query"], qa.item["context"], qa.reason) == ("q", [{"content": "passage 1: p"}], "bad")
    assert [one.good["hallucination"] for one in (qa, data, summary)] == [False, True, True]
    assert data.item["context"] == [{"content": '{"name": "n"}'}]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "line 1"),
        ("[]", "line 1: it is not an object"),
        ('{"verdict": "faithful"}', "no `answer`"),
        ('{"answer": "a"}', "neither `verdict` nor `verdicts`"),
        ('{"answer": "a", "verdict": "maybe"}', "the verdict is none of faithful"),
        ('{"answer": "a", "verdicts": {"x": "good"}}', "must have true"),
        ('{"source_id": "1", "response": "a"}', "the sources are missing"),
    ],
)
def test_a_file_that_can_not_be_used_says_why(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(text + "\n")
    with pytest.raises(LabelsError, match=says):
        list(from_file(path))


# --- figures ------------------------------------------------------------------------------------------


def test_the_figures_are_those_of_the_counts() -> None:
    made = Agreement(found=85, missed=15, cleared=95, wrongly_flagged=5)
    assert (made.n, made.balanced_accuracy and made.balanced_accuracy.value) == (200, pytest.approx(0.9))
    assert made.sensitivity is not None
    assert made.specificity is not None
    assert made.kappa is not None
    assert (made.sensitivity.value, made.specificity.value) == (0.85, 0.95)
    assert made.kappa.value == pytest.approx(0.8)
    assert made.kappa.low < 0.75 < 0.85 < made.kappa.high
    assert made.balanced_accuracy is not None
    assert 0.85 < made.balanced_accuracy.low < 0.9 < made.balanced_accuracy.high < 0.95


def test_kappa_depends_on_how_many_are_bad_and_balanced_accuracy_does_not() -> None:
    rare = Agreement(found=850, missed=150, cleared=18050, wrongly_flagged=950)
    assert rare.kappa is not None
    assert rare.balanced_accuracy is not None
    assert rare.kappa.value == pytest.approx(0.58, abs=0.01)
    assert rare.balanced_accuracy.value == pytest.approx(0.9)


def test_counting_and_what_is_not_known() -> None:
    made = Agreement()
    assert (made.sensitivity, made.balanced_accuracy, made.kappa) == (None, None, None)
    for good, passed in ((True, True), (True, False), (False, True), (False, False)):
        made.add(good=good, passed=passed)
    assert (made.found, made.missed, made.cleared, made.wrongly_flagged) == (1, 1, 1, 1)
    only_good = Agreement(cleared=3)
    assert only_good.kappa is not None
    assert (only_good.balanced_accuracy, only_good.kappa.value) == (None, 1.0)
