"""Reads the Responses API: create, parse, stream, retrieve, cancel and compact."""

from __future__ import annotations

import re
from typing import Any

from ... import semconv as s
from ...content.encoding import Json
from ...content.messages import Content, text
from ...core.request import Billed, Request, Response
from . import content, items
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
    mapping,
    read,
    served_by,
    string,
    usage,
)
from .fields import items as as_list

_RESPONSE_PATH = re.compile(r"/responses/([^/?]+)")
#: Why an incomplete response stopped, in the conventions' words.
_INCOMPLETE = {"max_output_tokens": "length", "content_filter": "content_filter"}


def _format(value: Any) -> str | None:
    """The modality that the text's format asks for."""
    kind = get(get(value, "format"), "type")
    return {"text": "text", "json_object": "json", "json_schema": "json"}.get(kind) if isinstance(kind, str) else None


def _window(value: Any) -> str | None:
    """The time within which a background response has to be complete, where that has a price of its own."""
    window = string(get(value, "completion_window"))
    return None if window == "soonest" else window


def _conversation(value: Any) -> str | None:
    return string(value) or string(get(value, "id"))


_READERS: Readers = {
    **SERVICE_TIER,
    **{name: INFERENCE[name] for name in ("temperature", "top_p", "seed", "top_k")},
    "max_output_tokens": (s.REQUEST_MAX_TOKENS, count, False),
    "text": (s.OUTPUT_TYPE, _format, False),
    "reasoning": (s.REQUEST_REASONING_LEVEL, lambda value: string(get(value, "effort")), False),
    "previous_response_id": (s.REQUEST_PREVIOUS_RESPONSE_ID, string, False),
    "conversation": (s.CONVERSATION_ID, _conversation, False),
    "background_options": (s.LLM_REQUEST_PROCESSING, _window, False),
}


def request(exchange: Exchange) -> Request:
    """A response's request."""
    body, attributes = exchange.body, exchange.attributes(s.CHAT)
    attributes[s.OPENAI_API_TYPE] = "responses"
    read(body, _READERS, attributes)
    prompt = body.get("prompt")  # a prompt template kept by OpenAI
    if prompt is not None and (name := string(get(prompt, "id"))) is not None:
        attributes[s.PROMPT_NAME] = name
        if (version := string(get(prompt, "version"))) is not None:
            attributes[s.PROMPT_VERSION] = version

    def parts() -> Content:
        instructions = string(body.get("instructions"))
        return Content(
            messages=exchange.content.input_messages(body.get("input")),
            instructions=[text(instructions)] if instructions else None,
            tools=content.tools(as_list(body.get("tools"))),
            variables=None if (stored := body.get("prompt")) is None else mapping(get(stored, "variables")),
        )

    return Request(s.CHAT, exchange.model, attributes, 1, parts)


def compact_request(exchange: Exchange) -> Request:
    """``responses.compact``: the model shortens a conversation."""
    made = request(exchange)
    made.attributes[s.LLM_OPERATION_NAME] = "compact_response"
    return made


def fetch_request(exchange: Exchange) -> Request:
    """``responses.retrieve``."""
    attributes = exchange.attributes(s.FETCH_RESPONSE)
    attributes.pop(s.REQUEST_STREAM, None)  # the conventions have it on inference only
    attributes[s.OPENAI_API_TYPE] = "responses"
    if (match := _RESPONSE_PATH.search(exchange.path)) is not None:
        attributes[s.RESPONSE_ID] = match[1]
    if (cursor := exchange.body.get("starting_after")) is not None:
        attributes[s.REQUEST_STREAM_CURSOR] = str(cursor)
    return Request(s.FETCH_RESPONSE, None, attributes, 0)


def cancel_request(exchange: Exchange) -> Request:
    """``responses.cancel``: it answers like a retrieval, which is the nearest operation the conventions have."""
    made = fetch_request(exchange)
    made.attributes[s.LLM_OPERATION_NAME] = "cancel_response"
    return made


def response(exchange: Exchange, answer: Any) -> Response:
    """Read a response that this call made."""
    made = fetched(exchange, answer)
    made.attributes.pop(s.RESPONSE_STATUS, None)
    made.usage = usage(get(answer, "usage"))
    return made


