"""Alarms on verdicts: they ring when there is enough evidence, once, for all workers, and tell whom they should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from otel_llm.evaluation import find_evaluators
from otel_llm.evaluation.judges.tally import Bound
from otel_llm.evaluation.results.verdict import Verdict
from otel_llm.evaluation.worker.alarms import AlarmError, Alarms
from standin.server import Reply, Request, Server

EVALUATORS = find_evaluators(["hallucination", "faithfulness"])
SHARE, MEAN = Bound.parse("hallucination>0.05"), Bound.parse("mean(faithfulness)<3.5")


def verdict(name: str, score: float, *, passed: bool) -> Verdict:
    return Verdict(name, "a" * 32, "b" * 16, score=score, passed=passed)


GOOD, BAD = verdict("hallucination", 0, passed=True), verdict("hallucination", 1, passed=False)


def test_enough_bad_verdicts_ring_once_and_again_if_it_goes_on(tmp_path: Path) -> None:
    alarms = Alarms(tmp_path / "d.db", [SHARE, MEAN], EVALUATORS)
    assert alarms.add([GOOD] * 500) == []
    rung = [number for number in range(1, 15) if alarms.add([BAD])]
    assert rung == [6, 13]
    assert alarms.add([BAD] * 7) == ["ALARM hallucination>0.05: the verdicts of hallucination are beyond it"]


def test_low_scores_ring(tmp_path: Path) -> None:
    alarms = Alarms(tmp_path / "d.db", [MEAN], EVALUATORS)
    assert alarms.add([verdict("faithfulness", 4, passed=True)] * 200) == []
    assert alarms.add([verdict("faithfulness", 1, passed=False)] * 30) != []


def test_workers_share_the_evidence_of_one_revision(tmp_path: Path) -> None:
    first, second = (Alarms(tmp_path / "d.db", [SHARE], EVALUATORS) for _ in range(2))
    assert first.add([BAD] * 4) == []
    assert second.add([BAD] * 3) != []
    (tmp_path / "e.yaml").write_text("evaluators: [{name: hallucination, use: hallucination, threshold: 0.2}]")
    third = Alarms(tmp_path / "d.db", [SHARE], find_evaluators([str(tmp_path / "e.yaml")]))
    assert first.add([BAD] * 6) == []
    assert third.add([BAD]) == []


def test_what_failed_or_is_of_another_evaluator_is_no_evidence(tmp_path: Path) -> None:
    alarms = Alarms(tmp_path / "d.db", [SHARE], EVALUATORS)
    failed = Verdict("hallucination", "a" * 32, "b" * 16, error_type="bad_reply")
    assert alarms.add([failed] * 50 + [verdict("faithfulness", 1, passed=False)] * 50) == []


def test_the_evidence_and_the_alarms_are_metrics(tmp_path: Path) -> None:
    reader = InMemoryMetricReader()
    alarms = Alarms(tmp_path / "d.db", [SHARE], EVALUATORS, meter_provider=MeterProvider([reader]))

    def values() -> dict[str, float]:
        data = reader.get_metrics_data()
        assert data is not None
        found: dict[str, float] = {}
        for metric in data.resource_metrics[0].scope_metrics[0].metrics:
            (point,) = metric.data.data_points
            assert point.attributes == {
                "gen_ai.evaluation.name": "hallucination",
                "otel_llm.evaluation.bound": "hallucination>0.05",
            }
            found[metric.name] = point.value  # type: ignore[union-attr]
        return found

    assert values() == {"otel_llm.evaluation.alarms": 0, "otel_llm.evaluation.evidence": 0}
    alarms.add([BAD] * 4)
    assert 0.3 < values()["otel_llm.evaluation.evidence"] < 1
    alarms.add([BAD] * 3)
    told = values()
    assert told["otel_llm.evaluation.alarms"] == 1
    assert told["otel_llm.evaluation.evidence"] >= 1


class Hook(Server):
    def route(self, request: Request) -> Reply:
        return Reply(body={})


def test_a_webhook_is_told_and_may_be_away(tmp_path: Path, quiet: pytest.LogCaptureFixture) -> None:
    with Hook() as hook:
        alarms = Alarms(tmp_path / "d.db", [SHARE], EVALUATORS, webhook=f"{hook.url}/alarm")
        assert alarms.add([BAD] * 7) != []
        (request,) = hook.requests
    told: Any = request.json
    assert told["text"] == "ALARM hallucination>0.05: the verdicts of hallucination are beyond it"
    assert told["bound"] == "hallucination>0.05"
    assert alarms.add([BAD] * 7) != []  # nobody answers there now
    assert "Alarms._post" in quiet.text
    quiet.clear()


@pytest.mark.parametrize(
    ("bound", "said"),
    [
        ("hallucination<0.05", "too high, as with >"),
        ("hallucination>0", "between 0 and 1"),
        ("mean(faithfulness)<6", "between 1 and 5"),
        ("toxicity>0.1", "is not among those that judge"),
    ],
)
def test_what_can_be_no_alarm_says_why(tmp_path: Path, bound: str, said: str) -> None:
    with pytest.raises(AlarmError, match=said):
        Alarms(tmp_path / "d.db", [Bound.parse(bound)], EVALUATORS)
