"""Items with the verdicts of people: ours, the user's, and files of RAGTruth and HaluBench."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from ...dataset.reader import SCHEMA, Item

#: The evaluators that a verdict on groundedness is the truth of.
_GROUNDEDNESS = ("hallucination", "faithfulness")
_GOOD = {"faithful": True, "hallucinated": False, "PASS": True, "FAIL": False, "pass": True, "fail": False}


class LabelsError(ValueError):
    """A file of labelled items can't be used. The message says why."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """An item, and by evaluator whether people call it good. ``forged`` is the way in which it dictates its verdict."""

    item: Item
    good: Mapping[str, bool]
    task: str = ""
    reason: str = ""
    forged: str | None = None

    @property
    def id(self) -> str:
        return str(self.item["id"])


def shipped(*, forged: bool = True) -> Iterator[Labelled]:
    """Our own set: 240 items, and the 60 ``forged`` ones."""
    folder = files("otel_llm.evaluation.judges.calibration")
    for name in ("golden.jsonl", *(["forged.jsonl"] if forged else [])):
        for number, line in enumerate(folder.joinpath(name).read_text(encoding="utf-8").splitlines(), 1):
            yield _labelled(json.loads(line), number, {})


def from_file(path: Path) -> Iterator[Labelled]:
    """The items of a file of JSON lines: as ours, or as RAGTruth and HaluBench have them.

    RAGTruth's ``response.jsonl`` needs its ``source_info.jsonl`` beside it.

    :raises LabelsError: if the file or a line of it can't be used.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LabelsError(f"{path} can't be read: {error}") from None
    sources: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise LabelsError("it is not an object")
            if "source_id" in row and not sources:
                sources = _sources(path.with_name("source_info.jsonl"))
            yield _labelled(row, number, sources)
        except (ValueError, RecursionError) as error:
            raise LabelsError(f"{path}, line {number}: {error}") from None


def _labelled(row: dict[str, Any], number: int, sources: Mapping[str, dict[str, Any]]) -> Labelled:
    if "source_id" in row and "response" in row:
        return _of_ragtruth(row, sources)
    if "passage" in row and "label" in row:
        row = {**row, "query": row.get("question"), "context": [row["passage"]], "verdict": row["label"]}
    answer = row.get("answer")
    if not isinstance(answer, str):
        raise LabelsError("it has no `answer`")
    item = _item(str(row.get("id") or number), row.get("query"), row.get("context"), answer)
    item |= {name: row[name] for name in ("expected", "messages") if name in row}
    task = row.get("task") or row.get("source_ds") or ""
    return Labelled(item, _good(row), str(task), str(row.get("reason") or ""), row.get("forged"))


def _good(row: Mapping[str, Any]) -> dict[str, bool]:
    good: dict[str, bool] = {}
    if "verdict" in row:
        if row["verdict"] not in _GOOD:
            raise LabelsError(f"the verdict is none of {', '.join(_GOOD)}")
        good |= dict.fromkeys(_GROUNDEDNESS, _GOOD[row["verdict"]])
    given = row.get("verdicts") or {}
    if not isinstance(given, dict) or not all(isinstance(value, bool) for value in given.values()):
        raise LabelsError("`verdicts` must have true (good) or false by evaluator")
    if not (good or given):
        raise LabelsError("it has neither `verdict` nor `verdicts`")
    return {**good, **given}


def _item(item_id: str, query: Any, context: Any, answer: str) -> Item:
    documents = context if isinstance(context, list) else [context] if context else []
    made: Item = {"schema": SCHEMA, "id": item_id, "name": item_id, "content_captured": True, "answer": answer}
    if query:
        made["query"] = str(query)
    made["context"] = [one if isinstance(one, dict) else {"content": str(one)} for one in documents]
    return made


def _sources(path: Path) -> dict[str, dict[str, Any]]:
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise LabelsError(f"the sources are missing: {path} can't be read: {error.strerror}") from None
    return {str(row["source_id"]): row for row in rows if isinstance(row, dict) and "source_id" in row}


def _of_ragtruth(row: Mapping[str, Any], sources: Mapping[str, dict[str, Any]]) -> Labelled:
    source = sources.get(str(row["source_id"]))
    if source is None:
        raise LabelsError(f"there is no source {row['source_id']}")
    info = source.get("source_info")
    query: Any = source.get("task_type")
    if isinstance(info, dict) and "question" in info:
        query, info = info["question"], info.get("passages")
    context = info if isinstance(info, str) else json.dumps(info, ensure_ascii=False)
    spans = [one for one in row.get("labels") or () if isinstance(one, dict)]
    reason = "; ".join(str(one.get("text")) for one in spans)
    item = _item(str(row.get("id")), query, [context], str(row["response"]))
    return Labelled(item, dict.fromkeys(_GROUNDEDNESS, not spans), str(source.get("task_type") or ""), reason)
