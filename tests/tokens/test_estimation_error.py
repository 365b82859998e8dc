"""How far estimates are from what the provider counts, over recorded answers. docs/cost.md publishes these figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from recorded import EXCHANGES, Exchange

from otel_llm.protocols.openai import chat
from otel_llm.protocols.openai.endpoint import Exchange as Request
from otel_llm.protocols.openai.endpoint import Server
from otel_llm.protocols.openai.items import CONVERTERS
from otel_llm.tokens.counting import Counters
from otel_llm.tokens.rendering import input_of, output_of

pytest.importorskip("splintr")

COUNTERS = Counters("splintr")


def estimate(exchange: Exchange) -> tuple[int, int]:
    body: Any = {"messages": exchange.messages, "tools": list(exchange.tools)}
    request = Request(Server("openai", None, None), "", body, exchange.model, False, True, CONVERTERS[False])
    answer = {"choices": [{"index": number, "message": one} for number, one in enumerate(exchange.answers)]}
    content, output = chat.request(request).content, chat.response(request, answer).output
    assert content is not None
    assert output is not None
    asked, said = input_of(content(), chat=True), output_of(output())
    assert asked is not None
    assert said is not None
    tokens = COUNTERS.count(asked, said, [exchange.model])
    assert tokens is not None
    given, came = tokens
    return given, came


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_one_exchange(exchange: Exchange) -> None:
    given, came = estimate(exchange)
    uses_tools = bool(exchange.tools) or any("tool_calls" in message for message in exchange.messages)
    assert abs(given - exchange.given) <= (4 if uses_tools else 0)
    assert abs(came - exchange.came) <= 2


def test_all_exchanges_together() -> None:
    estimates = [estimate(exchange) for exchange in EXCHANGES]
    errors = [
        sum(estimated[side] for estimated in estimates) / sum((one.given, one.came)[side] for one in EXCHANGES) - 1
        for side in (0, 1)
    ]
    print(f"error over {len(EXCHANGES)} recorded answers: input {errors[0]:+.1%}, output {errors[1]:+.1%}")
    assert abs(errors[0]) <= 0.02
    assert abs(errors[1]) <= 0.04


def test_the_figures_of_the_documentation() -> None:
    page = " ".join((Path(__file__).resolve().parents[2] / "docs" / "cost.md").read_text().split())
    assert f"Over {len(EXCHANGES)} recorded exchanges" in page
    assert "2 % for the input and 4 % for the output" in page
    assert "at most 4 tokens for an input, and 2 for an output" in page
