"""One use of a prompt template, and what an inference records about it."""

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
    """The text of a template in any notation, and its hash: 16 hexadecimal digits of the SHA-256."""

    text: str
    hash: str

    @classmethod
    def of(cls, text: str) -> Template:
        """The template with this text."""
        return cls(text, hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:_HASH_CHARACTERS])


@dataclass(frozen=True, slots=True)
class Assignment:
    """The variant that an experiment assigned to a key."""

    experiment: str
    variant: str

    def attributes(self) -> dict[str, AttributeValue]:
        """The attributes that record the assignment."""
        return {s.LLM_EXPERIMENT_ID: self.experiment, s.LLM_EXPERIMENT_VARIANT: self.variant}


@dataclass(slots=True, eq=False, weakref_slot=True)
class PromptUse:
    """One use of a template, filled in with ``variables``.

    ``text_hashes`` are the hashes (Python's ``hash``) of the texts that it made. ``order`` increases with every use.
    """

    template: Template
    variables: Mapping[str, Any]
    name: str | None = None
    version: str | None = None
    label: str | None = None
    assignment: Assignment | None = None
    text_hashes: frozenset[int] = frozenset()
    order: int = field(default_factory=lambda: next(_order))

    def attributes(self) -> dict[str, AttributeValue]:
        """The attributes of an inference with this prompt, without content."""
        attributes = prompt_attributes(self.name, self.version, self.label, self.assignment)
        attributes[s.LLM_PROMPT_TEMPLATE_HASH] = self.template.hash
        attributes[s.LLM_PROMPT_VARIABLES_COUNT] = len(self.variables)
        return attributes

    def content(self) -> dict[str, Json]:
        """The content attributes of an inference with this prompt: the template and the variables, as text."""
        return {s.LLM_PROMPT_TEMPLATE: self.template.text, **variables(self.variables)}


def prompt_attributes(
    name: str | None, version: str | None, label: str | None, assignment: Assignment | None
) -> dict[str, AttributeValue]:
    """The attributes that name a prompt: name, version, label, experiment and variant. What is unknown is absent."""
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