def fetched(exchange: Exchange, answer: Any) -> Response:
    """Read a response that an earlier call made, and whose tokens it counted."""
    fields = mapping(answer)
    output = as_list(fields.get("output"))
    reason = finish_reason(fields, output)
    attributes = served_by(fields)
    if (status := string(fields.get("status"))) is not None:
        attributes[s.RESPONSE_STATUS] = status
    if (conversation := _conversation(fields.get("conversation"))) is not None:
        attributes[s.CONVERSATION_ID] = conversation
    if any(get(item, "type") == "compaction" for item in output):
        attributes[s.CONVERSATION_COMPACTED] = True
    return Response(
        id=string(fields.get("id")),
        model=string(fields.get("model")),
        finish_reasons=[reason] if reason is not None else None,
        attributes=attributes,
        metric_attributes=dimensions(attributes),
        output=lambda: exchange.content.output_messages(output, reason),
        error=_error(fields),
        billed=_billed(fields, output),
        cost=exchange.cost,
    )


def compacted(exchange: Exchange, answer: Any) -> Response:
    """What ``responses.compact`` answers."""
    made = response(exchange, answer)
    made.attributes[s.CONVERSATION_COMPACTED] = True
    return made


def _billed(fields: Body, output: list[Any]) -> tuple[Billed, ...]:
    """What the answer is billed by: its usage, and the searches of the web, which cost beside the tokens."""
    told = billed(fields)
    searches = 0
    for item in output:
        searches += get(item, "type") == "web_search_call"
    return (*told, ({"web_searches": searches}, None)) if told and searches else told


def _error(fields: Body) -> str | None:
    """The code of a response that failed. A retrieval of it went well: only the call that made it fails."""
    if fields.get("status") != "failed":
        return None
    return string(get(fields.get("error"), "code")) or "_OTHER"


def fetched_response(exchange: Exchange, answer: Any) -> Response:
    made = fetched(exchange, answer)
    made.error = None
    return made


def finish_reason(fields: Body, output: list[Any]) -> str | None:
    """The finish reason by the response's status; ``None`` while the status is not final."""
    status = fields.get("status")
    if status == "incomplete":
        reason = string(get(fields.get("incomplete_details"), "reason"))
        return _INCOMPLETE.get(reason or "", reason) or "error"
    if status in ("failed", "cancelled"):
        return "error"
    if status != "completed":
        return None
    return "tool_call" if items.awaits_result(output) else "stop"


class ResponseAccumulator:
    """Follows the events of a streamed response.

    Its last event holds the whole response; before it, items that are done are kept for a stream that breaks off.
    """

    def __init__(self, exchange: Exchange, fetching: bool = False) -> None:
        self._exchange = exchange
        self._fetching = fetching
        self.model: str | None = None
        self._answer: Any = None
        self._final = False
        self._begun: dict[int, Any] = {}
        self._items: dict[int, Any] = {}
        self._texts: dict[tuple[int, str], list[str]] = {}
        self._error: str | None = None

    def add(self, chunk: Any) -> None:
        event = chunk
        kind = declared(event).get("type")
        if kind is None and (code := answered_error(event)) is not None:  # a gateway's, in place of an event
            self._error = code
        elif kind is None:  # the first SDKs wrap the event of an error
            event = get(event, "data")
            kind = get(event, "type")
        if not isinstance(kind, str):
            return
        if kind.endswith(".delta"):
            if self._exchange.keeps_content and (piece := string(get(event, "delta"))) is not None:
                self._texts.setdefault((count(get(event, "output_index")) or 0, kind), []).append(piece)
        elif (answer := get(event, "response")) is not None:
            self._answer = answer
            self._final = kind in ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
            if self.model is None:
                self.model = string(get(answer, "model"))
        elif kind == "response.output_item.added":
            self._begun[count(get(event, "output_index")) or 0] = get(event, "item")
        elif kind == "response.output_item.done":
            self._items[count(get(event, "output_index")) or 0] = get(event, "item")
        elif kind == "error":
            self._error = string(get(event, "code")) or answered_error(event) or "_OTHER"

    def response(self) -> Response:
        read = fetched_response if self._fetching else response
        if self._final:
            return read(self._exchange, self._answer)
        made = read(self._exchange, self._answer) if self._answer is not None else Response()
        if self._answer is not None and not self._fetching:
            made.finish_reasons = [None]
        made.output = self._partial_output if self._exchange.keeps_content else None
        made.error = self._error
        return made

    def _partial_output(self) -> list[Json]:
        output = dict(self._items)
        for (index, kind), pieces in self._texts.items():
            if index not in output:
                output[index] = items.partial_item(self._begun.get(index), kind, "".join(pieces))
        return self._exchange.content.output_messages([output[index] for index in sorted(output)], None)


def fetch_accumulator(exchange: Exchange) -> ResponseAccumulator:
    return ResponseAccumulator(exchange, fetching=True)
