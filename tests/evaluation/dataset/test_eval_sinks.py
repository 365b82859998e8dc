"""Datasets on disk: several writers, rotation, files that are somebody else's; and the command that reads them."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from evaluating import Evaluated

from interpreter import python
from otel_llm.evaluation import JSONLinesSink, SQLiteSink
from otel_llm.evaluation.dataset.reader import Selection, read, rotated

Make = Callable[..., Evaluated]
Eval = Callable[..., tuple[int, str, str]]


def an_item(number: int = 0, **others: Any) -> dict[str, Any]:
    return {
        "schema": "otel-llm.evaluation-item/1",
        "id": f"{number:032x}-{number:016x}",
        "started_at": f"2026-11-21T14:00:{number % 60:02d}.000000+00:00",
        "name": "request",
        "service": "twin",
        "duration": 1.5,
        "sampled_by": ["rate"],
        **others,
    }


def ids(path: Path, **selection: Any) -> list[str]:
    return [item["id"] for item in read(path, Selection(**selection)).items]


@pytest.fixture(params=["db", "jsonl"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / "deep" / f"items.{request.param}"


def sink_of(path: Path, **others: int) -> SQLiteSink | JSONLinesSink:
    return JSONLinesSink(path, **others) if path.suffix == ".jsonl" else SQLiteSink(path)


def test_what_is_written_is_read(path: Path) -> None:
    sink = sink_of(path)
    items = [an_item(number, query="ä\ud800\n" * number) for number in range(5)]
    for item in items:
        sink.write(item)
    found = list(read(path, Selection()).items)
    sink.close()
    assert [item["id"] for item in found] == [item["id"] for item in items]
    assert found[1]["query"] == "ä?\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_selection(path: Path) -> None:
    sink = sink_of(path)
    for number in range(10):
        sink.write(an_item(number, sampled_by=["rate", "slow"] if number % 2 else ["errors"]))
    sink.close()
    whole = ids(path)
    assert len(whole) == 10
    assert ids(path, limit=3) == whole[-3:]
    assert ids(path, reason="slow") == whole[1::2]
    assert ids(path, reason="errors", limit=2) == [whole[6], whole[8]]
    assert ids(path, since="2026-11-21T14:00:07") == whole[7:]
    assert ids(path, id=f"{3:032x}") == [whole[3]]
    assert ids(path, id="%") == []


_HERE = Path(__file__)
_PLACES = [*map(str, _HERE.parents[:3]), str(_HERE.parents[3] / "examples")]
_WRITER = """
import sys
sys.path[:0] = sys.argv[3:]
from test_eval_sinks import an_item, sink_of
from pathlib import Path
sink = sink_of(Path(sys.argv[1]), rotate_bytes=3000)
for number in range(300):
    sink.write(an_item(number + 1000 * int(sys.argv[2]), query="x" * 500))
sink.close()
"""


def test_several_processes_write_the_same_dataset(path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(path), str(number), *_PLACES]) for number in range(3)
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    found = ids(path)
    assert len(found) == len(set(found)) == 900
    assert read(path, Selection()).unreadable == 0


def test_an_item_that_is_stored_twice_is_one(tmp_path: Path) -> None:
    sink = SQLiteSink(tmp_path / "items.db")
    sink.write(an_item(1))
    sink.write(an_item(1, query="now known"))
    (item,) = read(sink.path, Selection()).items
    assert item["query"] == "now known"
    sink.close()


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "but for SQLite's other files"])
def test_a_dataset_that_is_deleted_is_begun_again(whole: bool, path: Path) -> None:
    sink = sink_of(path)
    for number in range(3):
        sink.write(an_item(number))
    for one in list(path.parent.iterdir()) if whole else [path]:
        one.unlink()
    sink.write(an_item(3))
    sink.write(an_item(4))
    assert ids(path) == [an_item(3)["id"], an_item(4)["id"]]
    sink.close()
    assert ids(path) == [an_item(3)["id"], an_item(4)["id"]]


def test_what_is_new_is_read_by_its_row(tmp_path: Path) -> None:
    """As the documentation has it."""
    sink = SQLiteSink(tmp_path / "items.db")
    reader = None
    seen, last = [], 0
    for numbers in ((3, 1), (2,), (), (3, 4)):
        for number in numbers:
            sink.write(an_item(number))
        reader = reader or sqlite3.connect(f"file:{sink.path}?mode=ro", uri=True)
        new = reader.execute("select rowid, item from items where rowid > ? order by rowid", [last]).fetchall()
        seen.append([json.loads(item)["id"] for _, item in new])
        last = max([last, *(row for row, _ in new)])
    assert seen == [[an_item(number)["id"] for number in numbers] for numbers in ((3, 1), (2,), (), (3, 4))]
    assert reader is not None
    assert reader.execute("pragma user_version").fetchone() == (1,)
    reader.close()
    sink.close()


def test_the_schema_needs_no_sdk() -> None:
    program = (
        "import sys; from otel_llm.evaluation import json_schema; json_schema();"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry.sdk')]"
    )
    python("-c", program)


def test_readers_do_not_wait_for_the_writer(tmp_path: Path) -> None:
    sink = SQLiteSink(tmp_path / "items.db")
    sink.write(an_item(1))
    writing = sqlite3.connect(sink.path)
    writing.execute("begin immediate")
    try:
        assert len(ids(sink.path)) == 1
    finally:
        writing.close()
        sink.close()


def test_json_lines_are_rotated_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    sink = JSONLinesSink(path, rotate_bytes=2000)
    for number in range(40):
        sink.write(an_item(number, query="x" * 100))
    assert len(rotated(path)) >= 3
    assert all(one.stat().st_size < 2500 for one in (path, *rotated(path)))
    assert ids(path) == [an_item(number)["id"] for number in range(40)]
    with pytest.raises(ValueError, match="above 0"):
        JSONLinesSink(path, rotate_bytes=0)


_FORKED_MEANWHILE = """
import os, sys
from otel_llm.evaluation import JSONLinesSink
sink = JSONLinesSink(sys.argv[1])
with sink._locked():
    if os.fork() == 0:
        sys.stdin.read()  # lives until the parent says so
        os._exit(0)
