"""Calls of models that no instrumentation sees: what is asked, what comes in chunks, and what was answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter_ns
from typing import Any, Self

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from .. import guard, prompts
from .. import semconv as s
from ..content.encoding import Json
from ..content.values import notices, scalar
from ..core import nesting
from ..core.call import Call
from ..core.request import AttributeValue, Request, Response
from ..core.telemetry import Telemetry
from ..propagation.validation import identifier
from . import content
from .items import NOTHING as NO_TEXT
from .items import output_of
from .operation import Operation
from .requests import choice_count, known_arguments, named, parameters, request, server, several, strings, truth, whole

_Attributes = Mapping[str, AttributeValue] | None
_USAGE = {
    "input_tokens": s.USAGE_INPUT_TOKENS,
    "output_tokens": s.USAGE_OUTPUT_TOKENS,
    "cache_read_tokens": s.USAGE_CACHE_READ_INPUT_TOKENS,
    "cache_write_tokens": s.USAGE_CACHE_WRITE_INPUT_TOKENS,
    "reasoning_tokens": s.USAGE_REASONING_OUTPUT_TOKENS,
}


class _ModelCall(Operation):
    """A call that instrumented SDKs below may be part of: then it is one span, and counts once."""

    __slots__ = ("_response",)

    def __init__(self, request: Request, given: Any = content.NOTHING) -> None:
        super().__init__(request, given)
        self._reset()

    def _reset(self) -> None:
        self._response = Response()

    def another(self) -> Self:
        made = super().another()
        made._reset()
        return made

    def _start(self, telemetry: Telemetry, request: Request, parent: Context) -> Call:
        return nesting.start_outer(telemetry, request, parent)

    def _within(self, call: Call) -> Context:
        if type(call) is nesting.LayeredCall:
            return nesting.enclose(call, call.context)
        return call.context

    def _answer(self, call: Call) -> Response | None:
        return self._response

    def usage(
        self,
        *,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cache_read_tokens: int | None = None,
        cache_write_tokens: int | None = None,
        reasoning_tokens: int | None = None,
    ) -> Self:
        """Tell the tokens that are billed. Input includes what was read from and written to a cache, output includes
        reasoning. What is not known is left out, as are numbers below zero, by which some providers say so.
        """
        given = locals()
        for name, attribute in _USAGE.items():
            if (count := whole(name, given[name])) is not None and count >= 0:
                self._response.usage[attribute] = count
        return self


class embeddings_span(_ModelCall):  # noqa: N801
    """A call of an embedding model: ``embeddings {model}``. ``provider`` is the conventions' name of who serves it."""

    __slots__ = ()
    INPUT = OUTPUT = None

    def __init__(
        self,
        model: str,
        provider: str,
        *,
        encoding_formats: Sequence[str] | None = None,
        server_address: str | None = None,
        server_port: int | None = None,
        attributes: _Attributes = None,
    ) -> None:
        model = named("model", model)
        known: dict[str, AttributeValue | None] = {
            s.PROVIDER_NAME: named("provider", provider),
            s.REQUEST_MODEL: model,
            s.REQUEST_ENCODING_FORMATS: strings("encoding_formats", encoding_formats),
            **server(server_address, server_port),
        }
        super().__init__(request(s.EMBEDDINGS, model, known, attributes, SpanKind.CLIENT))

    def response(
        self, *, model: str | None = None, dimensions: int | None = None, input_tokens: int | None = None
    ) -> Self:
        """Tell what was answered: the model that did, the vectors' dimensions, the tokens billed."""
        self._response.model = identifier("model", model) or self._response.model
        if (known := whole("dimensions", dimensions)) is not None:
            self._response.attributes[s.EMBEDDINGS_DIMENSION_COUNT] = known
        return self.usage(input_tokens=input_tokens)

    def _respond(self, response: Mapping[str, Any]) -> None:
        self.response(**known_arguments(self.response, response))


