"""A prompt: a template with a name and a version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .. import semconv as s
from ..content.encoding import dumps
from . import linking
from .linking import PromptText
from .notation import NOTATIONS, Compiled, PromptError, compile_template
from .steps import note
from .use import Assignment, PromptUse, Template, prompt_attributes

if TYPE_CHECKING:
    from ..core.request import AttributeValue

Message = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt template. Its ``name`` and ``version`` are recorded on the calls that it leads to.

    ``template`` is a text, or chat messages: a list of ``{"role": ..., "content": ...}``. Its variables are written as
    for ``str.format``: ``{question}``, or with a format ``{price:.2f}``. With ``notation="jinja2"`` they are written as
    for Jinja2, which runs in its sandbox (needs the extra ``jinja``). ``label`` is the label by which the prompt was
    requested, such as ``production``. ``hash`` is 16 hexadecimal digits of the SHA-256 of the template, for messages of
    their JSON. ``assignment`` is set by :class:`.Experiment`.

    :raises TypeError: for an argument of the wrong type.
    :raises PromptError: (a ``ValueError``) for an empty name, version or label, an unknown notation, a malformed
        template and a list without messages.
    :raises ImportError: if ``notation="jinja2"`` and Jinja2 is not installed.
    """

    name: str
    version: str
    template: str | Sequence[Message] = field(hash=False)
    label: str | None = None
    notation: str = field(default="format", kw_only=True)
    #: The experiment and variant that this prompt belongs to. :class:`.Experiment` sets it.
    assignment: Assignment | None = field(default=None, kw_only=True)
    hash: str = field(init=False)
    _written: Template = field(init=False, repr=False, compare=False)
    _contents: tuple[Compiled, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for what in ("name", "version"):
            _check_name(what, getattr(self, what))
        if self.label is not None:
            _check_name("label", self.label)
        if not isinstance(self.notation, str):
            raise TypeError(f"{self}: notation must be a string, not {type(self.notation).__name__}")
        if self.notation not in NOTATIONS:
            raise PromptError(f"{self}: notation {self.notation!r} is not known; use one of {_listed(NOTATIONS)}")
        template = self.template if isinstance(self.template, str) else self._messages(self.template)
        contents = [template] if isinstance(template, str) else [message["content"] for message in template]
        try:
            compiled = tuple(compile_template(self.notation, content) for content in contents)
        except PromptError as error:
            raise PromptError(f"{self}: {error}") from error
        written = Template.of(template if isinstance(template, str) else dumps(template))
        for name, value in (
            ("template", template),
            ("hash", written.hash),
            ("_written", written),
            ("_contents", compiled),
        ):
            object.__setattr__(self, name, value)

    def _messages(self, template: Any) -> tuple[dict[str, str], ...]:
        if not isinstance(template, list | tuple):
            kind = type(template).__name__
            raise TypeError(f"{self}: template must be a string or a list of messages, not {kind}")
        if not template:
            raise PromptError(f"{self}: template has no message")
        for number, message in enumerate(template, 1):
            if not (
                isinstance(message, Mapping)
                and message.keys() == {"role", "content"}
                and all(isinstance(value, str) for value in message.values())
            ):
                raise TypeError(f'{self}: message {number} must be {{"role": ..., "content": ...}}, both strings')
        return tuple(dict(message) for message in template)

    def __str__(self) -> str:
        return f"prompt {self.name!r} version {self.version!r}"

    @property
    def variables(self) -> frozenset[str]:
        """The names of the variables that :meth:`format` accepts."""
        return frozenset().union(*(content.variables for content in self._contents))

    def format(self, /, **variables: Any) -> Any:
        """Fill in the template with ``variables``.

        Returns a text, or a list of messages ``{"role": ..., "content": ...}``, as the template is.

        Every returned text is a ``str`` that remembers its prompt. An inference that is given this text records the
        prompt, and so does the manual span in which the text is made.

        :raises PromptError: (a ``ValueError``) for a missing or an unknown variable.
        :raises TypeError: for a value that has no text, such as ``None``, or doesn't fit the format of its variable.
        """
        required = frozenset().union(*(content.required for content in self._contents))
        if missing := required - variables.keys():
            raise PromptError(f"{self}: {_counted('variable', missing)} missing: .format({_call(missing)})")
        if unknown := variables.keys() - self.variables:
            known = f"its variables are {_listed(self.variables)}" if self.variables else "it has none"
            raise PromptError(f"{self}: {_counted('variable', unknown)} not in the template; {known}")
        try:
            texts = [content.render(variables) for content in self._contents]
        except (PromptError, TypeError) as error:
            kind = PromptError if isinstance(error, PromptError) else TypeError
            raise kind(f"{self}: {error}") from error
        text_hashes = frozenset(hash(text) for text in texts if text)
        use = PromptUse(self._written, variables, self.name, self.version, self.label, self.assignment, text_hashes)
        made = [PromptText(text, use) for text in texts]
        linking.known.keep(made)
        note(use)
        if isinstance(self.template, str):
            return made[0]
        return [{"role": message["role"], "content": text} for message, text in zip(self.template, made, strict=True)]

    def attributes(self) -> dict[str, AttributeValue]:
        """The attributes of an inference with this prompt. ``otel_llm.propagate_attributes(prompt=...)`` uses them."""
        return {
            **prompt_attributes(self.name, self.version, self.label, self.assignment),
            s.LLM_PROMPT_TEMPLATE_HASH: self.hash,
        }

    def assigned(self, assignment: Assignment) -> Prompt:
        """A copy of this prompt with ``assignment``, the variant of an experiment that it belongs to."""
        return replace(self, assignment=assignment)

    def __reduce__(self) -> Any:
        # The compiled template can't be pickled, so the copy compiles it again.
        return _remade, (self.name, self.version, self.template, self.label, self.notation, self.assignment)


def _remade(
    name: str, version: str, template: Any, label: str | None, notation: str, assignment: Assignment | None
) -> Prompt:
    return Prompt(name, version, template, label, notation=notation, assignment=assignment)


def _check_name(what: str, value: object) -> None:
    if not isinstance(value, str):
        hint = f': write "{value}"' if isinstance(value, int | float) and not isinstance(value, bool) else ""
        raise TypeError(f"a prompt's {what} must be a string, not {type(value).__name__}{hint}")
    if not value.strip():
        raise PromptError(f"a prompt's {what} must not be empty")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _counted(what: str, names: Iterable[str]) -> str:
    names = sorted(names)
    return f"{what} {names[0]!r} is" if len(names) == 1 else f"{what}s {', '.join(map(repr, names))} are"


def _call(names: Iterable[str]) -> str:
    return ", ".join(f"{name}=..." for name in sorted(names))