sink.write({"id": "1"})
print("written", flush=True)
"""


def test_a_child_that_was_forked_while_an_item_was_written_does_not_block_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    program = subprocess.Popen(
        [sys.executable, "-c", _FORKED_MEANWHILE, str(path)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    try:
        assert program.wait(20) == 0
    finally:
        program.kill()
        program.communicate()  # ends the child
    assert path.read_text() == '{"id":"1"}\n'


_FORKED_OFTEN = """
import os, sys, threading, time
sys.path[:0] = sys.argv[2:]
from test_eval_sinks import an_item
from otel_llm.evaluation import SQLiteSink
from otel_llm.evaluation.dataset.delivery import Delivery
sink = SQLiteSink(sys.argv[1])
over = threading.Event()
def store():
    while not over.is_set():
        sink.write(an_item(1))
writer = threading.Thread(target=store)
writer.start()
codes = []
for number in range(40):
    child = os.fork()
    if child == 0:
        sink.after_fork()
        storing = threading.Thread(target=Delivery(sink), args=(an_item(2 + number), time.sleep), daemon=True)
        storing.start()
        storing.join(20)
        os._exit(storing.is_alive())
    codes.append(os.waitpid(child, 0)[1])
    if any(codes):
        break
over.set()
writer.join()
print(sum(codes))
"""


def test_a_child_that_was_forked_while_an_item_was_stored_can_store(tmp_path: Path) -> None:
    path = tmp_path / "items.db"
    assert python("-W", "ignore::DeprecationWarning", "-c", _FORKED_OFTEN, path, *_PLACES).stdout == "0\n"
    assert len(ids(path)) == 41


@pytest.mark.parametrize("keep", [1, 2, 5])
def test_so_many_numbered_files_are_kept(keep: int, tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    sink = JSONLinesSink(path, rotate_bytes=1, keep=keep)
    for number in range(10):
        sink.write(an_item(number))
        assert len(rotated(path)) == min(number, keep)
    assert ids(path) == [an_item(number)["id"] for number in range(9 - keep, 10)]


@pytest.mark.parametrize("turn", range(5))
def test_a_dataset_that_is_rotated_while_it_is_read(turn: int, tmp_path: Path) -> None:
    """Nothing is missing, and nothing comes twice."""
    sink = JSONLinesSink(tmp_path / "items[1].jsonl", rotate_bytes=1)  # the name is no pattern
    whole = [an_item(number)["id"] for number in range(7)]
    for number in range(5):
        sink.write(an_item(number))
    found = []
    for number, item in enumerate(read(sink.path, Selection()).items):
        found.append(item["id"])
        if number == turn:
            sink.write(an_item(5))
            sink.write(an_item(6))
    assert len(rotated(sink.path)) == 6
    assert found == whole[:5] or (found == whole and turn < 4)
    reading = read(sink.path, Selection())
    next(reading.items)
    rotated(sink.path)[2].unlink()  # as a sink does that keeps only some
    assert [item["id"] for item in reading.items] == whole[1:2] + whole[3:]


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "items.jsonl"
    sink = JSONLinesSink(path)
    sink.write(an_item(1))
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", no_room)
        return write(descriptor, data[:10])

    def no_room(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        sink.write(an_item(2))
    monkeypatch.undo()
    sink.write(an_item(3))
    reading = read(path, Selection())
    assert [item["id"] for item in reading.items] == [an_item(1)["id"], an_item(3)["id"]]
    assert reading.unreadable == 0


def test_half_a_line_of_a_killed_process_does_not_spoil_the_next(tmp_path: Path) -> None:
    sink = JSONLinesSink(tmp_path / "items.jsonl")
    sink.write(an_item(1))
    with sink.path.open("a") as file:
        file.write('{"schema": "otel-llm.eval')
    sink.write(an_item(2))
    reading = read(sink.path, Selection())
    assert [item["id"] for item in reading.items] == [an_item(1)["id"], an_item(2)["id"]]
    assert reading.unreadable == 1


def test_the_database_of_somebody_else_is_left_alone(
    evaluated: Make, tmp_path: Path, quiet: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "shop.db"
    theirs = sqlite3.connect(path)
    theirs.execute("create table orders (n)")
    theirs.commit()
    theirs.close()
    before = path.read_bytes()
    made = evaluated(1.0, sink=path)
    made.chat()
    made.flushed()
    made.provider.shutdown()
    assert made.accounts.dropped_by == {"sink_error": 1}
    assert path.read_bytes() == before
    assert f"can't be stored in {path}: it is a database of something else" in quiet.text
    quiet.clear()


def test_a_place_that_can_not_be_written_is_told(
    evaluated: Make, tmp_path: Path, quiet: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    for name in ("items.db", "items.jsonl"):
        made = evaluated(1.0, sink=tmp_path / "file" / name)
        made.chat()
        made.flushed()
        made.provider.shutdown()
        assert made.accounts.dropped_by == {"sink_error": 1}
    assert len(re.findall("can't be stored in .*/file/items", quiet.text)) == 2
    quiet.clear()
