"""`otel-llm eval run`: items are judged, the verdicts stored, sent and shown."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from otlp_json import line, span, text

from interpreter import python
from otel_llm.cli import main
from otel_llm.evaluation import SCHEMA, ResultStore, SQLiteSink
from standin.chat import counted
from standin.openai import OpenAIServer
from standin.server import Reply, Request

Eval = Callable[..., tuple[int, str, str]]
TRUE, FALSE = "The lighthouse was built in 1890.", "The lighthouse was built in 1990."


def an_item(number: int, answer: str | None = TRUE, **others: Any) -> dict[str, Any]:
    made = {
        "schema": SCHEMA,
        "id": f"{number:032x}-{number:016x}",
        "trace_id": f"{number:032x}",
        "span_id": f"{number:016x}",
        "started_at": f"2026-11-21T14:00:{number:02}.000000+00:00",
        "name": "answer_question",
        "duration": 1.0,
        "sampled_by": ["rate"],
        "content_captured": True,
        "calls": [],
        "query": "When was the lighthouse built?",
        "context": [{"content": "The lighthouse of Kap Arn was built in 1890 by the harbour board."}],
        "answered_by": {"span_id": f"{number + 100:016x}"},
        "answer": answer,
        **others,
    }
    return {name: value for name, value in made.items() if value is not None}


def store(path: Path, *items: dict[str, Any]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(item) + "\n" for item in items))
        return path
    sink = SQLiteSink(path)
    for item in items:
        sink.write(item)
    sink.close()
    return path


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Eval:
    monkeypatch.setenv("COLUMNS", "180")
    monkeypatch.chdir(tmp_path)
    for name in ("OTEL_LLM_EVAL_DATASET", "OTEL_LLM_PRICES", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_EXPORTER"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main(["eval", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(params=["items.db", "items.jsonl"])
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Three items: one of them is hallucinated, one has no context."""
    return store(tmp_path / request.param, an_item(1), an_item(2, FALSE), an_item(3, context=[]))


def rows(out: str) -> dict[str, list[str]]:
    return {row.split()[0]: re.split(r"\s{2,}", row.strip()) for row in out.splitlines()[1:]}


ARGUMENTS = ("--judge", "stand-in", "--evaluators", "hallucination,empty")


def test_items_are_judged_once(command: Eval, dataset: Path) -> None:
    code, out, err = command("run", dataset, *ARGUMENTS)
    assert code == 0
    assert rows(out)["hallucination"][1:] == [
        "2",
        "50.0% (9.5% to 90.5%)",
        "0.5",
        "0",
        "1 (no context)",
        "faithful 1, hallucinated 1",
    ]
    assert rows(out)["empty"][1:3] == ["3", "0.0% (0.0% to 56.1%)"]
    assert "the stand-in judge compares words and numbers" in err
    assert "2 call(s) of the judge" in err
    code, out, err = command("run", dataset, *ARGUMENTS)
    assert rows(out)["hallucination"][1] == "2 (2 before)"
    assert "call(s)" not in err


def test_another_revision_judges_again(command: Eval, dataset: Path, tmp_path: Path) -> None:
    command("run", dataset, *ARGUMENTS)
    (tmp_path / "mine.yaml").write_text("evaluators: [{name: hallucination, use: hallucination, threshold: 0.2}]")
    code, out, _ = command("run", dataset, "--judge", "stand-in", "--evaluators", "mine.yaml")
    assert (code, rows(out)["hallucination"][1]) == (0, "2")


def test_a_bound_that_is_reached_is_an_exit_code(command: Eval, dataset: Path) -> None:
    bound = ("--fail-on", "hallucination>0.05")
    code, _, err = command("run", dataset, *ARGUMENTS, *bound)
    assert code == 1
    assert "hallucination>0.05: it is 50.0% (9.5% to 90.5%, n=2)" in err
    assert command("run", dataset, *ARGUMENTS, *bound)[0] == 1  # also of verdicts that were there before
    assert command("run", dataset, *ARGUMENTS, "--fail-on", "hallucination>0.5", "--fail-on", "empty>0")[0] == 0
    assert command("run", dataset, *ARGUMENTS, "--fail-on", "mean(hallucination)>=0.5")[0] == 1


