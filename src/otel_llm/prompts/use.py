"""The use of a prompt template: what an inference says of the prompt it was given."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from .. import semconv as s
from ..content.encoding import Json, utf8
from ..content.messages import variables

if TYPE_CHECKING:
    from ..core.request import AttributeValue

MAX_NAME = 256
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


@dataclass(frozen=True, slots=True)
class Assignment:
    """The variant that an experiment assigned."""

    experiment: str
    variant: str

    def attributes(self) -> dict[str, AttributeValue]:
        return {s.LLM_EXPERIMENT_ID: self.experiment, s.LLM_EXPERIMENT_VARIANT: self.variant}


@dataclass(slots=True, eq=False, weakref_slot=True)
class PromptUse:
    """A template filled in with ``variables``. ``order`` grows with every use; ``words`` are the texts it made, by
    their hashes."""

    template: Template
    variables: Mapping[str, Any]
    name: str | None = None
    version: str | None = None
    label: str | None = None
    assignment: Assignment | None = None
    words: frozenset[int] = frozenset()
    order: int = field(default_factory=lambda: next(_order))

    def attributes(self) -> dict[str, AttributeValue]:
        """What is on the inference whether or not content is captured."""
        attributes = named(self.name, self.version, self.label, self.assignment)
        attributes[s.LLM_PROMPT_TEMPLATE_HASH] = self.template.hash
        attributes[s.LLM_PROMPT_VARIABLES_COUNT] = len(self.variables)
        return attributes

    def content(self) -> dict[str, Json]:
        """The template's text, and the variables as text."""
        return {s.LLM_PROMPT_TEMPLATE: self.template.text, **variables(self.variables)}


def named(
    name: str | None, version: str | None, label: str | None, assignment: Assignment | None
) -> dict[str, AttributeValue]:
    """What a prompt is called, as attributes."""
    attributes: dict[str, AttributeValue] = {}
    if name:
        attributes[s.PROMPT_NAME] = utf8(name)[:MAX_NAME]
        if version:
            attributes[s.PROMPT_VERSION] = utf8(version)[:MAX_NAME]
        if label:
            attributes[s.LLM_PROMPT_LABEL] = utf8(label)[:MAX_NAME]
    if assignment is not None:
        attributes.update(assignment.attributes())
    return attributes
