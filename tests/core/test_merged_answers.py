"""What several layers of a call were answered, as one answer."""

from __future__ import annotations

from typing import Any

import pytest
from layered import answer

from otel_llm.core import nesting
from otel_llm.core.request import Response


def test_the_innermost_answer_wins() -> None:
    own = answer(
        "outer", id="o", model="o", finish_reasons=["length"], attributes={"a": 1, "b": 1}, metric_attributes={"c": 1}
    )
    layer = answer("inner", id="i", model="i", attributes={"b": 2}, metric_attributes={"d": 2})
    merged = nesting.merge(own, [layer])
    assert (merged.id, merged.model, merged.finish_reasons) == ("i", "i", ["stop"])
    assert merged.attributes == {"a": 1, "b": 2}
    assert merged.metric_attributes == {"c": 1, "d": 2}
    assert merged.usage == layer.usage
    assert merged.output is layer.output
    assert (own.attributes, own.metric_attributes) == ({"a": 1, "b": 1}, {"c": 1})


def test_what_a_layer_lacks_is_the_outer_ones() -> None:
    own = answer("outer", id="o", model="o", error="e")
    merged = nesting.merge(own, [Response(attributes={"b": 2})])
    assert (merged.id, merged.model, merged.finish_reasons, merged.error) == ("o", "o", ["stop"], "e")
    assert merged.usage == own.usage
    assert merged.output is own.output
    assert nesting.merge(own, [Response(usage={"x": 1})]).usage == {"x": 1}


def test_a_reason_that_only_the_outer_layer_misses_is_left_out() -> None:
    assert nesting.merge(Response(finish_reasons=[None]), [Response()]).finish_reasons is None
    assert nesting.merge(Response(), [Response()]).finish_reasons is None
    assert nesting.merge(Response(finish_reasons=[None, "stop"]), [Response()]).finish_reasons == [None, "stop"]


def test_several_layers_add_up() -> None:
    one, other = answer("one"), answer("other", id="r-2")
    one.usage["only.here"] = 1
    merged = nesting.merge(answer("both", id="o"), [one, other])
    assert merged.usage == {"gen_ai.usage.input_tokens": 6, "gen_ai.usage.output_tokens": 8, "only.here": 1}
    assert merged.id == "r-2"
    assert merged.output is not None
    assert merged.output()[0]["parts"][0]["content"] == "both"
    assert nesting.merge(Response(), [one, other]).output is one.output


def test_what_was_billed_adds_up() -> None:
    one, other, own = (({"total_tokens": number}, None) for number in (1, 2, 3))
    layers = [answer(billed=(one,)), answer(billed=(other,))]
    assert nesting.merge(answer(billed=(own,)), layers).billed == (one, other)
    assert nesting.merge(answer(billed=(own,)), [answer()]).billed == (own,)
    assert nesting.merge(answer(), [answer()]).billed == ()


@pytest.mark.parametrize(
    ("layers", "cost"),
    [
        ([(1.0, "USD"), (2.0, "USD")], (3.0, "USD")),
        ([(1.0, "USD")], (1.0, "USD")),
        ([(1.0, "USD"), None], (9.0, "EUR")),
        ([(1.0, "USD"), (2.0, "EUR")], (9.0, "EUR")),
        ([None], (9.0, "EUR")),
    ],
)
def test_what_layers_cost_adds_up_if_all_are_known_in_one_currency(layers: list[Any], cost: Any) -> None:
    """Otherwise it is what the outer layer was told."""
    own = answer(cost=(9.0, "EUR"))
    assert nesting.merge(own, [answer(cost=one) for one in layers]).cost == cost
    assert nesting.merge(answer(), [answer()]).cost is None
