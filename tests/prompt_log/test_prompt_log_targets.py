"""Where lines of the prompt log go, off the caller's thread, and what becomes of those that can't be written."""

from __future__ import annotations

import io
import json
import logging
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from logged import ask, lines, until
from opentelemetry import context

import otel_llm
from otel_llm.core import listeners


def test_to_a_file(recorder: Any, client: Any, tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"from": "before"}\n')
    with otel_llm.log_prompts(path):
        ask(client, 3)
    assert [line.get("operation") for line in lines(path)] == [None, "embeddings", "embeddings", "embeddings"]


def test_to_a_file_that_is_rotated(recorder: Any, client: Any, tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    with otel_llm.log_prompts(str(path)) as log:
        ask(client)
        assert log.flush(30)
        path.rename(tmp_path / "prompts.jsonl.1")
        ask(client)
    assert (len(lines(tmp_path / "prompts.jsonl.1")), len(lines(path))) == (1, 1)
    assert log._write._file.closed


def test_to_a_stream_and_a_logger(recorder: Any, client: Any, caplog: pytest.LogCaptureFixture) -> None:
    stream = io.StringIO()
    with (
        caplog.at_level(logging.INFO, "prompts"),
        otel_llm.log_prompts(stream),
        otel_llm.log_prompts(logging.getLogger("prompts")),
    ):
        ask(client)
    (message,) = [record.getMessage() for record in caplog.records if record.name == "prompts"]
    assert json.loads(stream.getvalue()) == json.loads(message)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((None,), TypeError, "a path, a stream, a logger or a function, not NoneType"),
        ((5,), TypeError, "not int"),
        (("/nowhere/at/all.jsonl",), OSError, "/nowhere/at/all.jsonl"),
        ((print, 0), ValueError, "max_waiting must be a whole number of at least 1, not 0"),
        ((print, True), ValueError, "max_waiting"),
    ],
)
def test_targets_that_are_none(arguments: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error) as raised:
        otel_llm.log_prompts(*arguments)
    assert says in str(raised.value)
    assert not listeners.SHARED.all


# --- off the hot path ----------------------------------------------------------------------------


def test_a_target_that_is_stuck_stops_no_call_and_what_is_dropped_is_told(recorder: Any, client: Any) -> None:
    stuck, written = threading.Event(), []

    def write(record: dict[str, Any]) -> None:
        stuck.wait(30)
        written.append(record)

    with otel_llm.log_prompts(write, max_waiting=5) as log:
        ask(client)
        until(lambda: log._worker.waiting == 0)
        ask(client, 9)  # one is being written, five wait
        assert log.dropped == 4
        stuck.set()
        assert log.flush(30)
        ask(client)
    assert len(written) == 7
    assert sum(record.get("dropped", 0) for record in written) == 4
    assert log.dropped == 4


def test_what_was_dropped_last_is_told_at_the_end(recorder: Any, client: Any) -> None:
    stuck, written = threading.Event(), []

    def write(record: dict[str, Any]) -> None:
        stuck.wait(30)
        written.append(record)

    with otel_llm.log_prompts(write, max_waiting=1) as log:
        ask(client)
        until(lambda: log._worker.waiting == 0)
        ask(client, 3)
        assert log.dropped == 2
        stuck.set()
    assert sum(record.get("dropped", 0) for record in written) == 2


def test_a_target_that_fails(recorder: Any, client: Any, caplog: pytest.LogCaptureFixture) -> None:
    written: list[Any] = []

    def write(record: dict[str, Any]) -> None:
        if not written:
            written.append(None)
            raise OSError("no space left on device")
        written.append(record)

    with otel_llm.log_prompts(write) as log:
        ask(client, 2)
    assert log.dropped == 1
    assert written[1]["dropped"] == 1
    assert "failed in prompt-log thread (OSError)" in caplog.text
    caplog.clear()


def test_a_target_that_calls_a_model_itself(recorder: Any, client: Any) -> None:
    written = []

    def write(record: dict[str, Any]) -> None:
        written.append(record)
        ask(client)

    with otel_llm.log_prompts(write) as log:
        ask(client)
        assert log.flush(30)
    assert len(written) == 1


def test_it_writes_on_a_thread_of_its_own_that_ends(recorder: Any, client: Any) -> None:
    names = []
    with otel_llm.log_prompts(lambda record: names.append(threading.current_thread().name)):
        ask(client)
    assert names == ["otel-llm-prompt-log"]
    assert "otel-llm-prompt-log" not in {thread.name for thread in threading.enumerate()}
    ask(client)
    assert len(names) == 1


def test_a_call_that_ends_while_the_thread_starts_brings_no_other(
    recorder: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of another greenlet, or by a finalizer."""
    start = threading.Thread.start
    started: list[str] = []
    written: list[Any] = []

    def starting(thread: threading.Thread) -> None:
        start(thread)
        if thread.name == "otel-llm-prompt-log":
            started.append(thread.name)
            if len(started) == 1:
                ask(client)

    monkeypatch.setattr(threading.Thread, "start", starting)
    with otel_llm.log_prompts(written.append):
        ask(client)
    assert len(written) == 2
    assert len(started) == 1
    assert "otel-llm-prompt-log" not in {thread.name for thread in threading.enumerate()}


def test_no_context_of_a_call_is_kept_by_the_thread(
    recorder: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threading instrumentations run a thread in the context of its start: that of whichever call came first."""
    seen: list[object] = []
    start = threading.Thread.start

    def instrumented(thread: threading.Thread) -> None:
        if thread.name == "otel-llm-prompt-log":
            seen.append(context.get_value("request"))
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", instrumented)
    token = context.attach(context.set_value("request", "of a user"))
    with otel_llm.log_prompts(lambda record: None):
        ask(client)
    context.detach(token)
    assert seen == [None]


def test_many_threads(recorder: Any, client: Any, tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    with otel_llm.log_prompts(path):
        threads = [threading.Thread(target=ask, args=(client, 20)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len({line["span_id"] for line in lines(path)}) == 100


def test_a_new_file_is_private_to_its_owner(tmp_path: Path) -> None:
    made, kept = tmp_path / "made.jsonl", tmp_path / "kept.jsonl"
    kept.touch(0o644)
    kept.chmod(0o644)
    before = os.umask(0o022)
    try:
        for path in (made, kept):
            otel_llm.log_prompts(path).shutdown()
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in (made, kept)] == [0o600, 0o644]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_reports_the_lines_that_it_dropped_itself(recorder: Any, client: Any) -> None:
    written: list[dict[str, Any]] = []
    with otel_llm.log_prompts(written.append) as log:
        for _ in range(2):
            log._worker.drop()
        ask(client)
        assert log.flush(30)
        child = os.fork()
        if not child:
            written.clear()
            log._worker.drop()
            log._worker.put({"timestamp": 0})
            os._exit(0 if log.flush() and [record["dropped"] for record in written] == [1] else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [record.get("dropped") for record in written] == [2]
