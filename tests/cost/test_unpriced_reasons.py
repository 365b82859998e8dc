"""Why a call has no price is on its span, and in what is made of spans."""

from __future__ import annotations

from typing import Any

import otel_llm
from otel_llm import Settings


def test_the_reason_is_on_the_span(lenient: Any) -> None:
    lenient.instrument(Settings(cost=True))
    for usage in ({"input_tokens": 1, "output_tokens": 1}, {}):
        with otel_llm.chat_span("m", "acme", messages="a") as call:
            call.response("b", **usage)
    assert otel_llm.flush()
    assert [span.attributes["otel_llm.unpriced.reason"] for span in lenient.spans] == ["unknown_host"] * 2


def test_without_costs_there_is_no_reason(lenient: Any) -> None:
    with otel_llm.chat_span("m", "acme", messages="a"):
        pass
    assert "otel_llm.unpriced.reason" not in lenient.attributes
