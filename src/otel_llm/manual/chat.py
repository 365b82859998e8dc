"""Manual spans for chats and text completions: the request, the chunks of a stream, and the response."""

from __future__ import annotations

import sys
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
from . import content, items
from .model_call import Attributes, ModelCall
from .requests import accepted_arguments, as_list, boolean, choice_count, parameters, request, required_name, server


class chat_span(ModelCall):  # noqa: N801
    """A call of a chat model that is not instrumented: span ``chat {model}``.

    The span, the metrics and the event are those of an instrumented SDK. ``model`` is the requested model. ``provider``
    is the name of its provider in the conventions (``anthropic``, ``mistral_ai``, ...), or one of your own.
    ``messages`` (a text, or messages in OpenAI's or the conventions' shape), ``system`` and ``tools`` are content: they
    are recorded only if content is captured. ``stream`` says that the answer comes in chunks. ``server_address`` and
    ``server_port`` are those of the provider's API. ``attributes`` are set on the span.

    The parameters of the request have the conventions' meaning (``gen_ai.request.*``): ``temperature``, ``top_p``,
    ``top_k``, ``max_tokens``, ``stop`` (one sequence or several), ``seed``, ``choices`` (their number),
    ``frequency_penalty``, ``presence_penalty``, ``reasoning_level`` and ``output_type`` (such as ``json``). Those that
    become known later go to :meth:`request`.

    Values of other types are converted, or left out with a warning; an empty model or provider becomes ``_OTHER``.

    :raises RuntimeError: when it is entered a second time.
    """

    __slots__ = ("_room", "_texts")
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
        attributes: Attributes = None,
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
        model = required_name("model", model)
        known: dict[str, AttributeValue | None] = {
            s.PROVIDER_NAME: required_name("provider", provider),
            s.REQUEST_MODEL: model,
            s.REQUEST_STREAM: True if boolean(stream) else None,
            **server(server_address, server_port),
            **parameters(given),
        }
        made = request(self._OPERATION, model, known, attributes, SpanKind.CLIENT, choice_count(choices))
        if messages is not None or system is not None or tools is not None:
            made.content = lambda: content.request_content(messages, system, tools)
        made.texts = [messages, system]
        super().__init__(made)

    def _reset(self) -> None:
        super()._reset()
        #: The texts of the chunks, and how many more characters of them are kept.
        self._texts: list[str] = []
        self._room = 0

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
        """Add to the request what was not known when the span was made. Returns the span.

        The arguments are those of the constructor: ``messages``, ``system`` and ``tools`` are content; ``temperature``,
        ``top_p``, ``top_k``, ``max_tokens``, ``stop``, ``seed``, ``choices``, ``frequency_penalty``,
        ``presence_penalty``, ``reasoning_level`` and ``output_type`` are parameters. A call has an effect from the
        span's start to its end.
        """
        known = {name: value for name, value in parameters(locals()).items() if value is not None}
        call = self._call
        if call is not None and not call.ended:
            if choices is not None:
                call.request.choices = choice_count(choices)
            if isinstance(call, nesting.LayeredCall):
                call.know(known)
            call.record_content(lambda: content.request_content(messages, system, tools).by_attribute())
            if prompts.known and (use := prompts.behind([messages, system])) is not None:
                self._set_prompt(call, use)
        return self

    # --- the response ----------------------------------------------------------------------------

    def chunk(self, text: str | None = None) -> Self:
        """Note that a chunk of the answer has come now, with ``text`` if it has any. Returns the span.

        The time of the first chunk and the times between chunks are measured here. The texts are the output, unless
        :meth:`response` gives another.
        """
        if text is not None and not isinstance(text, str):
            notices.tell("a chunk's text", text, "recorded as text")
            text = str(scalar(text))
        self._note_chunk(text)
        return self

    @guard.never_raise
    def _note_chunk(self, text: str | None) -> None:
        call = self._call
        if call is None or call.ended:
            return
        # If an instrumented SDK makes the call, it measures the times of the chunks itself.
        if not (isinstance(call, nesting.LayeredCall) and call.joined):
            if not call.streams and isinstance(call, nesting.LayeredCall):
                call.know({s.REQUEST_STREAM: True})
            call.chunk(perf_counter_ns(), self._response.model)
        if text and self._room > 0:
            self._room -= len(text)
            self._texts.append(text)

    def _start(self, telemetry: Telemetry, request: Request, parent: Context) -> Call:
        if telemetry.listeners.estimator is not None:
            self._room = sys.maxsize
        elif telemetry.captures_content:
            self._room = telemetry.settings.content_max_bytes
        return super()._start(telemetry, request, parent)

    def item(self, value: Any) -> None:
        self._note_chunk(value if isinstance(value, str) else None)

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
        service_tier: str | None = None,
        cost: float | None = None,
        currency: str = "USD",
    ) -> Self:
        """Record the response. Returns the span.

        ``output`` is content: a text or messages, by default the texts of the chunks. ``id`` is the provider's id of
        the response, ``model`` the model that answered. ``finish_reason`` says why the model stopped, for several
        choices as a list. ``input_tokens``, ``output_tokens``, ``cache_read_tokens``, ``cache_write_tokens``,
        ``reasoning_tokens``, ``service_tier``, ``cost`` and ``currency`` are those of :meth:`usage`.
        """
        known = self._response
        known.id = identifier("id", id, s.RESPONSE_ID) or known.id
        known.model = identifier("model", model, s.RESPONSE_MODEL) or known.model
        if finish_reason is not None:
            known.finish_reasons = [
                identifier("finish_reason", reason, s.RESPONSE_FINISH_REASONS) for reason in as_list(finish_reason)
            ]
        if output is not None:
            self._output_is_set = True
            known.output = lambda: self._output_messages(output)
        return self.usage(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cache_read_tokens=cache_read_tokens,
            cache_write_tokens=cache_write_tokens,
            reasoning_tokens=reasoning_tokens,
            service_tier=service_tier,
            cost=cost,
            currency=currency,
        )

    def _respond(self, response: Mapping[str, Any]) -> None:
        self.response(**accepted_arguments(self.response, response))

    def _response_of(self, call: Call) -> Response:
        if self._response.output is None and self._texts:
            self._response.output = self._output_of_chunks
        return self._response

    def _output_of_chunks(self) -> list[Json]:
        output = items.output_of(self._texts)
        return [] if output is items.NO_TEXT else self._output_messages(output)

    def _output_messages(self, output: Any) -> list[Json]:
        reasons = self._response.finish_reasons or [None]
        return content.output_messages(output, reasons[0])

    def _record(self, call: Call, name: str | None, value: Callable[[], Any]) -> None:
        if name == self.OUTPUT:
            self._response.output = lambda: self._output_messages(value())
        else:
            super()._record(call, name, value)


class completion_span(chat_span):  # noqa: N801
    """A call of a text completion model that is not instrumented: span ``text_completion {model}``.

    ``messages`` is the text to complete. Everything else is as for :class:`chat_span`.
    """

    __slots__ = ()
    _OPERATION = s.TEXT_COMPLETION
