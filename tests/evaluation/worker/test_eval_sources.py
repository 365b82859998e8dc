"""Items of exported traces: the same as those that the sampler makes in the process."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from evaluating import SCHEMA, Evaluated, Ids, message
from opentelemetry.exporter.otlp.json.file.trace_exporter import FileSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import set_span_in_context

from otel_llm.cli import main
from otel_llm.evaluation import JSONLinesSink, SQLiteSink
from otel_llm.evaluation.dataset.reader import Selection
from otel_llm.evaluation.worker.sources import SourceError, open_source

Make = Callable[..., Evaluated]
ALL = Selection()


def exported(spans: Sequence[ReadableSpan], path: Path) -> Path:
    exporter = FileSpanExporter(path)
    exporter.export(spans)
    exporter.shutdown()
    return path


def answer_a_question(made: Evaluated, question: str = "Who wrote Faust?") -> None:
    manual = made.provider.get_tracer("otel_llm.manual")
    with made.tracer.start_as_current_span("POST /ask"):
        given = {"otel_llm.step.input": question, "user.id": "u-1", "otel_llm.tags": ("rag", "shop")}
        with manual.start_as_current_span("ask", attributes=given) as step:
            documents = [{"id": "d1", "content": "Faust is by Goethe.", "score": 0.5}]
            attributes = {
                "gen_ai.operation.name": "retrieval",
                "gen_ai.retrieval.documents": json.dumps(documents),
            }
            made.tracer.start_span("retrieval", attributes=attributes).end()
            made.call(
                gen_ai__input__messages=message("user", "Faust is by Goethe. " + question),
                gen_ai__output__messages=message("assistant", "Goethe."),
                gen_ai__usage__input_tokens=12,
                gen_ai__response__id="r-1",
                gen_ai__response__finish_reasons=("stop",),
            )
            step.set_attribute("otel_llm.step.output", "Goethe.")


def how_it_was_chosen(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in ("sampled_by", "rate")}


def test_an_exported_trace_becomes_the_item_that_the_sampler_makes(evaluated: Make, tmp_path: Path) -> None:
    made = evaluated(1.0, resource={"service.name": "twin", "deployment.environment.name": "staging"})
    answer_a_question(made)
    (item,) = open_source(exported(made.spans, tmp_path / "t.json")).items(ALL)
    assert how_it_was_chosen(item) == how_it_was_chosen(made.item)
    assert (item["query"], item["answer"], item["context"][0]["id"]) == ("Who wrote Faust?", "Goethe.", "d1")
    assert item["sampled_by"] == ["marked"]
    SCHEMA.validate(item)


def test_a_trace_of_two_services_is_one_item(evaluated: Make, tmp_path: Path) -> None:
    front = evaluated(0.0, resource={"service.name": "front"})
    model = evaluated(0.0, resource={"service.name": "model"}, ids=Ids(seed=8))
    with front.tracer.start_as_current_span("GET /") as root:
        context = set_span_in_context(root)
        with model.tracer.start_as_current_span("POST /ask", context=context):
            model.call(gen_ai__output__messages=message("assistant", "Goethe."))
    (item,) = open_source(exported([*front.spans, *model.spans], tmp_path / "t.json")).items(ALL)
    assert (item["name"], item["service"], item["spans"], item["answer"]) == ("GET /", "front", 3, "Goethe.")
    assert item["sampled_by"] == ["added"]
    (alone,) = open_source(exported(model.spans, tmp_path / "part.json")).items(ALL)
    assert (alone["name"], alone["service"]) == ("POST /ask", "model")


def test_verdicts_and_spans_without_genai_are_no_part_of_items(evaluated: Make, tmp_path: Path) -> None:
    made = evaluated(0.0)
    with made.tracer.start_as_current_span("request"):
        made.call()
        verdict = {"otel_llm.operation.name": "evaluate", "gen_ai.evaluation.name": "hallucination"}
        made.tracer.start_span("evaluate hallucination", attributes=verdict).end()
    made.tracer.start_span("health check").end()
    made.tracer.start_span("feedback thumbs", attributes={"otel_llm.operation.name": "feedback"}).end()
    (item,) = open_source(exported(made.spans, tmp_path / "t.json")).items(ALL)
    assert (item["name"], item["spans"]) == ("request", 2)


def test_files_are_known_by_what_they_hold(evaluated: Make, tmp_path: Path) -> None:
    made = evaluated(1.0)
    answer_a_question(made)
    lines = exported(made.spans, tmp_path / "traces.jsonl")  # a name as datasets have
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(lines.read_bytes()))
    indented = tmp_path / "indented.json"
    indented.write_text(json.dumps(json.loads(lines.read_text().splitlines()[0]), indent=2))
    stores = (SQLiteSink(tmp_path / "items.db"), JSONLinesSink(tmp_path / "items.jsonl"))
    for store in stores:
        store.write(made.item)
        store.close()
    for path in (lines, packed, indented, *(store.path for store in stores)):
        (item,) = open_source(path).items(ALL)
        assert item["id"] == made.item["id"]
        assert list(open_source(path).trace("ffff")) == []
        assert [one["id"] for one in open_source(path).trace(item["trace_id"][:9].upper())] == [item["id"]]
    with pytest.raises(SourceError, match="there is no dataset"):
        list(open_source(tmp_path / "nowhere").items(ALL))
    with pytest.raises(SourceError, match="is not a URL"):
        open_source("jaeger+localhost")


def test_the_newest_are_selected(evaluated: Make, tmp_path: Path) -> None:
    made = evaluated(1.0)
    for number in range(4):
        answer_a_question(made, f"Question {number}?")
    source = open_source(exported(made.spans, tmp_path / "t.json"))
    assert [item["query"] for item in source.items(Selection(limit=2))] == ["Question 2?", "Question 3?"]
    later = made.flushed()[-1]["started_at"]
    assert [item["query"] for item in source.items(Selection(since=later))] == ["Question 3?"]


def test_a_trace_is_added_by_hand(evaluated: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = evaluated(0.0)
    answer_a_question(made)
    traces, dataset = exported(made.spans, tmp_path / "t.json"), tmp_path / "items.db"
    trace_id = f"{made.spans[0].context.trace_id:032x}"

    def run(*arguments: object) -> tuple[int, str]:
        code = main(["eval", "add", *map(str, arguments), "--dataset", str(dataset)])
        return code, capsys.readouterr().err

    assert run(trace_id, "--from", traces) == (0, f"otel-llm: 1 item(s) added to {dataset}\n")
    assert run(trace_id, "--from", traces)[0] == 0  # again: it is the same item
    (item,) = open_source(dataset).items(ALL)
    assert (item["trace_id"], item["sampled_by"], item["answer"]) == (trace_id, ["added"], "Goethe.")
    assert run("f" * 32, "--from", traces)[0] == 1
    assert "is not the id of a trace" in run("zzz", "--from", traces)[1]
    assert run(trace_id, "--from", "jaeger+http://127.0.0.1:1")[0] == 2
