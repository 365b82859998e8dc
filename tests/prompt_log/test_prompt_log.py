"""The prompt log: a line for each call of a model, with what is known of it, written elsewhere than on its thread."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import openai
import pytest
from opentelemetry import context
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import otel_llm
from interpreter import NO_EXPORT, python
from otel_llm import ContentCapture, Experiment, Prompt, Settings
from otel_llm.content import capture
from otel_llm.core import listeners
from otel_llm.prompt_log import PromptLog
from standin.openai import OpenAIServer
from standin.server import Reply

MODEL = "gpt-4o-mini"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def records() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def log(records: list[dict[str, Any]]) -> Any:
    with otel_llm.log_prompts(records.append) as log:
        yield log
    assert not listeners.SHARED.all


def one(records: list[dict[str, Any]], log: PromptLog) -> dict[str, Any]:
    assert log.flush(30)
    (record,) = records
    return record


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


# --- what a line says ----------------------------------------------------------------------------


def test_all_that_is_known(recorder: Any, client: Any, log: Any, records: Any) -> None:
    prompt = Experiment("greeting", {"warm": Prompt("greet", "2", "Hi {name}!", "production")}).assign("user-1")
    with otel_llm.propagate_attributes(
        session_id="s-1", user_id="u-1", conversation_id="c-1", tags=["rag"], metadata={"tenant": "t"}
    ):
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": prompt.format(name="Ada")}])
    record, span = one(records, log), recorder.span
    began = record.pop("timestamp")
    assert began.endswith("Z")
    assert abs(time.time() - datetime.fromisoformat(began).timestamp()) < 60
    assert record.pop("latency") == pytest.approx((span.end_time - span.start_time) / 1e9, abs=1e-6)
    assert record == {
        "trace_id": f"{span.context.trace_id:032x}",
        "span_id": f"{span.context.span_id:016x}",
        "request_id": span.attributes["otel_llm.request.id"],
        "response_id": span.attributes["gen_ai.response.id"],
        "session_id": "s-1",
        "user_id": "u-1",
        "conversation_id": "c-1",
        "tags": ("rag",),
        "metadata": {"tenant": "t"},
        "operation": "chat",
        "provider": "openai",
        "request_model": MODEL,
        "response_model": span.attributes["gen_ai.response.model"],
        "prompt_name": "greet",
        "prompt_version": "2",
        "prompt_label": "production",
        "prompt_hash": prompt.hash,
        "experiment_id": "greeting",
        "experiment_variant": "warm",
        "input_tokens": span.attributes["gen_ai.usage.input_tokens"],
        "output_tokens": span.attributes["gen_ai.usage.output_tokens"],
        "finish_reasons": ["stop"],
        "status": "success",
    }


def test_a_prompt_that_only_the_context_says(recorder: Any, client: Any, log: Any, records: Any) -> None:
    assignment = Experiment("model", ["small"]).assignment("u-1")
    with otel_llm.propagate_attributes(prompt=Prompt("ask", "1", "x"), experiment=assignment):
        client.responses.create(model=MODEL, input="Why?")
    record = one(records, log)
    assert (record["prompt_name"], record["prompt_version"]) == ("ask", "1")
    assert (record["experiment_id"], record["experiment_variant"]) == ("model", "small")


def test_a_stream(recorder: Any, client: Any, log: Any, records: Any) -> None:
    ask = {"model": MODEL, "messages": [{"role": "user", "content": "Why?"}], "stream": True}
    list(client.chat.completions.create(**ask, stream_options={"include_usage": True}))
    record = one(records, log)
    assert 0 < record["time_to_first_chunk"] <= record["latency"]
    assert record["output_tokens"] > 0
    assert record["request_id"] == recorder.attributes["otel_llm.request.id"]


def test_a_stream_that_is_closed(recorder: Any, client: Any, log: Any, records: Any) -> None:
    recorder.instrument(sampler=ALWAYS_OFF)
    with client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Why?"}], stream=True
    ) as stream:
        next(iter(stream))
    record = one(records, log)
    assert (record["status"], record["stream_outcome"]) == ("success", "closed")
    assert "output_tokens" not in record


def test_what_is_not_known_is_left_out(recorder: Any, client: Any, server: Any, log: Any, records: Any) -> None:
    recorder.missing |= {
        "gen_ai.response.id",
        "gen_ai.response.model",
        "gen_ai.response.finish_reasons",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
    }
    server.reply_with(Reply(body={"choices": []}))
    client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Why?"}])
    record = one(records, log)
    assert {
        "timestamp",
        "trace_id",
        "span_id",
        "operation",
        "provider",
        "request_model",
        "latency",
        "status",
    } == record.keys() - {"request_id"}


@pytest.mark.parametrize("sampled", [True, False])
@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("error-500", "error", None),
        ("error-429", "error", "rate_limit_exceeded"),
        ("error-content", "filtered", "content_filter"),
    ],
)
def test_a_call_that_fails(
    recorder: Any, client: Any, log: Any, records: Any, model: str, status: str, code: str | None, sampled: bool
) -> None:
    recorder.instrument(sampler=None if sampled else ALWAYS_OFF)
    with pytest.raises(openai.APIStatusError) as raised:
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Why?"}])
    record = one(records, log)
    kind = type(raised.value)
    assert (record["status"], record["error_type"]) == (status, f"{kind.__module__}.{kind.__qualname__}")
    assert record.get("error_code") == code
    assert "input_tokens" not in record


def test_an_answer_that_was_filtered(recorder: Any, client: Any, server: Any, log: Any, records: Any) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "content_filter"}
    usage = {"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1}
    server.reply_with(Reply(body={"id": "c", "model": MODEL, "choices": [choice], "usage": usage}))
    client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Why?"}])
    record = one(records, log)
    assert (record["status"], record["output_tokens"]) == ("filtered", 0)


def test_a_call_that_times_out(recorder: Any, client: Any, server: Any, log: Any, records: Any) -> None:
    gate = server.hold()
    server.reply_with(Reply(delay=gate))
    with pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Why?"}], timeout=0.2)
    gate.open()
    assert one(records, log)["status"] == "timeout"


def test_every_call_counts_sampled_or_not(recorder: Any, client: Any, log: Any, records: Any) -> None:
    recorder.instrument(sampler=ALWAYS_OFF)
    client.embeddings.create(model="text-embedding-3-small", input="Why?")
    client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Why?"}])
    assert log.flush(30)
    assert [(record["operation"], record["input_tokens"] > 0) for record in records] == [
        ("embeddings", True),
        ("chat", True),
    ]
    assert recorder.spans == []


def test_only_calls_of_models_are_logged(recorder: Any, client: Any, log: Any, records: Any) -> None:
    response = client.responses.create(model=MODEL, input="Why?")
    client.responses.retrieve(response.id)
    client.moderations.create(input="Why?")
    with otel_llm.workflow_span("w"), otel_llm.step_span("s"):
        pass
    assert one(records, log)["response_id"] == response.id


def test_one_line_for_the_layers_of_a_call(recorder: Any, server: Any, log: Any, records: Any) -> None:
    from langchain_openai import ChatOpenAI

    ChatOpenAI(model=MODEL, base_url=server.base_url, api_key="sk-0123456789ab", max_retries=0).invoke("Why?")
    record = one(records, log)
    assert (record["provider"], record["input_tokens"] > 0) == ("openai", True)


@pytest.mark.parametrize("capture", ContentCapture)
def test_content_by_opt_in_only(recorder: Any, client: Any, log: Any, records: Any, capture: Any) -> None:
    recorder.instrument(Settings(capture_content=capture))
    prompt = Prompt("ask", "1", "Answer, Bob: {question}")
    client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": prompt.format(question="Why?")}])
    record = one(records, log)
    content = {name: record.pop(name, None) for name in ("input_messages", "prompt_template", "prompt_variables")}
    answer = record.pop("output_messages", None)
    if capture is ContentCapture.NO_CONTENT:
        assert (answer, set(content.values())) == (None, {None})
    else:
        assert content == {
            "input_messages": [{"role": "user", "parts": [{"type": "text", "content": "Answer, Bob: Why?"}]}],
            "prompt_template": "Answer, Bob: {question}",
            "prompt_variables": {"question": "Why?"},
        }
        assert answer[0]["parts"][0]["content"]
    assert "Bob" not in json.dumps(record)


def test_content_that_is_captured_for_evaluation_alone_stays_out(
    recorder: Any, client: Any, log: Any, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "wanting", [lambda span: True])
    client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Why, Bob?"}])
    assert "Bob" in recorder.attributes["gen_ai.input.messages"]
    assert "Bob" not in json.dumps(one(records, log))


# --- where it goes -------------------------------------------------------------------------------


def ask(client: Any, times: int = 1) -> None:
    for _ in range(times):
        client.embeddings.create(model="text-embedding-3-small", input="Why?")


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


# --- whole programs ------------------------------------------------------------------------------


def run(program: str, launched: bool = False, **environment: str) -> subprocess.CompletedProcess[str]:
    with OpenAIServer() as server:
        given = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "x", **environment}
        return python("-c", program, launched=launched, **given)


ASK = """
import openai
def ask():
    openai.OpenAI().embeddings.create(model="text-embedding-3-small", input="Why?")
