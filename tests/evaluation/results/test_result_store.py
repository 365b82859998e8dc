"""Verdicts are stored beside the items: once for each key, from several processes, in files of earlier releases too."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest

from otel_llm.cli import main
from otel_llm.evaluation import ResultStore, SQLiteSink, Verdict
from otel_llm.evaluation.dataset.reader import APPLICATION_ID, TABLE, DatasetError

TRACE, SPAN = "5b8aa5a2d2c872e8321cf37308d69df2", "051581bf3cb55c13"
VERDICT = Verdict(
    "faithfulness",
    TRACE,
    SPAN,
    score=4,
    label="faithful",
    explanation="It is there.",
    revision="r1",
    scale="1-5",
    passed=True,
    at=10.0,
    attributes={"otel_llm.evaluation.judge.model": "gpt-x"},
)
FAILED = Verdict("faithfulness", TRACE, SPAN, error_type="Timeout", revision="r1", at=5.0)


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "items.db")


def test_what_was_stored_is_read(store: ResultStore) -> None:
    assert store.add(VERDICT)
    assert list(store.read()) == [VERDICT]


def test_one_verdict_for_span_evaluator_revision_and_submitter(store: ResultStore) -> None:
    assert store.add(VERDICT)
    assert not store.add(replace(VERDICT, score=1, at=20.0))
    others = [
        replace(VERDICT, span_id=None),
        replace(VERDICT, trace_id="1" * 32),
        replace(VERDICT, evaluator="another"),
        replace(VERDICT, revision="r2"),
        replace(VERDICT, submitter="u7"),
    ]
    assert [store.add(one) for one in others] == [True] * 5
    assert list(store.read()) == [VERDICT, *others]


def test_a_replaced_verdict(store: ResultStore) -> None:
    store.add(VERDICT)
    newer = replace(VERDICT, score=1, at=20.0)
    assert store.add(newer, replace=True)
    assert list(store.read()) == [newer]


def test_a_failure_gives_way_and_replaces_nothing(store: ResultStore) -> None:
    key = (TRACE, SPAN, "faithfulness", "r1")
    assert store.add(FAILED)
    assert not store.has(*key)
    assert store.add(VERDICT)
    assert not store.add(FAILED)
    assert list(store.read()) == [VERDICT]
    assert store.has(*key)


def test_what_is_read_is_chosen(store: ResultStore) -> None:
    human = Verdict("thumbs", "1" * 32, label="up", source="human", submitter="u7", at=30.0)
    store.add(human)
    store.add(VERDICT)
    assert list(store.read(name="thumbs")) == list(store.read(source="human")) == [human]
    assert list(store.read(since=20.0)) == list(store.read(trace_id="1" * 32)) == [human]
    assert list(store.read(evaluator="faithfulness", revision="r1", span_id=SPAN)) == [VERDICT]
    assert list(store.read(name="thumbs", trace_id=TRACE)) == []


def test_a_dataset_of_an_earlier_release(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as database:
        database.execute(TABLE)
        database.execute("insert into items values ('i', 1, '2026-01-01', null, 'n', '[]', '{}')")
        database.execute(f"pragma application_id={APPLICATION_ID}")
        database.execute("pragma user_version=1")
    database.close()
    store = ResultStore(path)
    assert list(store.read()) == []
    assert store.add(VERDICT)
    assert list(store.read()) == [VERDICT]
    with sqlite3.connect(path) as database:
        assert database.execute("select id from items").fetchall() == [("i",)]
        assert database.execute("pragma user_version").fetchone() == (1,)
    database.close()


def _adds(path: Path, number: int) -> int:
    store = ResultStore(path)
    added = [store.add(replace(VERDICT, trace_id=f"{n:032x}", score=number)) for n in range(1, 51)]
    store.close()
    return sum(added)


def test_several_processes_store_each_verdict_once(tmp_path: Path) -> None:
    path = tmp_path / "items.db"
    with get_context("spawn").Pool(2) as pool:
        added = pool.starmap(_adds, [(path, number) for number in range(4)])
    assert sum(added) == 50
    assert len(list(ResultStore(path).read())) == 50


def test_credentials_and_people_are_not_stored(store: ResultStore) -> None:
    store.add(replace(VERDICT, explanation="It quotes gsk_A1b2C3d4E5f6G7h8I9j0A1b2C3d4E5f6G7h8I9j0"))
    assert "gsk_" not in store.path.read_bytes().decode("latin-1")


def test_no_place_for_verdicts(tmp_path: Path, store: ResultStore) -> None:
    with pytest.raises(DatasetError, match="a SQLite dataset is needed"):
        ResultStore(tmp_path / "items.jsonl")
    with pytest.raises(DatasetError, match="there is no dataset"):
        list(store.read())
    with pytest.raises(ValueError, match="trace_id"):
        store.add(replace(VERDICT, trace_id=None, span_id=None))
    store.path.write_text("words " * 1000)
    with pytest.raises(DatasetError, match="is no dataset"):
        list(store.read())
    with pytest.raises(sqlite3.DatabaseError):
        store.add(VERDICT)


def test_who_is_erased_is_judged_no_more(store: ResultStore, capsys: pytest.CaptureFixture[str]) -> None:
    item = {"id": f"{TRACE}-{SPAN}", "trace_id": TRACE, "user_id": "u7", "started_at": "2026-01-01", "name": "n"}
    SQLiteSink(store.path).write({**item, "sampled_by": ["rate"], "schema": "otel-llm.evaluation-item/1"})
    kept = replace(VERDICT, trace_id="1" * 32)
    by_the_person = replace(VERDICT, trace_id="2" * 32, submitter="u7")
    for verdict in (VERDICT, kept, by_the_person):
        store.add(verdict)
    store.close()
    assert main(["erase", "--user", "u7", "--dataset", str(store.path), "--dry-run"]) == 0
    assert len(list(store.read())) == 3
    assert main(["erase", "--user", "u7", "--dataset", str(store.path)]) == 0
    assert "3 entries removed" in capsys.readouterr().err
    assert list(store.read()) == [kept]
    assert TRACE not in store.path.read_bytes().decode("latin-1")
