"""Ten invoices, worked out by hand: the costs of the spans add up to each of them, to the cent.

The prices are those of a page of a price list, in the user's table, and the usage is that of answers as vendors send
them. Each invoice says how it was worked out.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import openai
import pytest
from opentelemetry.sdk.trace import ReadableSpan

import otel_llm
from standin.server import Reply

_ASK: Any = {"messages": [{"role": "user", "content": "How late is it?"}]}
_CENT = Decimal("0.01")


def _chat(model: str, usage: dict[str, Any], **fields: Any) -> Reply:
    usage = {"total_tokens": usage["prompt_tokens"] + usage["completion_tokens"], **usage}
    choice = {"index": 0, "message": {"role": "assistant", "content": "Five."}, "finish_reason": "stop"}
    body = {"id": "c1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": usage}
    return Reply(body={**body, **fields})


def _sum(recorder: Any) -> Decimal:
    """What the spans cost together."""
    assert otel_llm.flush()
    return sum((_amount(span) for span in recorder.spans), Decimal(0))


def _amount(span: ReadableSpan) -> Decimal:
    amount: Any = (span.attributes or {})["otel_llm.usage.cost.amount"]
    return Decimal(str(amount))


@pytest.fixture
def invoice(lenient: Any, costs: Any, table: Any) -> Any:
    """Compares the sum of the spans with an invoice: exactly where no fraction of a cent is left, else to the cent."""

    def of(amount: str) -> None:
        due, total = Decimal(amount), _sum(lenient)
        assert total.quantize(_CENT) == due.quantize(_CENT)
        assert abs(total - due) < Decimal("1e-9")
        assert costs.unpriced == {}

    of.prices = lambda text: costs.on(table(text))  # type: ignore[attr-defined]
    return of


def test_cached_input(invoice: Any, at: Any, server: Any) -> None:
    """100 calls x (2,000 fresh x 2.50 + 8,000 cached x 1.25 + 500 output x 10.00) / 1,000,000
    = 100 x (0.005 + 0.010 + 0.005) = 2.00"""
    invoice.prices("models: [{model: gpt-4o*, input: 2.50, cached_input: 1.25, output: 10.00}]")
    client = at()
    for _ in range(100):
        usage = {
            "prompt_tokens": 10_000,
            "completion_tokens": 500,
            "prompt_tokens_details": {"cached_tokens": 8_000},
        }
        server.reply_with(_chat("gpt-4o-2024-08-06", usage))
        client.chat.completions.create(model="gpt-4o", **_ASK)

    invoice("2.00")


def test_batch(invoice: Any) -> None:
    """1,000 results of a batch x (3,000 x 3.00 + 400 x 15.00) / 1,000,000 x 50 % = 1,000 x 0.0075 = 7.50"""
    invoice.prices("models: [{model: claude-sonnet-*, input: 3.00, output: 15.00, tiers: {batch: {discount: 50%}}}]")
    for _ in range(1_000):
        with otel_llm.chat_span("claude-sonnet-4-5", "anthropic") as span:
            span.response("Five.", input_tokens=3_000, output_tokens=400, service_tier="batch")

    invoice("7.50")


def test_flex(invoice: Any, at: Any, server: Any) -> None:
    """(40,000 x 0.625 + 10,000 x 5.00) / 1,000,000 = 0.025 + 0.050 = 0.075, four times: 0.30. The fifth was asked to be
    flex, and was answered by the default tier: (40,000 x 1.25 + 10,000 x 10.00) / 1,000,000 = 0.15. Together 0.45"""
    invoice.prices("models: [{model: gpt-5, input: 1.25, output: 10, tiers: {flex: {input: 0.625, output: 5}}}]")
    client = at()
    for tier in ("flex", "flex", "flex", "flex", "default"):
        usage = {"prompt_tokens": 40_000, "completion_tokens": 10_000}
        server.reply_with(_chat("gpt-5", usage, service_tier=tier))
        client.chat.completions.create(model="gpt-5", service_tier="flex", **_ASK)

    invoice("0.45")


def test_reasoning(invoice: Any, at: Any, server: Any) -> None:
    """Reasoning is part of the output: 10 x (1,000 x 2.00 + 50,000 x 8.00) / 1,000,000 = 10 x 0.402 = 4.02"""
    invoice.prices("models: [{model: o3, input: 2.00, output: 8.00}]")
    client = at()
    for _ in range(10):
        usage = {
            "prompt_tokens": 1_000,
            "completion_tokens": 50_000,
            "completion_tokens_details": {"reasoning_tokens": 49_000},
        }
        server.reply_with(_chat("o3-2025-04-16", usage))
        client.chat.completions.create(model="o3", **_ASK)

    invoice("4.02")


def test_audio(invoice: Any, at: Any, server: Any) -> None:
    """Chat: (200 text x 2.50 + 3,000 audio x 40.00 + 100 text x 10.00 + 2,000 audio x 80.00) / 1,000,000
    = 0.0005 + 0.12 + 0.001 + 0.16 = 0.2815. A transcription of 90 seconds: 1.5 x 0.006 = 0.009. Speech of 30
    characters: 30 x 15.00 / 1,000,000 = 0.00045. Together 0.29095"""
    invoice.prices(
        """
        models:
          - {model: gpt-4o-audio-*, input: 2.50, output: 10, audio_input: 40, audio_output: 80}
          - {model: whisper-1, minute: 0.006}
          - {model: tts-1, characters: 15}
        """
    )
    client = at()
    usage = {
        "prompt_tokens": 3_200,
        "completion_tokens": 2_100,
        "prompt_tokens_details": {"audio_tokens": 3_000, "text_tokens": 200},
        "completion_tokens_details": {"audio_tokens": 2_000, "text_tokens": 100},
    }
    server.reply_with(_chat("gpt-4o-audio-preview-2024-12-17", usage))
    client.chat.completions.create(model="gpt-4o-audio-preview", **_ASK)
    server.reply_with(Reply(body={"text": "Five.", "usage": {"type": "duration", "seconds": 90}}))
    client.audio.transcriptions.create(model="whisper-1", file=("speech.wav", b"RIFF"))
    client.audio.speech.create(model="tts-1", voice="alloy", input="It is five, and all is well. I")

    invoice("0.29095")


def test_images(invoice: Any, at: Any, server: Any) -> None:
    """By tokens: (50 text x 5.00 + 1,000 image x 10.00 + 4,000 output x 40.00) / 1,000,000
    = 0.00025 + 0.01 + 0.16 = 0.17025. By the piece: 2 images, hd 1024x1792, x 0.12 = 0.24. Together 0.41025"""
    invoice.prices(
        """
        models:
          - {model: gpt-image-1, input: 5, image_input: 10, output: 40}
          - {model: dall-e-3, image: {standard 1024x1024: 0.04, hd 1024x1792: 0.12}}
        """
    )
    client = at()
    usage = {
        "input_tokens": 1_050,
        "output_tokens": 4_000,
        "total_tokens": 5_050,
        "input_tokens_details": {"text_tokens": 50, "image_tokens": 1_000},
    }
    server.reply_with(Reply(body={"created": 1, "data": [{"b64_json": "aGk="}], "usage": usage}))
    client.images.generate(model="gpt-image-1", prompt="A clock")
    server.reply_with(Reply(body={"created": 1, "data": [{"url": "https://x/1"}, {"url": "https://x/2"}]}))
    client.images.generate(model="dall-e-3", prompt="A clock", n=2, quality="hd", size="1024x1792")

    invoice("0.41025")


def test_azure(invoice: Any, at: Any, server: Any) -> None:
    """In euros, with a negotiated 12 %: 50 x (20,000 x 2.30 + 1,000 x 9.20) / 1,000,000 x 0.88
    = 50 x 0.0552 x 0.88 = 2.4288. The deployment has a name of its own: the answer tells the model."""
    invoice.prices(
        "models: [{model: gpt-4o*, provider: azure.*, input: 2.30, output: 9.20, currency: EUR, discount: 12%}]"
    )
    client = at(kind=openai.AzureOpenAI, azure_endpoint="https://acme.openai.azure.com", api_version="2024-10-21")
    for _ in range(50):
        server.reply_with(_chat("gpt-4o-2024-08-06", {"prompt_tokens": 20_000, "completion_tokens": 1_000}))
        client.chat.completions.create(model="our-deployment", **_ASK)

    invoice("2.4288")


def test_fine_tuned(invoice: Any, at: Any, server: Any) -> None:
    """20 x (10,000 x 0.30 + 2,000 x 1.20) / 1,000,000 = 20 x 0.0054 = 0.108. The base model costs half of that."""
    invoice.prices(
        """
        models:
          - {model: "ft:gpt-4o-mini*", input: 0.30, output: 1.20}
          - {model: gpt-4o-mini*, input: 0.15, output: 0.60}
        """
    )
    client = at()
    for _ in range(20):
        model = "ft:gpt-4o-mini-2024-07-18:acme::abc123"
        server.reply_with(_chat(model, {"prompt_tokens": 10_000, "completion_tokens": 2_000}))
        client.chat.completions.create(model=model, **_ASK)

    invoice("0.108")


def test_openrouter(invoice: Any, at: Any, server: Any, lenient: Any) -> None:
    """The answers tell it, whatever the table says: 0.0123 + 0.00077 + 0 (a free model) = 0.01307"""
    invoice.prices("models: [{model: '*', host: '*', input: 99, output: 99}]")
    client = at("openrouter.ai")
    for cost in (0.0123, 0.00077, 0):
        server.reply_with(_chat("openai/gpt-4o", {"prompt_tokens": 10, "completion_tokens": 5, "cost": cost}))
        client.chat.completions.create(model="openai/gpt-4o", **_ASK)

    invoice("0.01307")
    assert {span.attributes["otel_llm.usage.cost.source"] for span in lenient.spans} == {"provider"}
