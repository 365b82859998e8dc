"""Reads what a prompt log has written."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from otel_llm.prompt_log import PromptLog

MODEL = "gpt-4o-mini"


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


def ask(client: Any, times: int = 1) -> None:
    for _ in range(times):
        client.embeddings.create(model="text-embedding-3-small", input="Why?")