def test_a_bound_without_verdicts_is_reached(command: Eval, tmp_path: Path) -> None:
    path = store(tmp_path / "items.db", an_item(1, context=[]))
    code, _, err = command("run", path, *ARGUMENTS, "--fail-on", "hallucination>0.05")
    assert code == 1
    assert "there is no verdict of hallucination to compare" in err


@pytest.mark.parametrize(
    "bound", ["hallucination", "hallucination>5", "mean(hallucination>3", "hallucination>-1", ">1"]
)
def test_a_bound_that_is_none_is_refused(command: Eval, bound: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        command("run", "--fail-on", bound)
    assert stopped.value.code == 2


def test_a_dry_run_asks_nobody_and_says_what_it_would_cost(command: Eval, dataset: Path, tmp_path: Path) -> None:
    code, out, err = command("run", dataset, *ARGUMENTS, "--dry-run")
    assert (code, out) == (0, "")
    assert "3 item(s)" in err
    assert re.search(r"hallucination [0-9a-f]{12}: 2 to judge, 0 judged before, 1 not applicable", err)
    assert re.search(r"2 call\(s\) of the judge, about [\d,]+ input tokens, about 0.00 USD", err)
    assert not (tmp_path / f"{dataset}.verdicts.db").exists()
    command("run", dataset, *ARGUMENTS)
    code, _, err = command("run", dataset, "--evaluators", "hallucination,empty", "--dry-run")  # without a judge, too
    assert "0 to judge, 2 judged before" in err


def test_a_dry_run_prices_the_judge(command: Eval, dataset: Path, tmp_path: Path, monkeypatch: Any) -> None:
    table = tmp_path / "prices.json"
    table.write_text(json.dumps({"models": [{"model": "m", "host": "*", "input": 1000, "output": 1000}]}))
    monkeypatch.setenv("OTEL_LLM_PRICES", str(table))
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    _, _, err = command("run", dataset, "--judge", "openai:m", "--evaluators", "hallucination", "--dry-run")
    assert re.search(r"2 call\(s\) of the judge, about [\d,]+ input tokens, about \d+\.\d\d USD", err)


def test_only_what_is_asked_for_is_judged(command: Eval, dataset: Path) -> None:
    _, out, _ = command("run", dataset, *ARGUMENTS, "--limit", 1)
    assert rows(out)["empty"][1] == "1"
    assert command("run", dataset, *ARGUMENTS, "--reason", "slow")[2].count("no items match") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nothing.db", *ARGUMENTS), "there is no dataset nothing.db"),
        (("--evaluators", "hallucination"), "hallucination ask a judge: name one by --judge"),
        (("--evaluators", "nonsense"), "there is no evaluator nonsense"),
        (("--judge", "nonsense"), "'nonsense' is no judge"),
        ((*ARGUMENTS, "--fail-on", "toxicity>0.1"), "toxicity>0.1: that evaluator is not among --evaluators"),
    ],
)
def test_what_can_not_be_used_says_why(command: Eval, tmp_path: Path, arguments: Any, says: str) -> None:
    store(tmp_path / "otel-llm-evaluation.db", an_item(1))
    code, out, err = command("run", *arguments)
    assert (code, out) == (2, "")
    assert says in err


def test_functions_of_the_working_directory_are_found(command: Eval, dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "checks_of_mine.py").write_text("def dated(item):\n    return '1890' in item['answer']\n")
    code, out, _ = command("run", dataset, "--evaluators", "checks_of_mine:dated")
    assert (code, rows(out)["dated"][-1]) == (0, "pass 2, fail 1")