"""


def test_zero_code(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    run(ASK + "ask()", True, **NO_EXPORT, OTEL_LLM_PROMPT_LOG=str(path))
    assert [line["operation"] for line in lines(path)] == ["embeddings"]
    for target, stream in (("-", "stdout"), ("stderr", "stderr")):
        finished = run(ASK + "ask()", True, **NO_EXPORT, OTEL_LLM_PROMPT_LOG=target)
        assert json.loads(getattr(finished, stream).splitlines()[-1])["operation"] == "embeddings"


def test_zero_code_with_a_file_that_can_not_be_opened() -> None:
    program = ASK + "import otel_llm\notel_llm.instrument()\nask()"
    finished = run(program, True, **NO_EXPORT, OTEL_LLM_PROMPT_LOG="/nowhere/at/all.jsonl")
    (said,) = finished.stderr.splitlines()
    assert said.startswith("OTEL_LLM_PROMPT_LOG='/nowhere/at/all.jsonl' can't be used: ")
    assert said.endswith("No such file or directory: '/nowhere/at/all.jsonl'; using the default, none")


def test_without_an_sdk() -> None:
    finished = run(ASK + "import sys, otel_llm\notel_llm.instrument()\notel_llm.log_prompts(sys.stdout)\nask()")
    line = json.loads(finished.stdout)
    assert line["input_tokens"] > 0
    assert "trace_id" not in line


def test_instrumented_from_code_by_the_settings(tmp_path: Path) -> None:
    program = """
