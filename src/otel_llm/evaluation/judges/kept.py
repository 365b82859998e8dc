"""The verdicts that are there already, so that nothing is judged and paid for twice."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ...config import DEFAULT_DATASET, EVAL_DATASET
from ..dataset.reader import VERDICTS, Item, is_json_lines
from ..results.store import ResultStore
from ..results.verdict import Verdict
from .evaluator import Evaluator

_SQLITE = b"SQLite format 3\0"


def results_of(source: str | os.PathLike[str]) -> Path:
    """Where the verdicts on the items of ``source`` are: in itself if it is a SQLite dataset, else beside the file.

    Those on items of a server are in the default dataset.
    """
    path = Path(source)
    if is_json_lines(path) or (path.is_file() and not _is_sqlite(path)):
        return Path(f"{path}{VERDICTS}")
    return path if path.exists() else Path(os.environ.get(EVAL_DATASET) or DEFAULT_DATASET)


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def judged_span(item: Item) -> str:
    """The id of the span that verdicts on ``item`` are of: the inference that answered, else the local root."""
    answered = item.get("answered_by") or {}
    return str(answered.get("span_id") or item.get("span_id"))


class Kept:
    """The verdicts of ``store`` by ``evaluators`` in their present revisions, failed ones aside."""

    def __init__(self, store: ResultStore, evaluators: Iterable[Evaluator]) -> None:
        self._verdicts: dict[tuple[str | None, str | None, str], Verdict] = {}
        for evaluator in evaluators:
            if not store.path.exists():
                return
            for verdict in store.read(evaluator=evaluator.name, revision=evaluator.revision):
                if verdict.error_type is None:
                    self._verdicts[verdict.trace_id, verdict.span_id, evaluator.name] = verdict

    def of(self, item: Item, evaluator: Evaluator) -> Verdict | None:
        """The verdict of ``evaluator`` on ``item``; ``None`` if it is still to be judged."""
        return self._verdicts.get((item.get("trace_id"), judged_span(item), evaluator.name))
