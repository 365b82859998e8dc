"""`otel-llm view` on files as real writers leave them."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.json.file import FileSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from otlp_json import OTHER_TRACE, View, call, document, labels, line, span, text

import otel_llm
from otel_llm import ContentCapture, Settings
from otel_llm.cli.content import CONTENT
from otel_llm.evaluation.dataset import extraction


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """What the SDK's own exporter writes, one line a span."""
    path = tmp_path / "traces.jsonl"
    provider = TracerProvider(resource=Resource.create({"service.name": "twin"}))
    provider.add_span_processor(SimpleSpanProcessor(FileSpanExporter(path)))
    tracer = provider.get_tracer("test")
    chat: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.prompt.name": "answer",
        "gen_ai.prompt.version": "3",
        "gen_ai.usage.input_tokens": 1200,
        "gen_ai.usage.output_tokens": 34,
        "gen_ai.usage.cache_read.input_tokens": 1024,
        "gen_ai.usage.reasoning.output_tokens": 8,
        "gen_ai.response.time_to_first_chunk": 0.25,
        "otel_llm.response.output_tokens_per_second": 45.67,
        "gen_ai.response.finish_reasons": ("stop", "length"),
        "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be brief."}]),
        "gen_ai.input.messages": json.dumps(
            [
                {"role": "user", "parts": [{"type": "text", "content": "Weather\nin Paris?"}]},
                {
                    "role": "assistant",
                    "parts": [{"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"city": "Paris"}}],
                },
                {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "sunny"}]},
            ]
        ),
        "gen_ai.output.messages": json.dumps(
            [{"role": "assistant", "parts": [{"type": "text", "content": "Sunny."}], "finish_reason": "stop"}]
        ),
    }
    with tracer.start_as_current_span("answer_question"):
        with (
            tracer.start_as_current_span("chat gpt-4o-mini", attributes=chat),
            tracer.start_as_current_span("POST", attributes={"http.request.method": "POST"}),
        ):
            pass
        with tracer.start_as_current_span(
            "embeddings small",
            attributes={
                "gen_ai.operation.name": "embeddings",
                "gen_ai.request.model": "small",
                "gen_ai.usage.input_tokens": 12,
            },
        ):
            pass
        failed = tracer.start_span("chat gpt-4o", attributes={"error.type": "429", "gen_ai.operation.name": "chat"})
        failed.record_exception(ValueError("too many"))
        failed.set_status(trace.Status(trace.StatusCode.ERROR, "slow down"))
        failed.end()
    provider.shutdown()
    return path


def test_a_trace_of_the_official_exporter(view: View, exported: Path) -> None:
    code, out, err = view(exported)
    assert (code, err) == (0, "")
    assert re.match(r"trace [0-9a-f]{32}  .*  3 model calls  1,212→34 tokens$", out.splitlines()[0])
    assert labels(out) == [
        "answer_question  [twin]",
        "├── chat gpt-4o-mini  as gpt-4o-mini-2024-07-18  prompt answer@3"
        "  1,200→34 tokens (1,024 cached, 8 reasoning)  first chunk 250 ms  45.7 tok/s  stop, length",
        "│   └── POST",
        "├── embeddings small  12 tokens",
        "└── chat gpt-4o  429",
        "      ValueError: slow down",
    ]


def test_content_is_shown_on_request(view: View, exported: Path) -> None:
    assert "Paris" not in view(exported)[1]
    out = view(exported, "--content")[1]
    shown = [line.strip("│ ") for line in out.splitlines()]
    assert shown[3:9] == [
        "system: Be brief.",
        "user: Weather",
        "in Paris?",
        'assistant: [tool call (c1)] weather({"city": "Paris"})',
        "tool: [tool result (c1)] sunny",
        "assistant: Sunny.",
    ]


def test_the_content_of_steps_and_prompts_is_shown(view: View, tmp_path: Path, lenient: Any) -> None:
    lenient.instrument(Settings(capture_content=ContentCapture.SPAN_ONLY))
    lenient.tracer_provider.add_span_processor(SimpleSpanProcessor(FileSpanExporter(tmp_path / "traces.jsonl")))

    @otel_llm.observe(capture=True)
    def format_prompt(question: str) -> str:
        return otel_llm.Prompt("ask", "1", "Answer: {question}").format(question=question)

    format_prompt("Why?")
    with otel_llm.chat_span("m", "acme", messages=format_prompt("How?")):
        pass
    _, out, err = view(tmp_path / "traces.jsonl", "--content")
    shown = [line.strip("│ ") for line in out.splitlines()]
    for content in (
        "template: Answer: {question}",
        'input: {"question": "Why?"}',
        "output: Answer: Why?",
        "variable question: How?",
    ):
        assert content in shown
    assert "no content" not in err


