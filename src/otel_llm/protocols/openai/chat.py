"""Reads requests, answers and chunks of Chat Completions and of legacy completions."""

from __future__ import annotations

from typing import Any

from ... import semconv as s
from ...content.encoding import Json
from ...content.messages import Content, text
from ...core.request import AttributeValue, Request, Response
from . import content
from .endpoint import Exchange
from .fields import (
    INFERENCE,
    SERVICE_TIER,
    Body,
    Readers,
    answered_error,
    billed,
    count,
    declared,
    dimensions,
    get,
    items,
    mapping,
    metered,
    read,
    served_by,
    string,
    usage,
)


def _format(value: Any) -> str | None:
    """The output type that a response format asks for. Both JSON modes are ``json``."""
    kind = get(value, "type")
    return {"json_object": "json", "json_schema": "json", "text": "text"}.get(kind) if isinstance(kind, str) else None


def _speech(value: Any) -> str | None:
    return "speech" if "audio" in items(value) else None


_READERS: Readers = {
    **INFERENCE,
    "max_completion_tokens": (s.REQUEST_MAX_TOKENS, count, False),
    "response_format": (s.OUTPUT_TYPE, _format, True),
    "modalities": (s.OUTPUT_TYPE, _speech, False),
    "reasoning_effort": (s.REQUEST_REASONING_LEVEL, string, False),
}
_OPENAI_READERS: Readers = {**_READERS, **SERVICE_TIER}
_OPENAI_COMPLETION_READERS: Readers = {**INFERENCE, **SERVICE_TIER}


def request(exchange: Exchange) -> Request:
    """Read the request of a chat completion."""
    body, attributes = exchange.body, exchange.attributes(s.CHAT)
    if exchange.server.is_openai:
        attributes[s.OPENAI_API_TYPE] = "chat_completions"
    read(body, _OPENAI_READERS if exchange.server.is_openai else _READERS, attributes)

    def messages() -> Content:
        return Content(
            messages=[exchange.content.message(message) for message in items(body.get("messages"))],
            tools=content.tools([*items(body.get("tools")), *items(body.get("functions"))]),
        )

    return Request(s.CHAT, exchange.model, attributes, count(body.get("n")) or 1, messages)


def completion_request(exchange: Exchange) -> Request:
    """Read the request of a legacy completion."""
    body, attributes = exchange.body, exchange.attributes(s.TEXT_COMPLETION)
    read(body, _OPENAI_COMPLETION_READERS if exchange.server.is_openai else INFERENCE, attributes)

    def prompts() -> Content:
        prompt = body.get("prompt")
        several = prompt if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int) else [prompt]
        return Content(messages=[{"role": "user", "parts": [text(one)]} for one in several if one is not None])

    choices, prompt = count(body.get("n")) or 1, body.get("prompt")
    if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int):
        choices *= len(prompt)
    return Request(s.TEXT_COMPLETION, exchange.model, attributes, choices, prompts)


def response(exchange: Exchange, answer: Any) -> Response:
    """Read a chat completion."""
    fields = mapping(answer)
    if not exchange.described:
        return metered(fields, exchange.server.is_openai)
    choices = items(fields.get("choices"))
    reasons = []
    for choice in choices:
        reasons.append(string(mapping(choice).get("finish_reason")))  # noqa: PERF401 - a comprehension is a frame more
    return _response(exchange, fields, reasons, lambda: [exchange.content.choice(choice) for choice in choices])


def completion_response(exchange: Exchange, answer: Any) -> Response:
    """Read a legacy completion."""
    fields = mapping(answer)
    choices = items(fields.get("choices"))
    reasons = [string(get(choice, "finish_reason")) for choice in choices]
    texts = [string(get(choice, "text")) or "" for choice in choices]
    return _response(exchange, fields, reasons, lambda: _texts(texts, reasons))


def _response(exchange: Exchange, fields: Body, reasons: list[str | None], output: Any) -> Response:
    served = served_by(fields) if exchange.server.is_openai else {}
    return Response(
        id=string(fields.get("id")),
        model=string(fields.get("model")),
        finish_reasons=reasons or None,
        usage=usage(fields.get("usage")),
        attributes=served,
        metric_attributes=dimensions(served),
        output=output,
        billed=billed(fields),
    )


def _texts(texts: list[str], reasons: list[str | None]) -> list[Json]:
    return [
        {"role": "assistant", "parts": [text(one)], "finish_reason": reason}
        for one, reason in zip(texts, reasons, strict=True)
    ]


class ChatAccumulator:
    """Adds up the chunks of a streamed chat or legacy completion.

    Text is kept only if content is captured: pieces in lists, joined at the end.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._keep = exchange.keeps_content
        self._id: str | None = None
        self.model: str | None = None
        self._reasons: dict[int, str | None] = {}
        self._pieces: dict[int, content.ChoicePieces] = {}
        self._usage: Any = None
        self._tier: Any = None
        self._served: dict[str, AttributeValue] = {}
        self._is_openai = exchange.server.is_openai
        self._error: str | None = None

    def add(self, chunk: Any) -> None:
        fields = declared(chunk)
        if self._id is None:
            self._id = string(fields.get("id")) or None  # empty in the first chunk of Azure's
        if self.model is None:
            self.model = string(fields.get("model")) or None
        if (tokens := fields.get("usage")) is not None:
            self._usage = tokens
            self._tier = fields.get("service_tier")
        if self._is_openai and not self._served and (fields.get("system_fingerprint") or fields.get("service_tier")):
            self._served = served_by(fields)
        if fields.get("error"):  # the SDK raises it; whoever reads the bytes gets it as a chunk
            self._error = answered_error(fields)
        for one in items(fields.get("choices")):
            choice = mapping(one) if self._keep else declared(one)
            index = count(choice.get("index")) or 0
            reason = choice.get("finish_reason")
            if reason is not None or index not in self._reasons:
                self._reasons[index] = string(reason)
            if self._keep:
                self._pieces.setdefault(index, content.ChoicePieces()).add(choice)

    def response(self) -> Response:
        indices = sorted(self._reasons)
        reasons = [self._reasons[index] for index in indices]

        def output() -> list[Json]:
            messages = [
                self._pieces[index].message(self._reasons[index], self._exchange.content)
                for index in indices
                if index in self._pieces
            ]
            return [message for message in messages if message["parts"]]

        return Response(
            id=self._id,
            model=self.model,
            # Choices that were asked for and never began are missing too.
            finish_reasons=reasons + [None] * (self._exchange.choices - len(reasons)) if self._id or reasons else None,
            usage=usage(self._usage),
            attributes=dict(self._served),
            metric_attributes=dimensions(self._served),
            output=output if self._keep else None,
            error=self._error,
            billed=() if self._usage is None else ((self._usage, self._tier),),
            cost=self._exchange.cost,
        )


def is_usage_only(chunk: Any) -> bool:
    """Whether ``chunk`` is the extra one that ``stream_options.include_usage`` asks for."""
    return get(chunk, "usage") is not None and get(chunk, "choices") == []
