"""Finds the question, the answer, the documents and the prompt in the spans of a trace.

All of these are content, so they are found only if content was captured.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeGuard

from ... import semconv as s
from ...content.messages import parsed
from ..spans import SpanRecord

CONTENT = (
    s.INPUT_MESSAGES,
    s.OUTPUT_MESSAGES,
    s.SYSTEM_INSTRUCTIONS,
    s.TOOL_CALL_ARGUMENTS,
    s.TOOL_CALL_RESULT,
    s.RETRIEVAL_QUERY_TEXT,
    s.RETRIEVAL_DOCUMENTS,
    s.LLM_PROMPT_TEMPLATE,
    s.LLM_STEP_INPUT,
    s.LLM_STEP_OUTPUT,
)
#: The attributes with the input and output of a step.
STEP = frozenset({s.LLM_STEP_INPUT, s.LLM_STEP_OUTPUT, s.INPUT_MESSAGES, s.OUTPUT_MESSAGES})
#: The names that applications use for question, answer and documents among variables, arguments and results.
_QUERY = ("query", "question")
_ANSWER = ("answer",)
_CONTEXT = ("context",)
_OF_PROMPT = {
    "name": s.PROMPT_NAME,
    "version": s.PROMPT_VERSION,
    "hash": s.LLM_PROMPT_TEMPLATE_HASH,
    "template": s.LLM_PROMPT_TEMPLATE,
}


def captured(spans: Iterable[SpanRecord]) -> bool:
    """Whether any of the spans has content."""
    return any(
        name in CONTENT or name.startswith(s.PROMPT_VARIABLE_PREFIX) for span in spans for name in span.attributes
    )


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether ``value`` is a finite number. Attributes that other code sets may have any value, NaN included."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value - value == 0


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def messages(span: SpanRecord, name: str) -> list[dict[str, Any]]:
    found = parsed(span.attributes.get(name))
    return [message for message in found if isinstance(message, dict)] if isinstance(found, list) else []


def text(message: Mapping[str, Any]) -> str | None:
    """The text of a message, or ``None`` if it has none, as in a message that only calls tools."""
    parts = message.get("parts")
    said = [
        part["content"]
        for part in (parts if isinstance(parts, list) else ())
        if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("content"), str)
    ]
    return "\n".join(said) or None


def _last(found: Iterable[dict[str, Any]], role: str | None = None) -> str | None:
    said = [text(message) for message in found if role in (None, message.get("role"))]
    return next((one for one in reversed(said) if one), None)


def answer_of(call: SpanRecord) -> str | None:
    """The text of the last output message of a model, agent or workflow."""
    return _last(messages(call, s.OUTPUT_MESSAGES))


def _recorded(span: SpanRecord, step: str, given: str, names: Sequence[str]) -> str | None:
    """The input or output that a step recorded. Of several values it is the one with one of the ``names``."""
    text = span.attributes.get(step) or _last(messages(span, given), "user" if given == s.INPUT_MESSAGES else None)
    values = parsed(text)
    if not isinstance(values, dict):
        return text if isinstance(text, str) else None
    value = next((values[name] for name in names if name in values), None)
    if value is None and len(values) == 1:
        value = next(iter(values.values()))
    return None if value is None else _as_text(value)


def _variable(span: SpanRecord | None, names: Sequence[str]) -> str | None:
    for name in names if span is not None else ():
        if isinstance(value := span.attributes.get(s.PROMPT_VARIABLE_PREFIX + name), str):  # type: ignore[union-attr]
            return value
    return None


def query(around: Iterable[SpanRecord], first: SpanRecord | None, answering: SpanRecord | None) -> str | None:
    """The user's question.

    It is the input of the outermost step ``around`` the answer that recorded one. Otherwise it is the variable of the
    prompt with such a name, and otherwise the last user message of the ``first`` inference.
    """
    for span in around:
        if (found := _recorded(span, s.LLM_STEP_INPUT, s.INPUT_MESSAGES, _QUERY)) is not None:
            return found
    if (found := _variable(answering, _QUERY)) is not None:
        return found
    return None if first is None else _last(messages(first, s.INPUT_MESSAGES), "user")


def answer(around: Iterable[SpanRecord], answering: SpanRecord | None) -> str | None:
    """The answer: the output of the outermost step around it that recorded one, else of the ``answering`` inference."""
    for span in around:
        if (found := _recorded(span, s.LLM_STEP_OUTPUT, s.OUTPUT_MESSAGES, _ANSWER)) is not None:
            return found
    return None if answering is None else answer_of(answering)


def context(
    retrievals: Iterable[SpanRecord], around: Iterable[SpanRecord], answering: SpanRecord | None
) -> list[dict[str, Any]]:
    """The documents of the retrievals, each once.

    If some of them are in the input of the ``answering`` inference, only these are returned. Without retrievals it is
    what the application recorded under the name of the context.
    """
    found: dict[str, dict[str, Any]] = {}
    for document in _documents(retrievals):
        found.setdefault(str(document.get("id") or document.get("content")), document)
    if found:
        asked = "" if answering is None else "\n".join(filter(None, map(text, messages(answering, s.INPUT_MESSAGES))))
        return [one for one in found.values() if one.get("content") and one["content"] in asked] or list(found.values())
    for span in around:
        values = parsed(span.attributes.get(s.LLM_STEP_OUTPUT) or _last(messages(span, s.OUTPUT_MESSAGES)))
        named = next((values[name] for name in _CONTEXT if name in values), None) if isinstance(values, dict) else None
        if named:
            return [{"content": _as_text(one)} for one in (named if isinstance(named, list) else [named])]
    given = _variable(answering, _CONTEXT)
    return [{"content": given}] if given else []


def _documents(retrievals: Iterable[SpanRecord]) -> Iterator[dict[str, Any]]:
    for span in retrievals:
        listed = parsed(span.attributes.get(s.RETRIEVAL_DOCUMENTS))
        for given in listed if isinstance(listed, list) else ():
            if not isinstance(given, dict):
                continue
            document: dict[str, Any] = {
                key: _as_text(given[key]) for key in ("id", "content") if given.get(key) is not None
            }
            if is_number(score := given.get("score")):
                document["score"] = score
            if isinstance(metadata := given.get("metadata"), dict):
                document["metadata"] = metadata
            yield document


def prompt(span: SpanRecord | None) -> dict[str, Any]:
    """The prompt of an inference. Its template and variables are content; its name, version and hash are not."""
    if span is None:
        return {}
    known: dict[str, Any] = {
        key: value for key, name in _OF_PROMPT.items() if isinstance(value := span.attributes.get(name), str)
    }
    variables = {
        name.removeprefix(s.PROMPT_VARIABLE_PREFIX): value
        for name, value in span.attributes.items()
        if name.startswith(s.PROMPT_VARIABLE_PREFIX)
    }
    return {**known, "variables": variables} if variables else known