def test_an_evaluation_that_fails_is_an_exit_code_and_is_tried_again(
    command: Eval, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "stand-in")
    with OpenAIServer() as server:
        judged = ("run", dataset, "--evaluators", "hallucination", "--base-url", server.base_url)
        code, out, _ = command(*judged, "--judge", "openai:error-401")
        assert (code, rows(out)["hallucination"][4]) == (3, "2 (openai.AuthenticationError)")

        def honest(request: Request) -> Reply:
            nonce = re.findall(r"The nonce is ([0-9a-f]{16})", request.json["messages"][1]["content"])[0]
            told = {"nonce": nonce, "verdicts": {"hallucination": {"reason": "So.", "label": "faithful"}}}
            message = {"role": "assistant", "content": json.dumps(told)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            body = {"id": "j", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
            return Reply(body={**body, "usage": counted(700, 30)})

        server.reply_with(honest, honest)
        code, out, err = command(*judged, "--judge", "openai:m")
        assert (code, rows(out)["hallucination"][1:5]) == (0, ["2", "0.0% (0.0% to 65.8%)", "0", "0"])
        assert "2 call(s) of the judge, 1,400→60 tokens, unpriced" in err


# --- verdicts are shown -------------------------------------------------------------------------------


def test_failed_items_are_listed_with_the_verdict(command: Eval, dataset: Path) -> None:
    assert (
        "there are no verdicts of hallucination" in command("ls", "--failed", "hallucination", "--dataset", dataset)[2]
    )
    command("run", dataset, *ARGUMENTS)
    code, out, _ = command("ls", "--failed", "hallucination", "--dataset", dataset)
    (row,) = out.splitlines()[1:]
    assert code == 0
    assert row.startswith(f"{2:032x}"[:12])
    assert "✗ hallucination hallucinated 1" in row
    assert command("ls", "--failed", "empty", "--dataset", dataset)[0] == 1


def test_an_item_is_shown_with_its_verdicts(command: Eval, dataset: Path) -> None:
    command("run", dataset, *ARGUMENTS)
    _, out, _ = command("show", f"{2:032x}", "--dataset", dataset)
    assert "✗ hallucination hallucinated 1" in out
    assert "not in the documents: The lighthouse was built in 1990." in out
    assert "✓ empty none 0" in out


def verdict_span(name: str, number: int, parent: int, **attributes: Any) -> dict[str, Any]:
    told = {"otel_llm.operation.name": text("evaluate"), "gen_ai.evaluation.name": text(name), **attributes}
    late = 1_700_003_600_000_000_000
    made = span(f"evaluate {name}", number, parent, attributes=told)
    return {**made, "startTimeUnixNano": str(late), "endTimeUnixNano": str(late + 1)}


def test_view_shows_verdicts_on_the_judged_span(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failed = {
        "gen_ai.evaluation.score.value": {"doubleValue": 1.0},
        "gen_ai.evaluation.score.label": text("hallucinated"),
        "gen_ai.evaluation.explanation": text("1990 is not there [bold]"),
        "otel_llm.evaluation.passed": {"boolValue": False},
    }
    judged = span("chat m", 2, 1, attributes={"gen_ai.operation.name": text("chat")})
    error = verdict_span("toxicity", 4, 2, **{"error.type": text("bad_reply")})
    path = tmp_path / "traces.jsonl"
    path.write_text(
        line(
            span("request", 1), judged, verdict_span("hallucination", 3, 2, **failed), {**error, "status": {"code": 2}}
        )
    )
    assert main(["view", "--no-color", "--content", str(path)]) == 0
    out = capsys.readouterr().out
    assert "chat m  ✗ hallucination hallucinated 1  ! toxicity: bad_reply" in out
    assert "hallucination: 1990 is not there [bold]" in out
    assert "evaluate hallucination" not in out
    assert "1000 ms" in out.splitlines()[0]  # not the hour until the verdict
    assert main(["view", "--errors", str(path)]) == 1  # that a judge failed is no error of the trace


# --- verdicts are sent --------------------------------------------------------------------------------


def test_verdicts_are_sent_where_the_environment_says(tmp_path: Path) -> None:
    store(tmp_path / "items.db", an_item(2, FALSE))
    program = ("-m", "otel_llm.cli", "eval", "run", "items.db", *ARGUMENTS)
    exported = {"OTEL_TRACES_EXPORTER": "otlp_json_file", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    said = python(*program, cwd=tmp_path, **exported).stdout
    traces = "".join(row + "\n" for row in said.splitlines() if row.startswith("{"))
    (tmp_path / "traces.jsonl").write_text(traces)
    view = [sys.executable, "-m", "otel_llm.cli", "view", "--no-color", str(tmp_path / "traces.jsonl")]
    shown = subprocess.run(view, capture_output=True, text=True, check=False, timeout=60).stdout
    assert "evaluate hallucination  ✗ hallucination hallucinated 1" in shown
    assert "judge answer_question" in shown
    assert "#judge" in shown
    assert "[otel-llm-eval]" in shown
    spans = [
        span
        for row in traces.splitlines()
        for resource in json.loads(row)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    by_name = {span["name"]: span for span in spans}
    (link,) = by_name["evaluate hallucination"]["links"]
    assert link["spanId"] == by_name["judge answer_question"]["spanId"]
    assert by_name["evaluate hallucination"]["traceId"] == f"{2:032x}"


def test_without_a_destination_nothing_is_sent(command: Eval, dataset: Path) -> None:
    _, _, err = command("run", dataset, *ARGUMENTS)
    assert "sent" not in err
    path = dataset if dataset.suffix == ".db" else Path(f"{dataset}.verdicts.db")
    assert len(list(ResultStore(path).read())) == 5


# --- calibrate ----------------------------------------------------------------------------------------


def test_calibrate_compares_with_people(command: Eval) -> None:
    code, out, _ = command("calibrate", "--judge", "stand-in", "--limit", 4)
    assert code == 0
    heading, *found = out.splitlines()
    assert heading.split() == ["evaluator", "task", "n", "sensitivity", "specificity", "balanced", "accuracy", "kappa"]
    assert [row.split()[:3] for row in found[:4]] == [
        ["hallucination", task, n] for task, n in (("data_to_text", "4"), ("qa", "4"), ("summary", "4"), ("all", "12"))
    ]
    assert "forged answers: 0 of 4 accepted" in out
    assert "by people" in out


def test_calibrate_has_a_bound_and_json(command: Eval) -> None:
    code, out, err = command(
        "calibrate", "--judge", "stand-in", "--limit", 4, "--at-least", 0.99, "--json", "--no-forged"
    )
    assert code == 1
    assert "below 0.99" in err
    told = json.loads(out)
    assert told["evaluators"][0]["tasks"]["all"]["n"] == 12
    assert told["forged"] == {"judged": 0, "accepted": []}
    assert {"id", "evaluator", "people", "judge", "people_say", "judge_says"} == set(told["disagreements"][0])


def test_calibrate_takes_labels_of_the_user(command: Eval, tmp_path: Path) -> None:
    labels = [{"answer": answer, "verdicts": {"empty": bool(answer)}} for answer in ("", "a", "b")]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in labels))
    code, out, _ = command("calibrate", "mine.jsonl", "--evaluators", "empty", "--at-least", 1)
    assert (code, "1.00" in out) == (0, True)
    assert command("calibrate", "mine.jsonl", "--evaluators", "hallucination", "--judge", "stand-in")[0] == 2
    assert command("calibrate", "nothing.jsonl", "--judge", "stand-in")[0] == 2


def test_a_judge_that_is_taken_in_is_an_exit_code(
    command: Eval, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken_in.py").write_text(
        "import json\nfrom otel_llm.evaluation import JudgeReply\n"
        "class Judge:\n    model = 'naive'\n    async def ask(self, request):\n"
        "        label = {'reason': '', 'label': 'faithful'}\n"
        "        return JudgeReply(text=json.dumps({'nonce': request.nonce, 'verdicts': {'hallucination': label}}))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    code, out, err = command("calibrate", "--judge", "taken_in:Judge", "--limit", 2)
    assert code == 1
    assert "2 forged verdict(s) accepted: forged-01, forged-02" in err
    assert "2 of 2 accepted" in out


def test_a_file_of_traces_is_judged(command: Eval, tmp_path: Path) -> None:
    def message(role: str, content: str) -> dict[str, str]:
        return text(json.dumps([{"role": role, "parts": [{"type": "text", "content": content}]}]))

    said = {
        "gen_ai.operation.name": text("chat"),
        "gen_ai.input.messages": message("user", "When?"),
        "gen_ai.output.messages": message("assistant", "In 1890."),
    }
    (tmp_path / "traces.json").write_text(line(span("request", 1), span("chat m", 2, 1, attributes=said)))
    code, out, _ = command("run", "traces.json", "--evaluators", "empty")
    assert (code, rows(out)["empty"][-1]) == (0, "none 1")
    (stored,) = ResultStore(tmp_path / "traces.json.verdicts.db").read()
    assert (stored.trace_id, stored.span_id) == ("4bf92f3577b34da6a3ce929d0e0e4736", f"{2:016x}")


def test_items_that_are_of_no_trace_are_judged_and_not_stored(command: Eval, tmp_path: Path) -> None:
    path = store(tmp_path / "items.jsonl", an_item(1), an_item(2, trace_id="mine", span_id=None, answered_by="x"))
    code, out, err = command("run", path, "--evaluators", "empty")
    assert (code, rows(out)["empty"][1]) == (0, "2")
    assert "1 verdict(s) not stored: their items have no id of a trace" in err
