"""Links prompt templates to the inferences that use them.

When a template is filled in, its use is noted for the messages or the prompt value that it makes. An inference that
gets these objects finds the use by their identity, whichever way they came: through a chain, the state of a graph, or
variables of the application. The objects are referenced weakly, so nothing is kept alive.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from ... import guard
from ...content.encoding import dumps
from ...prompts import PromptUse, Template
from . import content

#: What identifies a prompt in metadata.
_IDENTITY = ("prompt_name", "prompt_version", "lc_hub_repo", "lc_hub_owner", "lc_hub_commit_hash")


class IdentityMap:
    """Maps objects to values by identity. The objects are referenced weakly."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Any], Any]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def put(self, key: Any, value: Any, name: int | None = None) -> None:
        """Store ``value`` for ``key`` as long as ``key`` lives, under its identity or under ``name``."""
        number = id(key) if name is None else name
        self._known[number] = (weakref.ref(key, partial(self._dropped, number)), value)

    def get(self, key: Any) -> Any:
        entry = self._known.get(id(key))
        return entry[1] if entry is not None and entry[0]() is key else None

    def named(self, name: int) -> tuple[Any, Any]:
        """The key stored under ``name``, and its value."""
        entry = self._known.get(name)
        return (None, None) if entry is None else (entry[0](), entry[1])

    def _dropped(self, number: int, reference: Any) -> None:
        entry = self._known.get(number)
        if entry is not None and entry[0] is reference:
            del self._known[number]


