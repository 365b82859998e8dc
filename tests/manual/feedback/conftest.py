"""Feedback with everything it writes to, and a client of the openai SDK to have something to give feedback on."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import otel_llm
from otel_llm import Settings
from otel_llm.manual.feedback import desk

KEY = "a key of the tests, and of nothing else"


class Sinks:
    """Where feedback goes: telemetry in memory, the dataset, the log."""

    def __init__(self, recorder: Any, dataset: Path, caplog: pytest.LogCaptureFixture) -> None:
        self.recorder, self.dataset, self.caplog = recorder, dataset, caplog

    def instrument(self, **settings: Any) -> None:
        named = {"feedback_key": (KEY,), "evaluation_dataset": str(self.dataset)}
        self.recorder.instrument(Settings(**{**named, **settings}))

    @property
    def spans(self) -> list[Any]:
        """The spans of feedback, once all of it is recorded."""
        assert otel_llm.flush()
        return [span for span in self.recorder.spans if span.name.startswith("feedback ")]

    @property
    def events(self) -> list[Any]:
        assert otel_llm.flush()
        return [log for log in self.recorder.logs if log.event_name == "gen_ai.evaluation.result"]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of the table of labels, the oldest first."""
        assert otel_llm.flush()
        if not self.dataset.exists():
            return []
        database = sqlite3.connect(self.dataset)
        database.row_factory = sqlite3.Row
        rows = [dict(row) for row in database.execute("select * from labels order by id")]
        database.close()
        return rows

    def told(self) -> str:
        """All that was written anywhere."""
        parts: list[Any] = [span.to_json() for span in self.spans]
        parts += [(log.event_name, log.body, dict(log.attributes)) for log in self.recorder.logs]
        parts += [self.recorder.metrics.to_json(), json.dumps(self.rows), self.caplog.text]
        if self.dataset.exists():
            parts.append(self.dataset.read_bytes().decode("latin-1"))
        return repr(parts)


@pytest.fixture
def sinks(recorder: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Sinks]:
    desk.SHARED._last.clear()  # what the tests before this one said
    made = Sinks(recorder, tmp_path / "items.db", caplog)
    made.instrument()
    yield made
    otel_llm.flush()


@pytest.fixture
def answered(sinks: Sinks) -> Callable[..., dict[str, Any]]:
    """Has a workflow answer, and returns its ids."""

    def answer(**propagated: Any) -> dict[str, Any]:
        with otel_llm.propagate_attributes(**propagated), otel_llm.workflow_span("ask"):
            return dict(otel_llm.current_ids())

    return answer
