"""The setting that says what counts tokens: a chain, of which the first entry that knows a model counts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: The chain that ``true`` stands for.
_DEFAULT = "splintr,tiktoken"
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_VOCABULARY = re.compile(r"[A-Za-z][\w.-]*")


@dataclass(frozen=True, slots=True)
class Entry:
    """A counter, for models and endpoints whose names match ``pattern``.

    ``kind`` says what ``source`` is: a ``function``, a ``file``, a ``vocabulary`` by its name, or, for the vocabulary
    that a model's name tells, ``splintr`` or ``tiktoken``.
    """

    pattern: str
    kind: str
    source: str


def chain(value: str) -> tuple[Entry, ...]:
    """The entries of a chain; none if ``value`` switches estimates off.

    :raises ValueError: for an entry that is none.
    """
    if value.strip().lower() in ("", "false", "0", "no", "off"):
        return ()
    entries = _DEFAULT if value.strip().lower() in ("true", "1", "yes", "on") else value
    return tuple(_entry(part.strip()) for part in entries.split(",") if part.strip())


def _entry(text: str) -> Entry:
    pattern, separator, source = text.rpartition("=")
    pattern, source = pattern.strip() if separator else "*", source.strip()
    if source in ("splintr", "tiktoken"):
        return Entry(pattern, source, source)
    if source.endswith(".json"):
        return Entry(pattern, "file", source)
    if _FUNCTION.fullmatch(source):
        return Entry(pattern, "function", source)
    if separator and _VOCABULARY.fullmatch(source):
        return Entry(pattern, "vocabulary", source)
    raise ValueError(
        f"has {text!r}, which is none of module:function, a file tokenizer.json, splintr, tiktoken,"
        " or MODEL=VOCABULARY such as llama-*=llama3"
    )


def check(value: Any) -> None:
    """:raises ValueError: if ``value`` is neither a chain nor a function."""
    if isinstance(value, str):
        chain(value)
    elif value is not None and not callable(value):
        raise ValueError(f"must be a text or a function, not {value!r}")


Chain = str | Callable[[str, str], int | None]