class Templates:
    """Wrappers of the functions that fill in a template, and the uses that they have noted."""

    def __init__(
        self, active: Callable[[], bool], captures: Callable[[], bool], metadata: Callable[[], Mapping[str, Any]]
    ) -> None:
        self._active = active
        self._captures = captures
        self._metadata = metadata
        self._uses = IdentityMap()
        self._templates = IdentityMap()

    def __len__(self) -> int:
        return len(self._uses) + len(self._templates)

    # --- wrapped functions ---------------------------------------------------------------------

    def format(self, wrapped: Callable[..., Any], template: Any, args: Any, kwargs: Any) -> Any:
        """A template's ``format_messages`` or ``format_prompt``."""
        made = wrapped(*args, **kwargs)
        if self._active():
            self._note(template, kwargs, made)
        return made

    async def aformat(self, wrapped: Callable[..., Any], template: Any, args: Any, kwargs: Any) -> Any:
        made = await wrapped(*args, **kwargs)
        if self._active():
            self._note(template, kwargs, made)
        return made

    def to_messages(self, wrapped: Callable[..., Any], value: Any, args: Any, kwargs: Any) -> Any:
        """``to_messages`` of a text prompt, which turns it into a new message."""
        made = wrapped(*args, **kwargs)
        if (use := self._uses.get(value)) is not None:
            for message in made:
                self._uses.put(message, use)
        return made

    def traced(self, wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
        """``_format_for_tracing``, which copies a message with an image or a file for the callbacks."""
        made = wrapped(*args, **kwargs)
        self._note_copies(args, made)
        return made

    # --- finding -----------------------------------------------------------------------------------

    def behind_messages(self, messages: Iterable[Any]) -> PromptUse | None:
        """The latest use that ``messages`` were made by. Earlier ones belong to earlier turns of the conversation."""
        uses = [use for message in messages if (use := self._uses.get(message)) is not None]
        return max(uses, key=lambda use: use.order, default=None)

    def behind_text(self, prompt: str) -> PromptUse | None:
        value, use = self._uses.named(id(prompt))
        return use if value is not None and getattr(value, "text", None) is prompt else None

    # --- noting ------------------------------------------------------------------------------------

    @guard.never_raise
    def _note(self, template: Any, given: Mapping[str, Any], made: Any) -> None:
        variables = _variables(template, given, self._captures())
        use = PromptUse(self._template(template), variables, *self._identity(template))
        if isinstance(made, list):
            # Messages in a placeholder are the application's. A later call may use them without this template.
            theirs = {id(one) for value in given.values() if isinstance(value, list | tuple) for one in value}
            for message in made:
                if id(message) not in theirs:
                    self._uses.put(message, use)
        else:
            self._uses.put(made, use)
            if isinstance(words := getattr(made, "text", None), str):
                self._uses.put(made, use, name=id(words))

    @guard.never_raise
    def _note_copies(self, args: Any, made: Any) -> None:
        for message, copy in zip(args[0] if args else (), made, strict=False):
            if copy is not message and (use := self._uses.get(message)) is not None:
                self._uses.put(copy, use)

    def _template(self, template: Any) -> Template:
        known: Template | None = self._templates.get(template)
        if known is None:
            known = Template.of(text_of(template))
            self._templates.put(template, known)
        return known

    def _identity(self, template: Any) -> tuple[str | None, str | None]:
        name, version = identity(getattr(template, "metadata", None) or {})
        if name is None or version is None:
            name_of_run, of_run = identity(self._metadata())
            name, version = name or name_of_run, version or of_run
        return name or getattr(template, "name", None), version


def identity(metadata: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Name and version of a prompt in the metadata of a run or a template: set as such, or by the prompt hub.

    Either may be ``None``. A version without a name belongs to a template whose name is known from elsewhere.
    """
    name, version, repo, owner, commit = map(metadata.get, _IDENTITY)
    given = None if version is None else str(version)
    commit = commit if isinstance(commit, str) else None
    if isinstance(name, str) and name:
        return name, given or commit
    if isinstance(repo, str) and repo:
        return f"{owner}/{repo}" if isinstance(owner, str) and owner not in ("", "-") else repo, commit or given
    return None, given or commit


def text_of(template: Any) -> str:
    """The source of the template: a text, or the messages as JSON."""
    written = _written(template)
    return written if isinstance(written, str) else dumps(written)


def _written(part: Any) -> Any:
    """A template, the template of a message, or a message, in plain types."""
    if isinstance(part, list | tuple):
        return [_written(one) for one in part]
    if isinstance(part, dict | str):
        return part
    if isinstance(text := getattr(part, "template", None), str | dict):
        return text
    if (examples := getattr(part, "example_prompt", None)) is not None:
        fields = {name: getattr(part, name, None) for name in ("prefix", "examples", "suffix")}
        shown = {name: _written(value) for name, value in fields.items() if value}
        return {**shown, "example_prompt": _written(examples)}
    if (inner := getattr(part, "messages", None)) is not None:
        return _written(inner)
    if (inner := getattr(part, "prompt", None)) is not None:
        return {"role": _role(part), "content": _written(inner)}
    if (variable := getattr(part, "variable_name", None)) is not None:
        return {"role": "placeholder", "content": f"{{{variable}}}"}
    if hasattr(part, "content"):
        return {"role": content.message(part, False)["role"], "content": part.content}
    return type(part).__qualname__


def _role(part: Any) -> str:
    name = type(part).__name__.removesuffix("MessagePromptTemplate").lower()
    return {"human": "user", "ai": "assistant", "chat": str(getattr(part, "role", "chat"))}.get(name, name)


def _variables(template: Any, given: Mapping[str, Any], values: bool) -> dict[str, Any]:
    """The variables of the template, those filled in before included. Without ``values``, only their names."""
    known = [*getattr(template, "input_variables", ()), *(getattr(template, "optional_variables", None) or ())]
    # A function that provides a variable was called already. Calling it again could have side effects.
    before = {
        name: "[computed]" if callable(value) else value
        for name, value in (getattr(template, "partial_variables", None) or {}).items()
        if name not in given
    }
    return {**before, **{name: _value(given[name]) if values else None for name in known if name in given}}


def _value(value: Any) -> Any:
    if isinstance(value, list | tuple) and any(hasattr(one, "content") for one in value):
        return content.messages(value, False)
    return value if isinstance(value, str) else str(value)
