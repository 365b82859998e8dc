"""The application's values as content attributes: plain JSON, by the schemas of the conventions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from .. import semconv as s
from ..content.encoding import Json, dumps
from ..content.messages import Content, parsed, text
from . import items
from .requests import several

#: Of something that is not told; ``None`` is.
NOTHING: Any = object()


def of(name: str, value: Any) -> dict[str, Json]:
    """``value`` as the content attribute ``name``."""
    if name in (s.INPUT_MESSAGES, s.OUTPUT_MESSAGES):
        return {name: messages(value) if name == s.INPUT_MESSAGES else output(value, "stop")}
    if name == s.RETRIEVAL_DOCUMENTS:
        return {name: documents(value)}
    if name in (s.TOOL_CALL_ARGUMENTS, s.TOOL_CALL_RESULT):
        return {name: _object(value, "result" if name == s.TOOL_CALL_RESULT else "input")}
    return {name: plain(value)}


def of_items(name: str, yielded: list[Any]) -> dict[str, Json]:
    """What a generator has ``yielded`` as the content attribute ``name``; empty if that is no text at all."""
    told = items.output_of(yielded)
    return {} if told is items.NOTHING else of(name, told)


def plain(value: Any) -> Json:
    """A text as it is; a mapping or a list as JSON; of anything else its JSON text."""
    value = _structured(value)
    return value if isinstance(value, str | dict | list) else dumps(value)


def _structured(value: Any) -> Json:
    """``value`` in plain types, where it is an object with fields, or a collection."""
    if isinstance(value, str | bool | int | float | dict | list | None):
        return value
    return json.loads(dumps(list(value) if isinstance(value, tuple | set | frozenset) else value))


def _object(value: Any, name: str) -> Json:
    """What the conventions want an object: anything else under ``name``."""
    value = _structured(parsed(value))
    return value if isinstance(value, dict) else {name: value}


def messages(value: Any, role: str = "user") -> list[Json]:
    """Messages of the conventions' shape, or OpenAI's; of anything else a message of ``role``."""
    several = isinstance(value, list | tuple) and all(isinstance(one, Mapping) and "role" in one for one in value)
    return [_message(one, role) for one in (value if several else [value])]


def output(value: Any, reason: str | None) -> list[Json]:
    """Messages that were answered, each with the reason it ends for."""
    made = messages(value, "assistant")
    return [{**one, "finish_reason": one.get("finish_reason") or reason or "error"} for one in made]


def _message(value: Any, role: str) -> Json:
    if isinstance(value, Mapping) and "role" in value:
        if "parts" in value:
            return dict(value)
        from ..protocols.openai.content import MessageConverter  # its shape of a message is everybody's

        return MessageConverter().message(value)
    return {"role": role, "parts": [text(value if isinstance(value, str) else plain(value))]}


def _instructions(value: Any) -> list[Json]:
    """Parts of the conventions' shape, or of a provider's; of anything else, messages included, the words."""
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
    """Documents: texts, mappings (``id`` and ``score`` have a meaning), and LangChain's."""
    if isinstance(values, str | Mapping) or not isinstance(values, Iterable):
        values = [values]
    return [_document(one) for one in values]


def _document(value: Any) -> Json:
    if hasattr(value, "page_content"):
        about = getattr(value, "metadata", None) or {}
        value = {"id": getattr(value, "id", None) or about.get("id"), "content": value.page_content, "metadata": about}
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
            del document["score"]  # the conventions want a number
    return document


def of_prompt(words: Mapping[str, Json], variables: str | None) -> dict[str, Json]:
    """The text and the variables of a prompt; on a step these are what goes in."""
    if variables != s.LLM_STEP_INPUT:
        return dict(words)
    prefix = s.PROMPT_VARIABLE_PREFIX
    values = {name.removeprefix(prefix): value for name, value in words.items() if name.startswith(prefix)}
    rest = {name: value for name, value in words.items() if not name.startswith(prefix)}
    return {**rest, variables: values} if values else rest


def asked(messages_: Any, system: Any, tools: Any) -> Content:
    """What a model is asked."""
    made = Content(messages=messages(messages_) if messages_ is not None else None)
    if system is not None:
        made.instructions = _instructions(system)
    if tools is not None:
        from ..protocols.openai.content import tools as definitions

        made.tools = definitions(several(tools))
    return made
