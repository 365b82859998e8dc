"""What leads a call, as dimensions of its metrics: the prompt and the variant, by which all of them can be split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import semconv as s

_NAMES = (s.PROMPT_NAME, s.PROMPT_VERSION, s.LLM_EXPERIMENT_ID, s.LLM_EXPERIMENT_VARIANT)
#: So many combinations a process tells apart: each may be a time series of every metric.
MAX_COMBINATIONS = 200
#: The value of those beyond.
OVERFLOW = "_OTHER"

_seen: set[tuple[Any, ...]] = set()


def of(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``attributes`` that are dimensions. Never a hash, a session or a user: of these there are too many."""
    found = {name: attributes[name] for name in _NAMES if name in attributes}
    if found:
        combination = tuple(found.items())
        if combination not in _seen:
            if len(_seen) >= MAX_COMBINATIONS:
                return dict.fromkeys(found, OVERFLOW)
            _seen.add(combination)
    return found
