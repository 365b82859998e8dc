"""Usage that is nonsense, or only a part of what is billed: such a call has no price, and keeps all else."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from priced_answers import MESSAGES, answer, cost_of

import otel_llm
from otel_llm.core import listeners
from otel_llm.cost.sheet import Rates
from otel_llm.cost.table import Table
from otel_llm.protocols.openai.fields import usage
from standin.server import Reply

_TABLE = "models: [{model: '*', host: '*', input: 1000000, output: 1000000}]"


def _usage(attributes: Any) -> tuple[Any, ...]:
    return tuple(attributes.get(f"gen_ai.usage.{name}") for name in ("input_tokens", "output_tokens"))


@pytest.mark.parametrize("told", [{"cost": 10**400}, {"cost_in_usd_ticks": 10**400}, {"cost": {"total_cost": 10**400}}])
def test_an_amount_that_no_float_holds_is_none(costs: Any, client: Any, server: Any, table: Any, told: Any) -> None:
    costs.on(table(_TABLE))
    server.reply_with(answer(usage={"prompt_tokens": 5, "completion_tokens": 1, **told}))

    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)

    assert _usage(costs.last) == (5, 1)
    assert cost_of(costs.last) == (6.0, "USD", "local")


@pytest.mark.parametrize(
    "told",
    [
        {"prompt_tokens": 10**400, "completion_tokens": 1},
        {"prompt_tokens": "7", "completion_tokens": 1},
        {"prompt_tokens": 7, "completion_tokens": -1},
        {"prompt_tokens": 7, "completion_tokens": 1.5},
        {"prompt_tokens": 7},
    ],
)
def test_half_a_usage_is_not_priced(costs: Any, client: Any, server: Any, table: Any, told: Any) -> None:
    costs.on(table(_TABLE))
    server.reply_with(answer(usage=told))

    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)

    assert cost_of(costs.last) == (None, None, None)
    assert costs.unpriced == {"no_usage": 1}


def test_a_stream_that_is_left_has_told_a_part_of_its_usage(costs: Any, table: Any) -> None:
    """Some providers tell the input, and the first tokens of the output, when an answer begins."""
    costs.on(table(_TABLE))

    with suppress(LookupError), otel_llm.chat_span("claude", "anthropic", server_address="h", stream=True) as span:
        span.chunk("Five").usage(input_tokens=1000, output_tokens=1)
        raise LookupError

    assert cost_of(costs.last) == (None, None, None)
    assert costs.unpriced == {"cut_off": 1}


def test_what_is_missing_of_a_stream_that_is_left_is_estimated(costs: Any, table: Any) -> None:
    costs.on(table(_TABLE), estimate_tokens=lambda text, model: len(text))

    with suppress(LookupError), otel_llm.chat_span("m", "a", messages="Hi", server_address="h", stream=True) as s:
        s.chunk("Five").usage(input_tokens=1000, output_tokens=1)
        raise LookupError

    assert _usage(costs.last) == (1000, 4)
    assert cost_of(costs.last)[0] == 1004.0


def test_a_stream_that_is_left_before_its_first_word_is_billed_for_its_input(
    costs: Any, client: Any, table: Any
) -> None:
    costs.on(table(_TABLE), estimate_tokens=lambda text, model: len(text))

    stream = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    next(iter(stream))  # it has the role only
    stream.close()

    assert _usage(costs.last) == (len(MESSAGES[0]["content"]) + 7, 0)
    assert cost_of(costs.last)[0] == len(MESSAGES[0]["content"]) + 7


@pytest.mark.parametrize("told", [{"prompt_tokens": 7, "completion_tokens": 1}, {"prompt_tokens": 7}, {}])
def test_a_price_by_the_request_alone_needs_no_usage(
    costs: Any, client: Any, server: Any, table: Any, told: Any
) -> None:
    costs.on(table("models: [{model: '*', host: '*', request: 0.25}]"))
    server.reply_with(answer(usage=told))

    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)

    assert cost_of(costs.last) == (0.25, "USD", "local")


def test_a_pricer_that_fails_takes_nothing_else_away(
    costs: Any, client: Any, server: Any, lenient: Any, monkeypatch: Any, quiet: Any
) -> None:
    class Broken:
        def holds(self, ended: Any, rest: Any) -> bool:
            raise LookupError

        def flush(self, seconds: float) -> bool:
            return True

    costs.on()
    monkeypatch.setattr(listeners.SHARED, "pricer", Broken())
    server.reply_with(answer(usage={"prompt_tokens": 5, "completion_tokens": 1}))

    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)

    assert _usage(costs.last) == (5, 1)
    assert len(lenient.points("gen_ai.client.token.usage")) == 2
    assert "LookupError" in quiet.text
    quiet.clear()


@pytest.mark.parametrize("seconds", [float("nan"), -5, "abc", 10**400, 1e308, None])
def test_seconds_that_are_none_are_not_billed(
    costs: Any, client: Any, server: Any, table: Any, seconds: Any, quiet: Any
) -> None:
    costs.on(table("models: [{model: whisper-1, host: '*', minute: 60}]"))
    server.reply_with(Reply(body={"text": "Five.", "usage": {"type": "duration", "seconds": seconds}}))

    client.audio.transcriptions.create(model="whisper-1", file=("speech.wav", b"RIFF"))

    assert cost_of(costs.last) == (None, None, None)
    assert costs.unpriced == {"no_usage": 1}


@pytest.mark.parametrize(
    ("details", "price"),
    [
        ({"cached_tokens": 3, "image_tokens": 3}, 3 * 0.5 + 7),  # an image without a price of its own is like text
        ({"cached_tokens": 3, "audio_tokens": 3}, "unknown_kind"),  # the cached tokens may be those of the audio
        ({"audio_tokens": 3}, 3 * 8 + 7),
    ],
)
def test_kinds_that_may_overlap(details: Any, price: Any) -> None:
    rates = Rates(Table.of(_KINDS).models[0].sheet)  # type: ignore[arg-type]

    assert rates.charge(usage({"prompt_tokens": 10, "completion_tokens": 0, "prompt_tokens_details": details})) == price


def test_parts_of_nothing_are_bad() -> None:
    rates = Rates(Table.of(_KINDS).models[0].sheet)  # type: ignore[arg-type]
    told = {"prompt_tokens": 0, "completion_tokens": 0, "prompt_tokens_details": {"cached_tokens": 3}}

    assert rates.charge(usage(told)) == "bad_usage"


_KINDS = {"models": [{"model": "m", "input": 1e6, "cached_input": 5e5, "audio_input": 8e6, "output": 1e6}]}
