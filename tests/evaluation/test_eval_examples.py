"""The examples run."""

from __future__ import annotations

import re
from pathlib import Path

from interpreter import python
from otel_llm.evaluation import SCHEMA, SQLiteSink
from standin.openai import OpenAIServer

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "evaluation"


def _run(name: str, *arguments: object, **environment: str) -> str:
    return python(EXAMPLES / name, *map(str, arguments), **environment).stdout


def test_sampling(server: OpenAIServer) -> None:
    said = _run("sample.py", OPENAI_BASE_URL=server.base_url, OPENAI_API_KEY="x")
    *items, accounts = said.splitlines()
    assert "by errors: (no content)" in items[-1] or "by rate, errors: Hello?" in items[-1]
    assert all(re.fullmatch(r"[0-9a-f]{12}  by rate: Question \d+", item) for item in items[:-1])
    assert accounts == f"offered 101, sampled {len(items)}, stored {len(items)}"


def test_reading(tmp_path: Path) -> None:
    sink = SQLiteSink(tmp_path / "items.db")
    item = {"schema": SCHEMA, "id": "1", "started_at": "2026", "name": "x", "sampled_by": ["rate"]}
    item |= {"query": "Why?", "answer": "So."}
    sink.write(item)
    sink.close()
    assert _run("read.py", sink.path) == "'Why?' -> 'So.', from 0 documents\n"