import otel_llm
otel_llm.instrument(settings=otel_llm.Settings(prompt_log={path!r}))
ask()
otel_llm.uninstrument()
otel_llm.instrument()
ask()
"""
    path = tmp_path / "prompts.jsonl"
    run(ASK + program.format(path=str(path)))
    assert len(lines(path)) == 1


def test_nothing_of_it_is_imported_where_it_is_off() -> None:
    run("import sys, otel_llm\notel_llm.instrument()\nassert 'otel_llm.prompt_log' not in sys.modules")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_forked_processes_write_their_own_lines(tmp_path: Path) -> None:
    program = """
import os, sys, otel_llm
otel_llm.instrument()
log = otel_llm.log_prompts({path!r})
ask()
assert log.flush(30)
children = []
for number in range(3):
    child = os.fork()
    if child == 0:
        with otel_llm.propagate_attributes(session_id=str(number)):
            for _ in range(10):
                ask()
        log.shutdown()
        os._exit(0)
    children.append(child)
with otel_llm.propagate_attributes(session_id="parent"):
    ask()
sys.exit(any(os.waitpid(child, 0)[1] for child in children))
"""
    path = tmp_path / "prompts.jsonl"
    run(ASK + program.format(path=str(path)))
    sessions = [line.get("session_id") for line in lines(path)]
    assert {name: sessions.count(name) for name in set(sessions)} == {None: 1, "parent": 1, "0": 10, "1": 10, "2": 10}


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
