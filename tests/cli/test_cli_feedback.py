"""`otel-llm feedback` records, lists and exports; `otel-llm erase` forgets what people said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import otel_llm
from otel_llm.cli import main
from otel_llm.evaluation import SQLiteSink
from otel_llm.evaluation.results.labels import Label, LabelStore, Stored
from otel_llm.manual.feedback import desk

TRACE, SPAN = "ab" * 16, "cd" * 8


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A dataset with one item."""
    monkeypatch.setenv("OTEL_LLM_EVAL_DATASET", str(tmp_path / "items.db"))
    desk.SHARED._last.clear()
    sink = SQLiteSink(tmp_path / "items.db")
    item = {"id": f"{TRACE}-{SPAN}", "trace_id": TRACE, "span_id": SPAN, "name": "ask", "started_at": "2026-01-01"}
    item |= {"schema": "otel-llm.evaluation-item/1", "query": "Why?", "answer": "Because.", "user_id": "u7"}
    sink.write({**item, "sampled_by": ["rate"]})
    sink.close()
    yield tmp_path / "items.db"
    otel_llm.uninstrument()


def test_what_is_added_is_listed(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["feedback", "ls"]) == 1
    assert main(["feedback", "add", "thumbs", "--label", "down", "--trace", TRACE, "--user", "u1"]) == 0
    assert main(["feedback", "add", "stars", "--score", "4", "--scale", "1-5", "--key", "ticket=T-7"]) == 0
    capsys.readouterr()
    assert main(["feedback", "ls"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split("  ")[1:] == ["thumbs", "down", "0 (0-1)", f"trace:{TRACE}", "by u1"]
    assert second.split("  ")[1:] == ["stars", "4 (1-5)", "key:otel_llm.metadata.ticket=T-7"]
    assert main(["feedback", "ls", "--name", "thumbs", "--since", "1h", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["name"], told["score"], told["trace_id"], told["span_id"]) == ("thumbs", 0.0, TRACE, SPAN)


def test_the_history(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for label in ("up", "down"):
        assert main(["feedback", "add", "thumbs", "--label", label, "--trace", TRACE, "--span", SPAN]) == 0
    assert main(["feedback", "add", "thumbs", "--label", "down", "--trace", TRACE, "--span", SPAN]) == 1
    capsys.readouterr()
    assert main(["feedback", "ls"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert main(["feedback", "ls", "--history"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_correction_makes_a_pair(
    dataset: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add = ["feedback", "add", "thumbs", "--label", "down", "--correction", "Since 1990.", "--trace"]
    assert main([*add, TRACE]) == 0
    assert "correction left out: content is not captured" in capsys.readouterr().err
    assert main(["feedback", "pairs"]) == 1
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
    assert main([*add, TRACE]) == 0
    assert main([*add, "ef" * 16]) == 0  # of a trace that was not sampled: nothing to compare with
    capsys.readouterr()
    assert main(["feedback", "pairs"]) == 0
    pair = json.loads(capsys.readouterr().out)
    assert (pair["prompt"], pair["chosen"], pair["rejected"]) == ("Why?", "Since 1990.", "Because.")
    assert (pair["trace_id"], pair["item_id"]) == (TRACE, f"{TRACE}-{SPAN}")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--label", "up", "--trace", "7"], "32 hexadecimal digits"),
        (["--label", "up", "--key", "ticket"], "--key must be NAME=VALUE"),
        (["--label", "up", "--response", "r", "--span", SPAN], "--span needs --trace"),
        (["--trace", TRACE], "needs a score, a label"),
        (["--label", "up", "--trace", TRACE, "--dataset", "items.jsonl"], "a SQLite dataset is needed"),
    ],
)
def test_what_can_not_be_added(
    dataset: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    assert main(["feedback", "add", "thumbs", *arguments]) == 2
    assert reason in capsys.readouterr().err


def test_who_is_erased(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add = ["feedback", "add", "thumbs", "--label", "down"]
    assert main([*add, "--trace", TRACE, "--user", "someone else"]) == 0  # about a trace of the person
    assert main([*add, "--trace", "1" * 32, "--user", "u7"]) == 0
    assert main([*add, "--conversation", "c7", "--user", "u7"]) == 0
    assert main([*add, "--trace", "2" * 32, "--user", "u8"]) == 0
    desk.SHARED._close()
    assert main(["erase", "--user", "u7"]) == 0
    assert "4 entries removed" in capsys.readouterr().err
    assert [label.submitter for label in LabelStore(dataset).read(history=True)] == ["u8"]
    assert b"u7" not in dataset.read_bytes()


def test_labels_in_any_order(tmp_path: Path) -> None:
    """Another process may store an earlier word later."""
    store = LabelStore(tmp_path / "items.db")
    said = {"target": "trace:7", "name": "thumbs"}
    assert store.put(Label(**said, label="up", at=2.0)) is Stored.NEW  # type: ignore[arg-type]
    assert store.put(Label(**said, label="down", at=1.0)) is Stored.OUTDATED  # type: ignore[arg-type]
    assert store.put(Label(**said, label="up", at=3.0)) is Stored.REPEATED  # type: ignore[arg-type]
    assert store.put(Label(**said, label="meh", at=4.0)) is Stored.REPLACED  # type: ignore[arg-type]
    assert [label.label for label in store.read()] == ["meh"]
    assert [label.label for label in store.read(history=True)] == ["down", "up", "meh"]


def test_a_dataset_of_an_earlier_release_has_no_labels(dataset: Path) -> None:
    import sqlite3

    with sqlite3.connect(dataset) as database:
        database.execute("drop table labels")
    database.close()
    store = LabelStore(dataset)
    assert list(store.read()) == list(store.pairs()) == []
    assert store.put(Label("trace:7", "thumbs", label="up")) is Stored.NEW
    assert len(list(store.read())) == 1


def test_it_is_sent_where_the_environment_says(dataset: Path, tmp_path: Path) -> None:
    """With an exporter in the environment, the trace in the backend gets it too."""
    from interpreter import python

    arguments: Any = ["-m", "otel_llm.cli", "feedback", "add", "thumbs", "--label", "up", "--trace", TRACE]
    environment = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("METRICS", "LOGS")}
    environment |= {"OTEL_TRACES_EXPORTER": "console", "OTEL_LLM_EVAL_DATASET": str(dataset)}
    finished = python(*arguments, **environment)
    span = json.loads(finished.stdout)
    assert (span["name"], span["context"]["trace_id"]) == ("feedback thumbs", f"0x{TRACE}")
    assert "and sent" in finished.stderr
