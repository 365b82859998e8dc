"""Leaves out the fields of content that are not to be recorded at all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .. import semconv as s
from .encoding import Json, dumps
from .messages import parsed

#: In the place of what is hidden inside of a message.
HIDDEN = "[HIDDEN]"
#: The attributes that are not recorded where a field is hidden. What is asked is also in the variables of its prompt.
_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "input": (s.INPUT_MESSAGES, s.LLM_STEP_INPUT, s.RETRIEVAL_QUERY_TEXT, s.LLM_PROMPT_TEMPLATE),
    "output": (s.OUTPUT_MESSAGES, s.LLM_STEP_OUTPUT),
    "system": (s.SYSTEM_INSTRUCTIONS, s.LLM_PROMPT_TEMPLATE),
    "tools": (s.TOOL_DEFINITIONS, s.TOOL_CALL_ARGUMENTS, s.TOOL_CALL_RESULT),
    "documents": (s.RETRIEVAL_DOCUMENTS,),
    "variables": (),
    "media": (),
}
#: How other libraries name such attributes, without the numbers and fields of each message.
_OTHERS: dict[str, tuple[str, ...]] = {
    "input": ("gen_ai.prompt", "llm.input_messages", "llm.prompts", "input.value", "traceloop.entity.input"),
    "output": ("gen_ai.completion", "llm.output_messages", "output.value", "traceloop.entity.output"),
    "tools": ("llm.request.functions", "llm.tools"),
    "documents": ("retrieval.documents",),
    "variables": ("llm.prompt_template.variables",),
}
_OF_OTHERS = re.compile(r"\.\d.*", re.DOTALL)
_MESSAGES = frozenset({s.INPUT_MESSAGES, s.OUTPUT_MESSAGES})
#: Earlier answers come again as input of the next call.
_ROLES = {"system": {"system", "developer"}, "output": {"assistant"}, "tools": {"tool"}}
_TOOL_PARTS = frozenset({"tool_call", "tool_call_response", "server_tool_call", "server_tool_call_response"})
_MEDIA_PARTS = frozenset({"blob", "uri", "file"})
#: What of a part tells no content.
_PLAIN = frozenset({"type", "id", "name", "modality", "mime_type", "byte_size", "finish_reason", "role"})


class Hiding:
    """What ``fields``, entries of ``OTEL_LLM_HIDE``, leave of content."""

    def __init__(self, fields: Iterable[str]) -> None:
        fields = frozenset(fields)
        self.attributes = frozenset(name for field in fields for name in _ATTRIBUTES[field])
        #: Whether an error's text may quote what is hidden.
        self.hides_errors = not fields.isdisjoint({"input", "output", "system", "documents", "variables", "tools"})
        self._others = frozenset(name for field in fields for name in _OTHERS.get(field, ()))
        self._variables = bool(fields & {"input", "variables"})
        self._roles = frozenset(role for field in fields for role in _ROLES.get(field, ()))
        kinds = (("tools", _TOOL_PARTS), ("media", _MEDIA_PARTS))
        self._parts = frozenset(kind for field, parts in kinds if field in fields for kind in parts)

    def hides(self, attribute: str) -> bool:
        """Whether the attribute of this name is not recorded."""
        if attribute in self.attributes or (self._variables and attribute.startswith(s.PROMPT_VARIABLE_PREFIX)):
            return True
        return bool(self._others) and _OF_OTHERS.sub("", attribute) in self._others

    def visible(self, content: Mapping[str, Json]) -> dict[str, Json]:
        """What of ``content``, which is by attribute, is recorded."""
        return {
            name: self._messages(value) if name in _MESSAGES else value
            for name, value in content.items()
            if not self.hides(name)
        }

    def _messages(self, messages: Json) -> Json:
        if not (self._roles or self._parts):
            return messages
        if isinstance(messages, str):  # on a span of another library
            return dumps(self._messages(parsed(messages)))
        if not isinstance(messages, list):
            return HIDDEN
        return [self._message(message) if isinstance(message, dict) else HIDDEN for message in messages]

    def _message(self, message: dict[str, Any]) -> Json:
        hides_all = message.get("role") in self._roles
        known: Json = message.get("parts")
        if not isinstance(known, list):
            return _marked(message) if hides_all else message
        return {**message, "parts": [self._part(part, hides_all) for part in known]}

    def _part(self, part: Json, hides_all: bool) -> Json:
        if not isinstance(part, dict):
            return HIDDEN
        if hides_all or part.get("type") in self._parts:
            return _marked(part)
        return part


def _marked(fields: dict[str, Any]) -> Json:
    """``fields`` with a mark in the place of all that may be content."""
    return {name: value if name in _PLAIN else HIDDEN for name, value in fields.items()}