def test_every_content_attribute_is_shown() -> None:
    assert set(extraction.CONTENT) <= set(CONTENT)


def test_content_that_was_not_captured_is_explained(view: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(line(span("chat", 1, attributes=call())))
    code, _, err = view(path, "--content")
    assert code == 0
    assert "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT" in err


def test_lines_of_the_collector_join_to_traces(view: View, tmp_path: Path) -> None:
    """Spans of one trace in any order, over lines and files, with other signals between them."""
    (tmp_path / "a.jsonl").write_text(
        line(span("inner", 3, 2), service="worker")
        + json.dumps({"resourceMetrics": [{"scopeMetrics": []}]})
        + "\n\n"
        + line(span("lonely", 9, 8, trace_id=OTHER_TRACE))
        + json.dumps({"resourceLogs": []})
        + "\n"
    )
    with gzip.open(tmp_path / "b.jsonl.gz", "wt") as stream:
        stream.write(line(span("outer", 1), span("middle", 2, 1)))
    code, out, err = view(tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz")
    assert (code, err) == (0, "")
    assert labels(out) == [
        "outer  [shop]",
        "└── middle",
        "    └── inner  [worker]",
        "lonely  [shop]  (parent not in the input)",
    ]


def test_other_spellings_of_the_same(view: View, tmp_path: Path) -> None:
    """One indented document, base64 ids, numbers for integers, original protobuf names, enum names."""
    raw = span("chat", 2, 1, attributes=call())
    for name in ("traceId", "spanId", "parentSpanId"):
        raw[name] = base64.b64encode(bytes.fromhex(raw[name])).decode()
    raw["startTimeUnixNano"] = int(raw["startTimeUnixNano"])
    raw["status"] = {"code": "STATUS_CODE_ERROR"}
    snake = {re.sub(r"[A-Z]", lambda found: "_" + found[0].lower(), key): value for key, value in raw.items()}
    path = tmp_path / "t.json"
    path.write_text(json.dumps([document(span("root", 1)), document(snake)], indent=2))
    code, out, err = view(path)
    assert (code, err) == (0, "")
    assert labels(out) == ["root  [shop]", "└── chat  10→5 tokens  error"]


def test_standard_input(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    content = io.TextIOWrapper(io.BufferedReader(io.BytesIO(line(span("piped", 1)).encode())))  # type: ignore[arg-type]
    monkeypatch.setattr(sys, "stdin", content)
    assert labels(view("-")[1]) == ["piped  [shop]"]


def test_tokens_of_a_trace_count_once(view: View, tmp_path: Path) -> None:
    """An agent reports the sum of its calls, and two layers report the same call: neither adds to the total."""
    path = tmp_path / "t.jsonl"
    path.write_text(
        line(
            span("invoke_agent a", 1, attributes=call("invoke_agent", 30, 15)),
            span("chat outer", 2, 1, attributes=call()),
            span("chat inner", 3, 2, attributes=call()),
            span("chat silent", 4, 1, attributes={"gen_ai.operation.name": text("chat")}),
            span("chat telling", 5, 4, attributes=call("chat", 20, 10)),
            span("embeddings e", 6, 1, attributes={"gen_ai.operation.name": text("embeddings")}),
        )
    )
    assert view(path)[1].splitlines()[0].endswith("3 model calls  30→15 tokens")


def test_unknown_tokens_are_not_zero(view: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(line(span("chat m", 1, attributes={"gen_ai.operation.name": text("chat")})))
    heading, row = view(path)[1].splitlines()
    assert heading.endswith("1 model call")
    assert "token" not in row


def test_whom_it_is_for_tags_and_the_prompt_of_a_step(view: View, tmp_path: Path) -> None:
    """Session and user stand once, tags where they begin; a prompt also where it was made."""
    path = tmp_path / "t.jsonl"
    whom = {"session.id": text("s-1"), "user.id": text("u-7")}
    rag = {"otel_llm.tags": {"arrayValue": {"values": [text("rag")]}}}
    made = {"otel_llm.prompt.name": text("answer"), "otel_llm.prompt.version": text("2")}
    path.write_text(
        line(
            span("generate", 1, attributes={**whom, **rag}),
            span("format_prompt", 2, 1, attributes={**whom, **rag, **made}),
        )
    )
    output = view(path)[1]
    assert output.splitlines()[0].endswith("  session s-1  user u-7")
    assert labels(output) == ["generate  #rag  [shop]", "└── format_prompt  prompt answer@2"]


def test_selection(view: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(
        line(span("newer", 2))
        + line(span("older", 1, trace_id=OTHER_TRACE), span("bad", 3, 1, trace_id=OTHER_TRACE, status={"code": 2}))
    )
    assert labels(view(path)[1]) == ["older  [shop]", "└── bad  error", "newer  [shop]"]
    assert labels(view(path, "--errors")[1]) == ["older  [shop]", "└── bad  error"]
    assert labels(view(path, "--trace", "4BF9")[1]) == ["newer  [shop]"]
    code, out, err = view(path, "--limit", "1")
    assert (code, labels(out)) == (0, ["newer  [shop]"])
    assert "1 older" in err
    code, out, err = view(path, "--trace", "4bf9", "--errors")
    assert (code, out) == (1, "")
    assert "4bf9" in err
    with pytest.raises(SystemExit, match="2"):
        view(path, "--limit", "0")


def test_nothing_in_the_data_steers_the_terminal(view: View, tmp_path: Path) -> None:
    hostile = "\x1b]0;owned\x07 [red]x[/red] :smile: \x9b2J \u202eevil \ud800 \r\n🙂"
    attributes = {
        **call(),
        "gen_ai.response.model": text(hostile),
        "error.type": text(hostile),
        "gen_ai.response.finish_reasons": {"arrayValue": {"values": [text(hostile)]}},
        "gen_ai.output.messages": text(
            json.dumps([{"role": hostile, "parts": [{"type": "text", "content": hostile}]}])
        ),
    }
    path = tmp_path / "t.jsonl"
    path.write_text(
        line(span(hostile, 1, attributes=attributes, status={"code": 2, "message": hostile}), service=hostile)
    )
    code, out, err = view(path, "--content")
    assert (code, err) == (0, "")
    assert not set(out) & set("\x1b\x07\x9b\u202e\ud800\r")
    for expected in (r"\x1b]0;owned\x07", "[red]x[/red]", ":smile:", r"\x9b", r"\u202e", r"\ud800", "🙂"):
        assert expected in out


@pytest.mark.parametrize("variable", [{"NO_COLOR": "1"}, {}])
def test_colour_only_where_wanted(exported: Path, variable: dict[str, str]) -> None:
    command = [sys.executable, "-m", "otel_llm.cli", "view", str(exported)]
    environment = {"PATH": "", "PYTHONPATH": ":".join(sys.path), "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    coloured = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    assert b"\x1b[" in coloured
    quiet = command if variable else [*command, "--no-color"]
    assert b"\x1b" not in subprocess.run(quiet, env=environment | variable, capture_output=True, check=True).stdout


def test_narrow_output_has_no_bars(view: View, exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "━" in view(exported)[1]
    monkeypatch.setenv("COLUMNS", "60")
    out = view(exported)[1]
    assert "━" not in out
    assert max(map(len, out.splitlines())) <= 60


def test_without_rich_it_says_what_to_install(view: View, exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, _, err = view(exported)
    assert code == 2
    assert 'pip install "otel-llm[cli]"' in err


def test_a_reader_that_goes_away_early(exported: Path) -> None:
    """`otel-llm view … | head -1` ends without a word."""
    many = exported.with_name("many.jsonl")
    many.write_text("".join(line(span("s" * 80, 1, trace_id=f"{number:032x}")) for number in range(1, 2000)))
    process = subprocess.Popen(
        [sys.executable, "-m", "otel_llm.cli", "view", str(many)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0
    process.stderr.close()


def test_importing_the_command_does_not_import_rich() -> None:
    code = "import otel_llm.cli, sys; sys.exit('rich' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, check=True)
