"""What is still open when the program ends is one span, and one line of the prompt log, that say so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import left_open
import pytest

from interpreter import NO_EXPORT, python, stand_ins

PROGRAM = Path(left_open.__file__)
SETUP = """
import atexit, sys
import openai, otel_llm
import left_open
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(formatter=left_open.line)))
trace.set_tracer_provider(provider)
otel_llm.instrument()
"""
READ = "stream = left_open.left_by_break('m')\n"
ABANDONED = ["chat m", "abandoned", "m"]


def told(*arguments: Any, log: Path) -> tuple[list[Any], list[Any], list[str]]:
    """The spans of a program (name, outcome, model that answered) and the records of its prompt log, both in order of
    their end, and its errors."""
    with stand_ins() as servers:
        ours = {"OTEL_LLM_PROMPT_LOG": str(log), "PYTHONPATH": str(PROGRAM.parent)}
        finished = python(*arguments, **servers, **NO_EXPORT, **ours)
    records = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [json.loads(line) for line in finished.stdout.splitlines()], records, finished.stderr.splitlines()


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], list[Any]]:
    spans, records, errors = told(PROGRAM, log=tmp_path_factory.mktemp("log") / "log")
    assert not [line for line in errors if "otel" in line]  # asyncio tells of generators of the HTTP library
    return spans, records


@pytest.mark.parametrize("case", [case.__name__ for case in left_open.STREAMS])
def test_a_stream(ended: Any, case: str) -> None:
    spans, records = ended
    ((_, outcome, model),) = [span for span in spans if span[0] == f"chat {case}"]
    # asyncio closes the generators that it knows of when its loop is closed.
    assert outcome == "abandoned" or (outcome == "closed" and case == "of_a_loop_that_is_closed")
    assert model is not None or case in ("not_read", "a_body_of_sagemaker")  # what had come is known
    assert [record["stream_outcome"] for record in records if record["request_model"] == case] == [outcome]


@pytest.mark.parametrize("case", [case.__name__ for case in left_open.WORK])
def test_work_of_the_program(ended: Any, case: str) -> None:
    (outcome,) = [outcome for name, outcome, _ in ended[0] if name.endswith(case)]
    assert outcome == "abandoned"


def test_what_is_inside_ends_first(ended: Any) -> None:
    names = [name for name, *_ in ended[0] if name.startswith("an_observed_generator")]
    assert names == ["an_observed_generator, inside", "an_observed_generator"]


def test_no_more_than_that(ended: Any) -> None:
    assert len(ended[0]) == len(left_open.STREAMS) + len(left_open.WORK) + 1


def test_a_prompt_log_that_was_opened_after_the_first_call(tmp_path: Path) -> None:
    first = "list(left_open.not_read('first'))\n"
    program = f"{SETUP}{first}otel_llm.log_prompts({str(tmp_path / 'later')!r})\n{READ}"
    spans, *_ = told("-c", program, log=tmp_path / "log")
    assert spans[1:] == [ABANDONED]
    (record,) = (tmp_path / "later").read_text().splitlines()
    assert json.loads(record)["stream_outcome"] == "abandoned"


def test_a_provider_that_is_set_after_the_first_call(tmp_path: Path) -> None:
    program = f"""
import otel_llm, left_open
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
otel_llm.log_prompts({str(tmp_path / "log")!r})
otel_llm.instrument()
list(left_open.not_read("first"))
{SETUP}{READ}"""
    spans, records, _ = told("-c", program, log=tmp_path / "log")
    assert spans == [ABANDONED]
    assert records[-1]["stream_outcome"] == "abandoned"


def test_the_stream_itself_is_left_as_it_is(tmp_path: Path) -> None:
    """A handler of the application's that runs later at exit can read on; nothing is recorded twice."""
    program = f"{SETUP}atexit.register(lambda: print(len(list(stream)), file=sys.stderr))\n{READ}"
    spans, records, errors = told("-c", program, log=tmp_path / "log")
    assert spans == [ABANDONED]
    assert len(records) == 1
    assert int(*errors) > 1


def test_a_child_ends_only_calls_of_its_own(tmp_path: Path) -> None:
    program = f"""{SETUP}
import multiprocessing
{READ}
def work():
    global second
    second = left_open.left_by_break("child")
child = multiprocessing.get_context("fork").Process(target=work)
child.start()
child.join()
list(stream)
"""
    spans, records, _ = told("-c", program, log=tmp_path / "log")
    assert spans == [["chat child", "abandoned", "child"], ["chat m", None, "m"]]
    assert [record.get("stream_outcome") for record in records] == ["abandoned", None]
