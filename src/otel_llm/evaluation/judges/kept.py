"""Where the verdicts on an item are kept, and of which span they are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...config import DEFAULT_DATASET, EVAL_DATASET
from ..dataset.reader import VERDICTS, Item, is_json_lines

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


def answered_by(item: Item) -> Mapping[str, Any]:
    """The inference that answered; empty if it is not known."""
    answered = item.get("answered_by")
    return answered if isinstance(answered, dict) else {}


def judged_span(item: Item) -> str:
    """The id of the span that verdicts on ``item`` are of: the inference that answered, else the local root."""
    return str(answered_by(item).get("span_id") or item.get("span_id"))
