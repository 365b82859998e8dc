"""Accumulates what a container streams: chunks like OpenAI's, tokens like TGI's or LMI's, or plain text."""

from __future__ import annotations

from typing import Any

from ...core.request import Response
from ...protocols.openai.chat import ChatAccumulator
from ...protocols.openai.fields import answered_error, items, string
from .answers import Generation, generated
from .invocation import Invocation


class Pieces:
    """An accumulator of events: see :class:`otel_llm.core.streams.Accumulator`."""

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._keep = invocation.keeps_content
        self._chat: ChatAccumulator | None = None
        self._generation: Generation | None = None
        self._words: list[str] = []
        self._error: str | None = None
        self.model: str | None = None

    def add(self, chunk: Any) -> None:
        if isinstance(chunk, list):
            for one in chunk:
                self.add(one)
        elif isinstance(chunk, str):
            self._add_words(chunk)
        elif isinstance(chunk, dict):
            self._add(chunk)

    def _add(self, event: dict[str, Any]) -> None:
        if isinstance(event.get("choices"), list):
            if self._chat is None:
                self._chat = ChatAccumulator(self._invocation)
            self._chat.add(_as_chunk(event))
            self.model = self._chat.model
            return
        self._error = self._error or answered_error(event)
        token = event.get("token")
        if isinstance(token, dict) and token.get("special") is not True:
            self._add_words(token.get("text"))
        for words in items(event.get("outputs")):
            self._add_words(words)
        generated_text = string(event.get("generated_text"))
        if generated_text is not None:
            self._words.clear()  # the complete text, once more
            self._add_words(generated_text)
        if (details := event.get("details")) is not None:
            self._begun().add_details(details)

    def _begun(self) -> Generation:
        if self._generation is None:
            self._generation = Generation("")
        return self._generation

    def _add_words(self, words: Any) -> None:
        self._begun()
        if self._keep and isinstance(words, str):
            self._words.append(words)

    @property
    def empty(self) -> bool:
        """Whether no event was part of an answer."""
        return self._chat is None and self._generation is None and self._error is None

    def response(self) -> Response:
        if self._chat is not None:
            response = self._chat.response()
        elif self._generation is not None:
            self._generation.words = "".join(self._words)
            response = generated([self._generation])
            if not self._generation.words:
                response.output = None
        else:
            response = Response()
        response.error = self._error or response.error
        response.attributes.update(self._invocation.told)
        return response


def _as_chunk(event: dict[str, Any]) -> dict[str, Any]:
    """``event`` as a chunk. A container that does not stream sends the whole message, which is converted."""
    if not any(isinstance(choice, dict) and "message" in choice for choice in event["choices"]):
        return event
    choices = [{"delta": choice.get("message"), **choice} for choice in event["choices"] if isinstance(choice, dict)]
    return {**event, "choices": choices}
