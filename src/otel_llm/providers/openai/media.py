"""Images and audio: the conventions' ``generate_content``, told apart by ``otel_llm.operation.name``.

These APIs answer with no response id, model or finish reason, so the spans have none.
"""

from __future__ import annotations

from typing import Any

from ... import semconv as s
from ...content.encoding import Json
from ...content.messages import Content, text
from ...core.request import Request, Response
from ...protocols.openai.endpoint import Endpoint, Exchange
from ...protocols.openai.fields import INFERENCE, answered_error, get, items, mapping, read, string, usage
from ...protocols.openai.items import ItemConverter

_READERS = {name: INFERENCE[name] for name in ("n", "temperature")}


def endpoint(operation: str, output_type: str) -> Endpoint:
    """The endpoint of ``operation`` (our name for it), which makes ``output_type``."""

    def request(exchange: Exchange) -> Request:
        body, attributes = exchange.body, exchange.attributes(s.GENERATE_CONTENT)
        attributes[s.LLM_OPERATION_NAME] = operation
        attributes[s.OUTPUT_TYPE] = output_type
        if body.get("stream_format") == "sse":  # speech
            attributes[s.REQUEST_STREAM] = True
        read(body, _READERS, attributes)

        def content() -> Content:
            prompt = string(body.get("prompt")) or string(body.get("input"))
            instructions = string(body.get("instructions"))
            return Content(
                messages=[{"role": "user", "parts": [text(prompt)]}] if prompt else None,
                instructions=[text(instructions)] if instructions else None,
            )

        return Request(s.GENERATE_CONTENT, exchange.model, attributes, 0, content)

    def response(exchange: Exchange, answer: Any) -> Response:
        return Response(
            usage=usage(get(answer, "usage")),
            output=lambda: _output(answer, exchange.content),
            billed=((_billed(exchange.body, operation, answer), None),),
        )

    return Endpoint(request, response, MediaAccumulator)


def _billed(body: Any, operation: str, answer: Any) -> dict[str, Any]:
    """The usage of an answer, with what else such calls are billed by: images, characters or seconds."""
    told: dict[str, Any] = dict(mapping(get(answer, "usage")))
    if operation.startswith("image"):
        told["images"] = len(items(get(answer, "data")))
        for name in ("size", "quality"):
            if (chosen := string(get(answer, name)) or string(body.get(name))) is not None:
                told[name] = chosen
    elif operation == "speech":
        told["characters"] = len(string(body.get("input")) or "")
    elif "seconds" not in told and type(seconds := get(answer, "duration")) in (int, float):
        told["seconds"] = seconds
    return told


def _output(answer: Any, content: ItemConverter) -> list[Json]:
    """A transcript as text; images by URL, or described."""
    words = string(answer) or string(get(answer, "text"))
    parts: list[Json] = [text(words)] if words else []
    for image in items(get(answer, "data")):
        if (data := string(get(image, "b64_json"))) is not None:
            parts.append(content.blob("image", f"image/{string(get(answer, 'output_format')) or 'png'}", data))
        elif (url := string(get(image, "url"))) is not None:
            parts.append({"type": "uri", "modality": "image", "uri": url})
    return [{"role": "assistant", "parts": parts}] if parts else []


class MediaAccumulator:
    """The events of a streamed image or transcript; the last one has the usage."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.model: str | None = None
        self._usage: Any = None
        self._words: str | None = None
        self._image: Any = None
        self._error: str | None = None

    def add(self, chunk: Any) -> None:
        self._error = self._error or answered_error(chunk)
        self._usage = get(chunk, "usage") or self._usage
        if str(get(chunk, "type")).endswith((".done", ".completed")):
            self._words = string(get(chunk, "text"))
            self._image = chunk

    def response(self) -> Response:
        answer = {"text": self._words, "data": [self._image] if self._image is not None else []}
        return Response(
            usage=usage(self._usage),
            output=lambda: _output(answer, self._exchange.content),
            error=self._error,
            billed=() if self._usage is None else ((self._usage, None),),
            cost=self._exchange.cost,
        )
