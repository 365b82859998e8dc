"""Decisions: questions on one input, answered with probabilities and billed by tokens.

The conventions have no operation for them. They are ``generate_content``, as images and audio are, and
``otel_llm.operation.name`` tells them apart. Answers carry no id and no finish reason, so the spans have none.
"""

from __future__ import annotations

from typing import Any

from ... import semconv as s
from ...content.encoding import Json
from ...content.messages import Content, text
from ...core.request import Request, Response
from ...protocols.openai.endpoint import Endpoint, Exchange
from ...protocols.openai.fields import billed, get, items, mapping, string, usage


def _request(exchange: Exchange) -> Request:
    body, attributes = exchange.body, exchange.attributes(s.GENERATE_CONTENT)
    attributes[s.LLM_OPERATION_NAME] = "decisions"
    attributes[s.OUTPUT_TYPE] = "json"

    def content() -> Content:
        return Content(
            messages=exchange.content.input_messages(body.get("input")),
            instructions=[text(question) for question in items(body.get("questions"))],
        )

    return Request(s.GENERATE_CONTENT, exchange.model, attributes, 0, content)


def _response(exchange: Exchange, answer: Any) -> Response:
    return Response(
        model=string(get(answer, "model")),
        usage=usage(get(answer, "usage")),
        output=lambda: _output(items(get(answer, "answers"))),
        billed=billed(mapping(answer)),
    )


def _output(answers: list[Any]) -> list[Json]:
    parts = [text(answer) for answer in answers]
    return [{"role": "assistant", "parts": parts}] if parts else []


ENDPOINT = Endpoint(_request, _response)
