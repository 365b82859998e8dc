"""A background response whose answer was fetched is one call with one cost, wherever the two spans are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from otlp_json import OTHER_TRACE, TRACE, View, line, paid, span, text


def _asked(number: int, response_id: str, reason: str = "pending", **fields: Any) -> dict[str, Any]:
    attributes = {
        "gen_ai.operation.name": text("chat"),
        "gen_ai.request.model": text("big"),
        "gen_ai.response.id": text(response_id),
        "otel_llm.unpriced.reason": text(reason),
        "user.id": text("ann"),
    }
    return span("chat big", number, attributes=attributes, **fields)


def _fetched(number: int, response_id: str, amount: float = 0.5, **fields: Any) -> dict[str, Any]:
    attributes = {name: value for name, value in paid(amount).items() if "gen_ai" not in name}
    attributes |= {
        "gen_ai.operation.name": text("fetch_response"),
        "gen_ai.response.id": text(response_id),
        "gen_ai.response.model": text("big"),
    }
    return span("fetch_response", number, attributes=attributes, **fields)


def _sums(cost: View, path: Path) -> Any:
    code, out, err = cost(path, "--by", "user", "--json")
    assert code == 0, err
    found = json.loads(out)
    by_user = {group["user"]: (group["calls"], group["cost"].get("USD")) for group in found["groups"]}
    return by_user, found["total"]["unpriced"]


@pytest.mark.parametrize("reason", ["pending", "cut_off"])
@pytest.mark.parametrize("trace_id", [TRACE, OTHER_TRACE])
def test_the_call_that_asked_has_the_cost(cost: View, tmp_path: Path, trace_id: str, reason: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(line(_asked(1, "r1", reason), _asked(2, "r2"), _fetched(3, "r1", trace_id=trace_id)))

    assert _sums(cost, path) == ({"ann": (2, "0.5")}, {"pending": 1})


def test_the_order_does_not_matter_and_nothing_counts_twice(cost: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    fetched, asked = _fetched(3, "r1"), _asked(1, "r1", trace_id=OTHER_TRACE)
    path.write_text(line(fetched) + line(asked) + line(fetched) + line(asked))

    assert _sums(cost, path) == ({"ann": (1, "0.5")}, {})


def test_what_was_fetched_of_a_call_that_is_not_there(cost: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(line(_fetched(3, "r1")))

    assert _sums(cost, path) == ({None: (1, "0.5")}, {})


def test_the_tree_adds_it_up(view: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(line(_asked(1, "r1"), _asked(2, "r2"), _fetched(3, "r1"), span("c", 4, attributes=paid(0.25))))

    heading, *rows = view(path)[1].splitlines()

    assert "3 model calls  10→5 tokens  0.750 USD (1 unpriced)" in heading
    assert any("fetch_response" in row and "0.500 USD" in row for row in rows)


def test_what_is_not_billed_is_not_unpriced(view: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    failed = {"gen_ai.operation.name": text("chat"), "error.type": text("429")}
    path.write_text(line(span("c", 1, attributes=paid(0.25)), span("c", 2, attributes=failed)))

    assert "2 model calls  10→5 tokens  0.250 USD" in view(path)[1].splitlines()[0]
    assert "unpriced" not in view(path)[1]
