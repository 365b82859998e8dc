"""Chat Completions and legacy completions: request, answer and chunks to ours."""

from __future__ import annotations

from typing import Any

from ... import semconv as s
from ...call import AttributeValue, Request, Response
from ...messages import Content, Json, text
from . import content
from .endpoint import Exchange
from .fields import Body, count, dimensions, get, items, mapping, sampling, served_by, service_tier, string, usage


def request(exchange: Exchange) -> Request:
    """A chat completion's request."""
    body, attributes = exchange.body, exchange.attributes(s.CHAT)
    attributes[s.OPENAI_API_TYPE] = "chat_completions"
    choices = _common(body, attributes)
    limit = count(body.get("max_completion_tokens"))
    if limit is None:
        limit = count(body.get("max_tokens"))
    if limit is not None:
        attributes[s.REQUEST_MAX_TOKENS] = limit
    if (kind := _output_type(body)) is not None:
        attributes[s.OUTPUT_TYPE] = kind
    if (level := string(body.get("reasoning_effort"))) is not None:
        attributes[s.REQUEST_REASONING_LEVEL] = level
    service_tier(body, attributes)

    def messages() -> Content:
        return Content(
            messages=[content.chat_message(message, exchange.capture_media) for message in items(body.get("messages"))],
            tools=content.tools([*items(body.get("tools")), *items(body.get("functions"))]),
        )

    return Request(s.CHAT, exchange.model, attributes, choices, messages)


def completion_request(exchange: Exchange) -> Request:
    """A legacy completion's request."""
    body, attributes = exchange.body, exchange.attributes(s.TEXT_COMPLETION)
    choices = _common(body, attributes)
    if (limit := count(body.get("max_tokens"))) is not None:
        attributes[s.REQUEST_MAX_TOKENS] = limit

    def prompts() -> Content:
        prompt = body.get("prompt")
        several = prompt if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int) else [prompt]
        return Content(messages=[{"role": "user", "parts": [text(one)]} for one in several if one is not None])

    prompt = body.get("prompt")
    if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int):
        choices *= len(prompt)
    return Request(s.TEXT_COMPLETION, exchange.model, attributes, choices, prompts)


def _common(body: Body, attributes: dict[str, AttributeValue]) -> int:
    """What both kinds of request share; returns how many choices are asked for."""
    sampling(body, attributes)
    stop = body.get("stop")
    if isinstance(stop, str):
        attributes[s.REQUEST_STOP_SEQUENCES] = [stop]
    elif stop and all(isinstance(one, str) for one in items(stop)):
        attributes[s.REQUEST_STOP_SEQUENCES] = list(stop)
    choices = count(body.get("n")) or 1
    if choices != 1:
        attributes[s.REQUEST_CHOICE_COUNT] = choices
    return choices


def _output_type(body: Body) -> str | None:
    """The modality asked for: ``json`` for both JSON modes, ``speech`` for audio."""
    if "audio" in items(body.get("modalities")):
        return "speech"
    kind = get(body.get("response_format"), "type")
    return {"json_object": "json", "json_schema": "json", "text": "text"}.get(kind) if isinstance(kind, str) else None


def response(exchange: Exchange, answer: Any) -> Response:
    """A chat completion."""
    fields = mapping(answer)
    choices = items(fields.get("choices"))
    return _response(
        fields,
        [string(get(choice, "finish_reason")) for choice in choices],
        lambda: [content.chat_choice(choice, exchange.capture_media) for choice in choices],
    )


def completion_response(exchange: Exchange, answer: Any) -> Response:
    """A legacy completion."""
    fields = mapping(answer)
    choices = items(fields.get("choices"))
    reasons = [string(get(choice, "finish_reason")) for choice in choices]
    texts = [string(get(choice, "text")) or "" for choice in choices]
    return _response(fields, reasons, lambda: _texts(texts, reasons))


def _response(fields: Body, reasons: list[str | None], output: Any) -> Response:
    served = served_by(fields)
    return Response(
        id=string(fields.get("id")),
        model=string(fields.get("model")),
        finish_reasons=reasons or None,
        usage=usage(fields.get("usage")),
        attributes=served,
        metric_attributes=dimensions(served),
        output=output,
    )


def _texts(texts: list[str], reasons: list[str | None]) -> list[Json]:
    return [
        {"role": "assistant", "parts": [text(one)], "finish_reason": content.message_reason(reason)}
        for one, reason in zip(texts, reasons, strict=True)
    ]


class ChatAccumulator:
    """Adds up the chunks of a streamed chat or legacy completion.

    Text is kept only if content is captured: pieces in lists, joined at the end.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._keep = exchange.captures_content
        self._id: str | None = None
        self.model: str | None = None
        self._reasons: dict[int, str | None] = {}
        self._pieces: dict[int, content.ChoicePieces] = {}
        self._usage: Any = None
        self._served: dict[str, AttributeValue] = {}

    def add(self, chunk: Any) -> None:
        fields = mapping(chunk)
        if self._id is None:
            self._id = string(fields.get("id")) or None  # empty in the first chunk of Azure's
        if self.model is None:
            self.model = string(fields.get("model")) or None
        if (tokens := fields.get("usage")) is not None:
            self._usage = tokens
        if not self._served:
            self._served = served_by(fields)
        for one in items(fields.get("choices")):
            choice = mapping(one)
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
                self._pieces[index].message(self._reasons[index], self._exchange.capture_media)
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
        )


def is_usage_only(chunk: Any) -> bool:
    """Whether ``chunk`` is the extra one that ``stream_options.include_usage`` asks for."""
    return get(chunk, "usage") is not None and get(chunk, "choices") == []
