"""A dataset for workers, and a judge that takes a moment and says which items it was asked about."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Any

from otel_llm.evaluation import SCHEMA, SQLiteSink
from otel_llm.evaluation.judges.asking import JudgeReply, JudgeRequest
from otel_llm.evaluation.judges.clients.stand_in import StandInJudge
from otel_llm.evaluation.judges.pricing import Seller


def an_item(number: int, **others: Any) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "id": f"{number:032x}-{number:016x}",
        "trace_id": f"{number:032x}",
        "span_id": f"{number:016x}",
        "started_at": "2026-11-21T14:00:00.000000+00:00",
        "name": "ask",
        "duration": 1.0,
        "sampled_by": ["rate"],
        "content_captured": True,
        "calls": [],
        "query": f"What is number {number}?",
        "context": [{"content": f"The number is {number}."}],
        "answer": f"The number is {number}.",
        **others,
    }


def dataset(path: Path, count: int) -> Path:
    sink = SQLiteSink(path)
    for number in range(1, count + 1):
        sink.write(an_item(number))
    sink.close()
    return path


class TellingJudge(StandInJudge):
    """Appends the number of each item to the file ASKED, and judges as the stand-in does. It has no known price."""

    seller = Seller()

    async def ask(self, request: JudgeRequest) -> JudgeReply:
        asked = re.search(r"What is number (\d+)\?", request.evidence())
        assert asked is not None
        with Path(os.environ["ASKED"]).open("a") as lines:
            lines.write(f"{asked[1]}\n")
        await asyncio.sleep(float(os.environ.get("SECONDS_OF_JUDGE", "0.01")))
        return await super().ask(request)
