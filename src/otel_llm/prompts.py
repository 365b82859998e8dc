"""The use of a prompt template: what an inference says of the prompt it was given."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from . import semconv as s
from .call import AttributeValue
from .messages import Json, utf8, variables

_MAX_NAME = 256
_HASH_CHARACTERS = 16
_order = count()


@dataclass(frozen=True, slots=True)
class Template:
    """A template's text, in whatever notation it is written, and the hash by which its uses are told apart."""

    text: str
    hash: str

    @classmethod
    def of(cls, text: str) -> Template:
        return cls(text, hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:_HASH_CHARACTERS])


@dataclass(slots=True)
class PromptUse:
    """A template filled in with ``variables``. ``order`` grows with every use."""

    template: Template
    variables: Mapping[str, Any]
    name: str | None = None
    version: str | None = None
    order: int = field(default_factory=lambda: next(_order))

    def attributes(self) -> dict[str, AttributeValue]:
        """What is on the inference whether or not content is captured."""
        attributes: dict[str, AttributeValue] = {
            s.LLM_PROMPT_TEMPLATE_HASH: self.template.hash,
            s.LLM_PROMPT_VARIABLES_COUNT: len(self.variables),
        }
        if self.name:
            attributes[s.PROMPT_NAME] = utf8(self.name)[:_MAX_NAME]
            if self.version:
                attributes[s.PROMPT_VERSION] = utf8(self.version)[:_MAX_NAME]
        return attributes

    def content(self) -> dict[str, Json]:
        """The template's text, and the variables as text."""
        return {s.LLM_PROMPT_TEMPLATE: self.template.text, **variables(self.variables)}
