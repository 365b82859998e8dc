"""The items that come into a dataset, for a worker that waits for them. Looking for them writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..dataset.reader import Item, Selection, is_json_lines, parsed_item, read, rotated, rows

_PAGE = 100


class Feed:
    """New items of the dataset at ``path``. Of a file of JSON lines, all items come again whenever it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._passed = 0
        self._seen: object = None
        #: The rows of items that were handed out and are not done.
        self._open: dict[str, int] = {}

    def waiting(self) -> int:
        """The number of new items; of JSON lines, 1 if the file has changed.

        :raises DatasetError: if the dataset can't be read.
        """
        if is_json_lines(self._path):
            return int(self._state() != self._seen)
        return next((count for (count,) in self._rows("select count(*) from items where rowid > ?")), 0)

    def items(self) -> Iterator[Item]:
        """Yield the new items, the oldest first.

        :raises DatasetError: if the dataset can't be read.
        """
        if is_json_lines(self._path):
            self._seen = self._state()
            yield from read(self._path, Selection()).items if self._seen else ()
            return
        query = f"select rowid, item from items where rowid > ? order by rowid limit {_PAGE}"
        while page := list(self._rows(query)):
            for row, text in page:
                self._passed = row
                if (item := parsed_item(text)) is not None:
                    self._open[item["id"]] = row
                    yield item

    def done(self, item: Item, *, again: bool) -> None:
        """Say that ``item`` is done; with ``again`` it and those after it come again with the next ``items``."""
        row = self._open.pop(item["id"], None)
        if again and row is not None:
            self._passed = min(self._passed, row - 1)
        if again and row is None:
            self._seen = None

    def _state(self) -> tuple[object, ...]:
        found = [path.stat() for path in (*rotated(self._path), self._path) if path.exists()]
        return tuple((one.st_ino, one.st_size, one.st_mtime_ns) for one in found)

    def _rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        if not self._path.exists():  # it is made when the first item is stored
            return iter(())
        return rows(self._path, "items", query, (self._passed,))
