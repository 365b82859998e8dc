"""The ids of what is current are on the application's own log records, and nothing of theirs is lost for it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.context import Context

import otel_llm
from otel_llm import Prompt
from otel_llm.log_correlation import ContextFilter, add_ids

ALL = [
    "trace_id",
    "span_id",
    "session_id",
    "user_id",
    "conversation_id",
    "prompt_name",
    "prompt_version",
    "prompt_hash",
]
ALL += ["experiment_id", "experiment_variant"]


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """What a handler with the filter is given of logger ``application``."""
    seen: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = seen.append  # type: ignore[method-assign]
    handler.addFilter(ContextFilter())
    logger = logging.getLogger("application")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield seen
    logger.removeHandler(handler)


def test_ids_on_a_record(recorder: Any, records: list[logging.LogRecord], ask: Prompt) -> None:
    tracer = recorder.tracer_provider.get_tracer("t")
    with (
        tracer.start_as_current_span("request") as span,
        otel_llm.propagate_attributes(session_id="s-1", user_id="u-1", conversation_id="c-1", prompt=ask),
    ):
        logging.getLogger("application").info("answering")
    about = span.get_span_context()
    said = {name: vars(records[0])[name] for name in ALL}
    assert said == {
        "trace_id": f"{about.trace_id:032x}",
        "span_id": f"{about.span_id:016x}",
        "session_id": "s-1",
        "user_id": "u-1",
        "conversation_id": "c-1",
        "prompt_name": "ask",
        "prompt_version": "7",
        "prompt_hash": ask.hash,
        "experiment_id": None,
        "experiment_variant": None,
    }


def test_the_prompt_of_the_step_at_work(recorder: Any, records: list[logging.LogRecord], ask: Prompt) -> None:
    with otel_llm.step_span("format_prompt"):
        ask.format(question="Why?")
        logging.getLogger("application").info("asking")
    assert (vars(records[0])["prompt_name"], vars(records[0])["prompt_version"]) == ("ask", "7")


def test_outside_of_everything(records: list[logging.LogRecord]) -> None:
    logging.getLogger("application").info("starting")
    assert {vars(records[0])[name] for name in ALL} == {None}
    text = logging.Formatter("%(message)s [%(trace_id)s %(session_id)s]").format(records[0])
    assert text == "starting [None None]"


def test_what_a_record_has_stays(records: list[logging.LogRecord]) -> None:
    with otel_llm.propagate_attributes(session_id="s-1"):
        logging.getLogger("application").info("x", extra={"session_id": "mine", "trace_id": "theirs"})
    assert (records[0].session_id, records[0].trace_id) == ("mine", "theirs")  # type: ignore[attr-defined]


def test_structlog(recorder: Any) -> None:
    out = io.StringIO()
    log = structlog.wrap_logger(
        structlog.WriteLogger(out), processors=[add_ids, structlog.processors.JSONRenderer(sort_keys=True)]
    )
    log.info("before")
    with otel_llm.propagate_attributes(session_id="s-1", user_id="u-1"):
        log.info("answering", user_id="mine")
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        {"event": "before"},
        {"event": "answering", "session_id": "s-1", "user_id": "mine"},
    ]


def test_a_span_that_fails_to_tell_its_ids(
    records: list[logging.LogRecord], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(trace.NonRecordingSpan):
        def get_span_context(self) -> Any:
            raise RuntimeError("broken")

    def current(context: Context | None = None) -> Any:
        return Broken(trace.INVALID_SPAN_CONTEXT)

    monkeypatch.setattr(trace, "get_current_span", current)
    logging.getLogger("application").info("still here")
    assert records[0].getMessage() == "still here"
    caplog.clear()
