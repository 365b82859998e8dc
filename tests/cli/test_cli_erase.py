"""`otel-llm erase`: a person is gone from datasets and prompt logs, and others are not."""

from __future__ import annotations

import json
import sqlite3
import stat
from pathlib import Path

import pytest

from otel_llm import semconv as s
from otel_llm.cli import main
from otel_llm.content.pseudonyms import pseudonym
from otel_llm.evaluation import ResultStore, Verdict
from otel_llm.evaluation.dataset.sinks import JSONLinesSink, SQLiteSink

_KEY = "a-key-of-the-tests"
_JANE = "jane's \\ id"


def _item(number: int, user: str) -> dict[str, object]:
    return {
        "schema": "otel-llm.evaluation-item/1",
        "id": f"{number:032x}-{1:016x}",
        "trace_id": f"{number:032x}",
        "started_at": f"2026-11-21T14:00:{number:02}.000000+00:00",
        "name": "request",
        "sampled_by": ["rate"],
        "query": f"words of {user}",
        "user_id": user,
    }


@pytest.fixture
def people() -> list[str]:
    return [_JANE, "john", pseudonym(_KEY, s.USER_ID, _JANE), pseudonym(_KEY, s.USER_ID, "john")]


@pytest.fixture
def files(tmp_path: Path, people: list[str]) -> list[Path]:
    database, lines, log = tmp_path / "items.db", tmp_path / "items.jsonl", tmp_path / "prompts.jsonl"
    sqlite, sink = SQLiteSink(database), JSONLinesSink(lines, rotate_bytes=600)
    for number, user in enumerate(people):
        sqlite.write(_item(number, user))
        sink.write(_item(number, user))
    sqlite.close()
    log.write_text(
        "".join(json.dumps({"user_id": user, "trace_id": f"{9:032x}"}) + "\n" for user in people) + "half a li"
    )
    log.chmod(0o600)
    return [database, lines, log]


def _erase(files: list[Path], *options: str) -> int:
    database, lines, log = map(str, files)
    return main(["erase", "--user", _JANE, "--dataset", database, "--dataset", lines, "--prompt-log", log, *options])


def _held(files: list[Path], words: str) -> int:
    folder = files[0].parent
    return sum(file.read_bytes().count(words.encode()) for file in folder.iterdir())


def test_a_person_is_gone_and_others_stay(
    files: list[Path], people: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_LLM_PSEUDONYM_KEY", _KEY)
    jane, john, jane_too, john_too = (json.dumps(one)[1:-1] for one in people)
    assert _held(files, jane)
    assert _held(files, jane_too)
    assert _erase(files) == 0
    assert _held(files, jane) == _held(files, jane_too) == 0
    database = sqlite3.connect(files[0])
    kept = {json.loads(row[0])["user_id"] for row in database.execute("select item from items")}
    database.close()
    assert kept == {"john", people[3]}
    assert _held(files[1:], john)
    assert _held(files[1:], john_too)
    assert files[2].read_text().endswith("half a li")
    assert stat.S_IMODE(files[2].stat().st_mode) == 0o600
    told = capsys.readouterr()
    assert "entries removed" in told.err
    assert people[2] in told.out
    assert r"IN ('" + people[2] + r"', 'jane\'s \\ id')" in told.out
    for backend in ("Jaeger", "Tempo", "ClickHouse"):
        assert backend in told.out
    assert _erase(files) == 1  # nothing is left


def test_verdicts_beside_a_file_of_lines_are_erased_too(tmp_path: Path) -> None:
    """They quote what was judged."""
    lines = tmp_path / "items.jsonl"
    lines.write_text("".join(json.dumps(_item(number, user)) + "\n" for number, user in ((1, _JANE), (2, "john"))))
    store = ResultStore(tmp_path / "items.jsonl.verdicts.db")
    for number in (1, 2):
        store.add(
            Verdict("hallucination", f"{number:032x}", f"{number:016x}", score=1.0, explanation=f"quote {number}")
        )
    store.close()
    assert main(["erase", "--user", _JANE, "--dataset", str(lines)]) == 0
    assert [verdict.explanation for verdict in store.read()] == ["quote 2"]
    assert b"quote 1" not in store.path.read_bytes()


def test_without_the_key_only_the_id_is_found(files: list[Path], people: list[str]) -> None:
    assert _erase(files) == 0
    assert _held(files, people[2]) > 0


def test_a_dry_run_changes_nothing(files: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    before = [file.read_bytes() for file in files]
    assert _erase(files, "--dry-run") == 0
    assert [file.read_bytes() for file in files] == before
    assert "would be removed" in capsys.readouterr().err


def test_what_is_no_dataset_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.db"
    sqlite3.connect(other).execute("create table items (id, item)").connection.close()
    assert main(["erase", "--user", "x", "--dataset", str(other)]) == 2
    assert "not a dataset" in capsys.readouterr().err
    assert main(["erase", "--user", "x", "--dataset", str(tmp_path / "none.db")]) == 2