class chat_span(_ModelCall):  # noqa: N801
    """A call of a chat model that is not instrumented: ``chat {model}``.

    ``provider`` is the conventions' name of who serves it (``anthropic``, ``mistral_ai``, ..., or one of your own).
    ``messages`` (OpenAI's shape, the conventions', or a text), ``system`` and ``tools`` are content. The rest is the
    request's; all of it may be told later by :meth:`request`. ``stream`` says that the answer comes in chunks.
    """

    __slots__ = ("_last_ns", "_pieces", "_room")
    INPUT, OUTPUT = s.INPUT_MESSAGES, s.OUTPUT_MESSAGES
    _OPERATION = s.CHAT

    def __init__(
        self,
        model: str,
        provider: str,
        *,
        messages: Any = None,
        system: Any = None,
        tools: Any = None,
        stream: bool = False,
        server_address: str | None = None,
        server_port: int | None = None,
        attributes: _Attributes = None,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        max_tokens: int | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        choices: int | None = None,
        frequency_penalty: float | None = None,
        presence_penalty: float | None = None,
        reasoning_level: str | None = None,
        output_type: str | None = None,
    ) -> None:
        given = locals()
        model = named("model", model)
        known: dict[str, AttributeValue | None] = {
            s.PROVIDER_NAME: named("provider", provider),
            s.REQUEST_MODEL: model,
            s.REQUEST_STREAM: True if truth(stream) else None,
            **server(server_address, server_port),
            **parameters(given),
        }
        made = request(self._OPERATION, model, known, attributes, SpanKind.CLIENT, choice_count(choices))
        if messages is not None or system is not None or tools is not None:
            made.content = lambda: content.asked(messages, system, tools)
        if prompts.known:
            prompts.link(made, {"messages": messages, "instructions": system})
        super().__init__(made)

    def _reset(self) -> None:
        super()._reset()
        self._pieces: list[str] = []
        self._room = 0
        self._last_ns = 0

    def request(
        self,
        *,
        messages: Any = None,
        system: Any = None,
        tools: Any = None,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        max_tokens: int | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        choices: int | None = None,
        frequency_penalty: float | None = None,
        presence_penalty: float | None = None,
        reasoning_level: str | None = None,
        output_type: str | None = None,
    ) -> Self:
        """Tell of the request what was not known when it began."""
        known = {name: value for name, value in parameters(locals()).items() if value is not None}
        call = self._call
        if call is not None and not call.ended:
            if choices is not None:
                call.request.choices = choice_count(choices)
            if isinstance(call, nesting.LayeredCall):
                call.know(known)
            call.record_content(lambda: content.asked(messages, system, tools).by_attribute())
            if prompts.known and (use := prompts.behind([messages, system])) is not None:
                self._prompted(call, use)
        return self

    # --- the answer ------------------------------------------------------------------------------

    def chunk(self, text: str | None = None) -> Self:
        """A chunk of the answer has come, with ``text`` if it has any. Its time is taken here."""
        if text is not None and not isinstance(text, str):
            notices.tell("a chunk's text", text, "recorded as text")
            text = str(scalar(text))
        self._chunk(text)
        return self

    @guard.never_raise
    def _chunk(self, text: str | None) -> None:
        call = self._call
        if call is None or call.ended:
            return
        if not (isinstance(call, nesting.LayeredCall) and call.joined):  # a layer below, which has its own times
            now = perf_counter_ns()
            if not self._last_ns:
                self._begin_stream(call)
            elif call.measured:
                call.chunk_gap((now - self._last_ns) / 1e9, self._response.model)
            self._last_ns = now
            call.chunk(now)
        if text and self._room > 0:
            self._room -= len(text)
            self._pieces.append(text)

    def _begin_stream(self, call: Call) -> None:
        if isinstance(call, nesting.LayeredCall):
            call.know({s.REQUEST_STREAM: True})

    def _start(self, telemetry: Telemetry, request: Request, parent: Context) -> Call:
        if telemetry.captures_content:
            self._room = telemetry.settings.content_max_bytes
        return super()._start(telemetry, request, parent)

    def item(self, value: Any) -> None:
        self._chunk(value if isinstance(value, str) else None)

    def response(
        self,
        output: Any = None,
        *,
        id: str | None = None,  # noqa: A002
        model: str | None = None,
        finish_reason: str | Sequence[str | None] | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cache_read_tokens: int | None = None,
        cache_write_tokens: int | None = None,
        reasoning_tokens: int | None = None,
    ) -> Self:
        """Tell what was answered: ``output`` (a text, or messages; of a stream the texts of its chunks by default), the
        provider's id of it, the model that answered, why each choice ended, and the tokens billed."""
        told = self._response
        told.id = identifier("id", id) or told.id
        told.model = identifier("model", model) or told.model
        if finish_reason is not None:
            told.finish_reasons = [identifier("finish_reason", reason) for reason in several(finish_reason)]
        if output is not None:
            self.says_output = True
            told.output = lambda: self._output(output)
        return self.usage(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cache_read_tokens=cache_read_tokens,
            cache_write_tokens=cache_write_tokens,
            reasoning_tokens=reasoning_tokens,
        )

    def _respond(self, response: Mapping[str, Any]) -> None:
        self.response(**known_arguments(self.response, response))

    def _answer(self, call: Call) -> Response:
        told = self._response
        if told.output is None and self._pieces:
            told.output = lambda: [] if (told_so := output_of(self._pieces)) is NO_TEXT else self._output(told_so)
        return told

    def _output(self, output: Any) -> list[Json]:
        reasons = self._response.finish_reasons or [None]
        return content.output(output, reasons[0])

    def _tell(self, call: Call, name: str | None, value: Callable[[], Any]) -> None:
        if name == self.OUTPUT:
            self._response.output = lambda: self._output(value())
        else:
            super()._tell(call, name, value)


class completion_span(chat_span):  # noqa: N801
    """A call of a model that completes a text, ``messages``: ``text_completion {model}``."""

    __slots__ = ()
    _OPERATION = s.TEXT_COMPLETION
