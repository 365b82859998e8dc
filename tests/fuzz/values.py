"""What the fuzz tests are fed with, and how two outcomes are compared."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

TEXTS = st.one_of(st.text(max_size=20), st.sampled_from(["", "stop", "tool_calls", "\x00", "\U0001f30a", "9" * 400]))
NUMBERS = st.one_of(
    st.integers(), st.sampled_from([0, -1, 2**63, 10**400]), st.floats(allow_nan=False, allow_infinity=False)
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=8,
)


def damaged(sound: Any) -> st.SearchStrategy[Any]:
    """``sound`` with up to three of its values removed or replaced by any JSON."""

    @st.composite
    def strategy(draw: st.DrawFn) -> Any:
        value = copy.deepcopy(sound)
        for _ in range(draw(st.integers(0, 3))):
            if not (places := _places(value)):
                break
            owner, key = draw(st.sampled_from(places))
            if draw(st.booleans()):
                owner[key] = draw(JSON)
            else:
                del owner[key]
        return value

    return st.one_of(strategy(), JSON)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every value in ``value``, as its container and its key."""
    found = []
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        found.append((value, key))
        if isinstance(inner, dict | list):
            found += _places(inner)
    return found


def outcome(call: Callable[[], Any]) -> tuple[str, str]:
    """What the caller gets: the value, or the exception's class and text."""
    try:
        return "value", repr(call())
    except Exception as error:
        return type(error).__name__, str(error)
