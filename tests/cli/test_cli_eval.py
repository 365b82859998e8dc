"""`otel-llm eval`: the items of a dataset, listed, shown and exported."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from interpreter import python
from otel_llm.cli import main
from otel_llm.evaluation import EvaluationSampler
from otel_llm.evaluation.dataset.reader import DatasetError, Selection, read

Eval = Callable[..., tuple[int, str, str]]

AN_ITEM = {
    "schema": "otel-llm.evaluation-item/1",
    "id": f"{0:032x}-{0:016x}",
    "started_at": "2026-11-21T14:00:00.000000+00:00",
    "name": "request",
    "service": "twin",
    "duration": 1.5,
    "sampled_by": ["rate"],
}


def ids(path: Path) -> list[str]:
    return [item["id"] for item in read(path, Selection()).items]


def message(role: str, content: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": content}]}])


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Eval:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OTEL_LLM_EVAL_DATASET", raising=False)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main(["eval", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """Three items in the default dataset, stored by a sampler."""
    path = tmp_path / "otel-llm-evaluation.db"
    provider = TracerProvider(resource=Resource.create({"service.name": "twin"}))
    rules = [{"name": "big", "tokens_over": 100}]
    provider.add_span_processor(EvaluationSampler(1.0, rules=rules, sink=path, grace=0.0))
    tracer = provider.get_tracer("application")
    for number, tokens in enumerate((5, 50, 500), 1):
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "m",
            "gen_ai.usage.input_tokens": tokens,
            "gen_ai.usage.output_tokens": 1,
            "gen_ai.input.messages": message("user", f"Question {number} [bold]\x1b[31m"),
            "gen_ai.output.messages": message("assistant", f"Answer {number}\nin two lines"),
            "gen_ai.prompt.name": "writer",
        }
        with tracer.start_as_current_span("request"):
            tracer.start_span("chat m", attributes=attributes).end()
    provider.shutdown()
    return path


def test_what_the_calls_of_an_item_cost_is_shown(command: Eval, tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    cost = {"amount": 0.0000123, "currency": "USD", "source": "local"}
    calls = [
        {"operation": "chat", "cost": cost},
        {"operation": "chat", "cost": cost, "usage_estimated": True},
        {"operation": "chat", "unpriced": "unknown_\x1bhost"},
        {"operation": "chat", "cost": {"amount": "much"}},
    ]
    item = {**AN_ITEM, "cost": {"USD": 0.0000246, "EUR": 2.5}, "calls": calls}
    path.write_text(json.dumps(item) + "\n")
    code, out, err = command("show", AN_ITEM["id"], "--dataset", path)
    assert (code, err) == (0, "")
    assert re.search(r"^cost +2.50 EUR \+ 0.0000246 USD$", out, re.MULTILINE)
    assert re.findall(r"^call \d  chat *(.*)$", out, re.MULTILINE) == [
        "0.0000123 USD",
        "~0.0000123 USD",
        "unpriced: unknown_\\x1bhost",
        "",
    ]


def test_items_are_listed(command: Eval, stored: Path) -> None:
    code, out, err = command("ls")
    assert (code, err) == (0, "")
    heading, *rows = out.splitlines()
    assert heading.split() == ["id", "started", "service", "name", "sampled", "by", "s", "tokens", "query"]
    assert [row.split()[-4:] for row in rows] == [
        [f"{tokens}→1", "Question", str(n), "[bold]\\x1b[31m"] for n, tokens in ((1, 5), (2, 50), (3, 500))
    ]
    code, out, _ = command("ls", "--reason", "big", "--since", "1h", "--dataset", stored)
    assert len(out.splitlines()) == 2
    code, out, err = command("ls", "--limit", 2)
    assert len(out.splitlines()) == 3
    assert "the newest 2" in err
    assert command("ls", "--reason", "nobody") == (1, "", "otel-llm: no items match\n")
    assert command("ls", "--since", "2999-01-01")[0] == 1


def test_an_item_is_shown(command: Eval, stored: Path) -> None:
    first, second, _ = ids(stored)
    code, out, err = command("show", first[:20])
    assert (code, err) == (0, "")
    assert "Question 1 [bold]\\x1b[31m\n" in out
    assert "\nanswer\nAnswer 1\nin two lines\n" in out
    assert "\nprompt  writer\n(text not captured)\n" in out
    assert re.search(r"call 1  chat  m  .*input_tokens=5", out)
    code, out, _ = command("show", second, "--json")
    assert json.loads(out)["id"] == second
    assert command("show", "zz") == (1, "", "otel-llm: no item whose id begins with zz\n")
    code, _, err = command("show", "")
    assert code == 1
    assert "more than one item has an id that begins with , such as" in err


def test_items_are_exported_and_the_export_is_a_dataset(command: Eval, stored: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    code, out, err = command("export", "--jsonl", target, "--limit", 2)
    assert (code, out, err) == (0, "", f"otel-llm: 2 item(s) written to {target}\n")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert ids(target) == ids(stored)[1:]
    code, _, err = command("export", "--jsonl", target)
    assert (code, err) == (2, f"otel-llm: {target} exists; --force replaces it\n")
    assert command("export", "--jsonl", target, "--force")[0] == 0
    assert ids(target) == ids(stored)
    code, out, _ = command("export", "--jsonl", "-", "--reason", "big")
    assert [json.loads(line)["id"] for line in out.splitlines()] == ids(stored)[2:]
    assert [one.name for one in tmp_path.glob("*.part")] == []
    assert "can't be written" in command("export", "--jsonl", tmp_path / "no" / "where.jsonl")[2]


def test_datasets_that_can_not_be_read(command: Eval, tmp_path: Path, stored: Path) -> None:
    (tmp_path / "notes.db").write_text("no database, but text\n" * 100)
    theirs = sqlite3.connect(tmp_path / "theirs.db")
    theirs.execute("create table orders (n)")
    theirs.commit()
    theirs.close()
    newer = sqlite3.connect(tmp_path / "newer.db")
    newer.executescript(f"pragma application_id={0x6F746C6D}; pragma user_version=99; create table items (n)")
    newer.close()
    (tmp_path / "empty.db").touch()
    for name, said in (
        ("missing.db", "there is no dataset"),
        ("missing.jsonl", "there is no dataset"),
        ("notes.db", "is no dataset: neither SQLite nor"),
        ("theirs.db", "it is a database of something else"),
        ("newer.db", "a newer otel-llm is needed"),
        ("empty.db", "is empty"),
    ):
        code, out, err = command("ls", "--dataset", tmp_path / name)
        assert (code, out) == (2, "")
        assert err.startswith("otel-llm: ")
        assert said in err
        assert str(tmp_path / name) in err
    (tmp_path / "other.jsonl").write_text('{"some": "json"}\n[]\nno json\n' + json.dumps(AN_ITEM) + "\n")
    code, out, err = command("ls", "--dataset", tmp_path / "other.jsonl")
    assert code == 0
    assert "3 line(s) or row(s) skipped: not items" in err


def test_rows_that_are_no_items_or_of_another_version(command: Eval, stored: Path) -> None:
    database = sqlite3.connect(stored)
    broken, newer, good = ids(stored)
    database.execute("update items set item = '{half' where id = ?", [broken])
    database.execute("update items set item = replace(item, '-item/1', '-item/2') where id = ?", [newer])
    database.commit()
    database.close()
    code, out, err = command("export", "--jsonl", "-")
    assert (code, [json.loads(line)["id"] for line in out.splitlines()]) == (0, [good])
    assert "2 line(s) or row(s) skipped: not items" in err


def test_words_that_the_terminal_does_not_know_or_would_obey(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    words = "größe \ud800 \x9b31m \u202e \u200f \u061c"
    path.write_text(json.dumps({**AN_ITEM, "query": words}) + "\n")

    def run(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "otel_llm.cli", "eval", *arguments, "--dataset", str(path)],
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
            capture_output=True,
            timeout=60,
            check=True,
        ).stdout.decode("utf-8")

    target = tmp_path / "out.jsonl"
    assert run("export", "--jsonl", str(target)) == ""
    for text in (run("show", "0", "--json"), run("export", "--jsonl", "-"), target.read_text(encoding="utf-8")):
        assert json.loads(text)["query"] == words.replace("\ud800", "?")
        assert "größe" in text
        assert "\\u009b31m \\u202e \\u200f \\u061c" in text


def test_an_export_never_replaces_what_is_no_export(command: Eval, stored: Path, tmp_path: Path) -> None:
    before = stored.read_bytes()
    code, _, err = command("export", "--jsonl", stored, "--force")
    assert code == 2
    assert "is the dataset itself" in err
    assert stored.read_bytes() == before
    assert "is a directory" in command("export", "--jsonl", tmp_path, "--force")[2]
    assert "is a directory" in command("ls", "--dataset", tmp_path)[2]


@pytest.mark.parametrize("options", [(), ("--force",)])
def test_a_device_or_a_pipe_is_written_in_place(
    command: Eval, stored: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    device = os.stat(os.devnull).st_rdev
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(pipe.read_text)
        assert command("export", "--jsonl", pipe, *options) == (0, "", f"otel-llm: 3 item(s) written to {pipe}\n")
        assert [json.loads(line)["id"] for line in reading.result(30).splitlines()] == ids(stored)
    assert command("export", "--jsonl", os.devnull, *options)[0] == 0
    assert pipe.is_fifo()
    assert os.stat(os.devnull).st_rdev == device


def test_a_link_stays_a_link(command: Eval, stored: Path, tmp_path: Path) -> None:
    target, link = tmp_path / "out.jsonl", tmp_path / "link.jsonl"
    target.write_text("old")
    link.symlink_to(target)
    assert command("export", "--jsonl", link, "--force")[0] == 0
    assert link.is_symlink()
    assert ids(target) == ids(stored)


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o400])
def test_an_export_is_private_whatever_it_replaces(command: Eval, stored: Path, tmp_path: Path, mode: int) -> None:
    target = tmp_path / "out.jsonl"
    target.write_text("old")
    target.chmod(mode)
    assert command("export", "--jsonl", target, "--force")[0] == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert ids(target) == ids(stored)


def test_an_export_writes_through_no_file_that_others_made(command: Eval, stored: Path, tmp_path: Path) -> None:
    victim, readable = tmp_path / "victim", tmp_path / "readable.jsonl.part"
    victim.write_text("keep me")
    (tmp_path / "planted.jsonl.part").symlink_to(victim)
    readable.write_text("")
    readable.chmod(0o666)
    for name in ("planted.jsonl", "readable.jsonl"):
        assert command("export", "--jsonl", tmp_path / name)[0] == 0
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        assert ids(tmp_path / name) == ids(stored)
    assert victim.read_text() == "keep me"


def test_an_export_that_fails_leaves_the_target_and_no_other_file(tmp_path: Path) -> None:
    dataset, target = tmp_path / "items.jsonl", tmp_path / "out" / "items.jsonl"
    dataset.write_text((json.dumps(AN_ITEM) + "\n") * 20)
    target.parent.mkdir()
    target.write_text("old")
    program = (
        "import resource, signal, sys; from otel_llm.cli import main; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        "print(main(['eval', 'export', '--dataset', sys.argv[1], '--jsonl', sys.argv[2], '--force']))"
    )
    ended = python("-c", program, dataset, target)
    assert ended.stdout == "2\n"
    assert ended.stderr == f"otel-llm: {target} can't be written: File too large\n"
    assert target.read_text() == "old"
    assert list(target.parent.iterdir()) == [target]


def test_numbers_beyond_all_bounds(command: Eval, stored: Path) -> None:
    assert len(command("ls", "--limit", "9" * 30)[1].splitlines()) == 4
    with pytest.raises(SystemExit):
        command("ls", "--since", "9" * 30 + "d")


def test_a_dataset_that_is_locked(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from otel_llm.evaluation.dataset import reader

    monkeypatch.setattr(reader, "_BUSY_SECONDS", 0.05)
    holder = sqlite3.connect(stored)
    holder.execute("pragma locking_mode=exclusive")
    holder.execute("begin exclusive")
    holder.execute("delete from items where 0")
    holder.execute("pragma journal_mode")
    try:
        with pytest.raises(DatasetError, match="is locked by another process; try again"):
            ids(stored)
    finally:
        holder.close()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["ls", "--limit", "0"], "'0' is not a whole number of at least 1"),
        (["export", "--limit", "few"], "'few' is not a whole number of at least 1"),
        (["ls", "--since", "tomorrow"], "'tomorrow' is neither a time such as 2026-11-21T14:00 nor like 2h"),
        (["export"], "required: --jsonl"),
        ([], "required: COMMAND"),
    ],
)
def test_arguments_that_can_not_be_used(
    arguments: list[str], why: str, command: Eval, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command(*arguments)
    assert ended.value.code == 2
    assert why in capsys.readouterr().err


def test_help_names_the_dataset_whatever_its_name(
    command: Eval, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_LLM_EVAL_DATASET", "100%20.db")
    with pytest.raises(SystemExit) as ended:
        command("ls", "--help")
    assert ended.value.code == 0
    assert "(default: 100%20.db)" in capsys.readouterr().out


def test_reading_needs_no_sdk(stored: Path) -> None:
    program = (
        "import sys; from otel_llm.cli import main; code = main(['eval', 'export', '--jsonl', '-']);"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry.sdk')]; sys.exit(code)"
    )
    assert len(python("-c", program, cwd=stored.parent).stdout.splitlines()) == 3
