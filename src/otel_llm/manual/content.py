"""Converts the application's values to content attributes: JSON in the shapes of the conventions' schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import islice
from typing import Any

from .. import semconv as s
from ..content.encoding import Json, dumps
from ..content.messages import Content, parsed, text
from . import items
from .requests import as_list

#: The default of an argument that may be ``None``.
UNSET: Any = object()
_MAX_DOCUMENTS = 1024


def attribute(name: str, value: Any) -> dict[str, Json]:
    """``value`` as the content attribute ``name``."""
    if name == s.INPUT_MESSAGES:
        return {name: messages(value)}
    if name == s.OUTPUT_MESSAGES:
        return {name: output_messages(value, "stop")}
    if name == s.RETRIEVAL_DOCUMENTS:
        return {name: documents(value)}
    if name == s.TOOL_CALL_ARGUMENTS:
        return {name: _object(value, "input")}
    if name == s.TOOL_CALL_RESULT:
        return {name: _object(value, "result")}
    return {name: plain(value)}


def attribute_of_items(name: str, yielded: list[Any]) -> dict[str, Json]:
    """What a generator has ``yielded`` as the content attribute ``name``; empty if it has no text."""
    output = items.output_of(yielded)
    return {} if output is items.NO_TEXT else attribute(name, output)


def plain(value: Any) -> Json:
    """``value`` as text, mapping or list. A number, a boolean and ``None`` become JSON text."""
    value = _structured(value)
    return value if isinstance(value, str | dict | list) else dumps(value)


def _structured(value: Any) -> Json:
    """``value`` in the types of JSON. An object with fields becomes a mapping, a collection a list."""
    if isinstance(value, str | bool | int | float | dict | list | None):
        return value
    return json.loads(dumps(list(value) if isinstance(value, tuple | set | frozenset) else value))


def _object(value: Any, name: str) -> Json:
    """``value`` as a mapping, as the conventions require. Anything else becomes the entry ``name`` of one."""
    value = _structured(parsed(value))
    return value if isinstance(value, dict) else {name: value}


def messages(value: Any, role: str = "user") -> list[Json]:
    """Messages in the conventions' or OpenAI's shape, converted. Any other value becomes one message of ``role``."""
    is_list = isinstance(value, list | tuple) and all(isinstance(one, Mapping) and "role" in one for one in value)
    return [_message(one, role) for one in (value if is_list else [value])]


def output_messages(value: Any, finish_reason: str | None) -> list[Json]:
    """Messages of the assistant, each with its own finish reason or else ``finish_reason``."""
    made = messages(value, "assistant")
    return [{**one, "finish_reason": one.get("finish_reason") or finish_reason} for one in made]


def _message(value: Any, role: str) -> Json:
    if isinstance(value, Mapping) and "role" in value:
        if "parts" in value:
            return dict(value)
        from ..protocols.openai.content import MessageConverter  # other providers use OpenAI's shape too

        return MessageConverter().message(value)
    return {"role": role, "parts": [text(value if isinstance(value, str) else plain(value))]}


def _instructions(value: Any) -> list[Json]:
    """Parts in the conventions' or a provider's shape, converted. Messages and any other value give their text."""
    from ..protocols.openai.content import MessageConverter

    converter = MessageConverter()
    made: list[Json] = []
    for one in value if isinstance(value, list | tuple) else [value]:
        if isinstance(one, Mapping) and "role" not in one:
            made.append(dict(one) if "content" in one else converter.part(one))
        else:
            made.extend(_message(one, "system")["parts"])
    return made


def documents(values: Any) -> list[Json]:
    """Documents in the conventions' shape. values are texts, mappings or LangChain's documents, at most 1024.

    An iterator is not read: what it gives is for the application.
    """
    if isinstance(values, str | bytes | bytearray | memoryview) or not isinstance(values, Sequence | Set):
        values = [values]
    return [_document(one) for one in islice(values, _MAX_DOCUMENTS)]


def _document(value: Any) -> Json:
    if hasattr(value, "page_content"):
        metadata = getattr(value, "metadata", None) or {}
        identifier = getattr(value, "id", None) or metadata.get("id")
        value = {"id": identifier, "content": value.page_content, "metadata": metadata}
    value = plain(value)
    if not isinstance(value, dict):
        return {"content": value}
    document = {name: one for name, one in value.items() if one is not None}
    if "id" in document:
        document["id"] = str(document["id"])
    if "score" in document:
        try:
            document["score"] = float(document["score"])
        except (TypeError, ValueError):
            del document["score"]  # the conventions require a number
    return document


def prompt_attributes(content: Mapping[str, Json], input_name: str | None) -> dict[str, Json]:
    """The template and variables of a prompt as content attributes of a span whose input attribute is ``input_name``.

    On a step, whose input is not messages, the variables together are the input.
    """
    if input_name != s.LLM_STEP_INPUT:
        return dict(content)
    prefix = s.PROMPT_VARIABLE_PREFIX
    variables = {name.removeprefix(prefix): value for name, value in content.items() if name.startswith(prefix)}
    rest = {name: value for name, value in content.items() if not name.startswith(prefix)}
    return {**rest, input_name: variables} if variables else rest


def request_content(messages_: Any, system: Any, tools: Any) -> Content:
    """The content of a request to a model: messages, system instructions and definitions of tools."""
    made = Content(messages=messages(messages_) if messages_ is not None else None)
    if system is not None:
        made.instructions = _instructions(system)
    if tools is not None and not isinstance(tools, Iterator):  # an iterator is for the application's own call
        from ..protocols.openai.content import tools as definitions

        made.tools = definitions(as_list(tools))
    return made
