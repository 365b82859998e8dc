"""The notations of templates: ``str.format`` and Jinja2.

A notation finds the variables of a template and makes a function that fills them in. Because a template may come from
a file or a hub, it can't access attributes of the values: ``str.format`` is limited to plain names, Jinja2 runs in its
sandbox.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import lru_cache
from string import Formatter
from typing import Any


class PromptError(ValueError):
    """A prompt can't be used as requested: the template is malformed, or a variable is missing or unknown."""


class Compiled:
    """A template that is ready to be filled in.

    ``variables`` are the names of all its variables, ``required`` of those that must be given.
    """

    __slots__ = ("render", "required", "variables")

    def __init__(
        self, variables: frozenset[str], required: frozenset[str], render: Callable[[Mapping[str, Any]], str]
    ) -> None:
        self.variables = variables
        self.required = required
        self.render = render


def compile_template(notation: str, template: str) -> Compiled:
    """Compile ``template``, which is written in ``notation`` (one of :data:`NOTATIONS`).

    :raises PromptError: for a malformed template.
    :raises ImportError: if the notation needs a package that is not installed.
    """
    return _NOTATIONS[notation](template)


# --- str.format ----------------------------------------------------------------------------------


def _compile_format(template: str) -> Compiled:
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as error:
        raise PromptError(f"{error}; literal braces are written {{{{ and }}}}") from None
    names = frozenset(_field(name, spec or "", conversion) for _, name, spec, conversion in pieces if name is not None)

    def render(values: Mapping[str, Any]) -> str:
        made = []
        for literal, name, spec, conversion in pieces:
            made.append(literal)
            if name is not None:
                made.append(_text(name, values[name], spec or "", conversion))
        return "".join(made)

    return Compiled(names, names, render)


_CONVERSIONS: dict[str, Callable[[object], str]] = {"r": repr, "s": str, "a": ascii}


def _field(name: str, spec: str, conversion: str | None) -> str:
    """Check a field of a template and return its name."""
    shown = f"{{{name}}}"
    if not name.isidentifier():
        if name.partition(".")[0].partition("[")[0].isidentifier():
            raise PromptError(f"{shown} accesses a part of a variable; pass that part as a variable of its own")
        if not name or name.isdecimal():
            raise PromptError(f"{shown} is positional; write the name of a variable")
        raise PromptError(f"{shown} is not a variable's name; literal braces are written {{{{ and }}}}")
    if "{" in spec:
        raise PromptError(f"the format of {shown} contains a field; write the format out")
    if conversion and conversion not in _CONVERSIONS:
        raise PromptError(f"{{{name}!{conversion}}} has an unknown conversion; use !r, !s or !a")
    return name


def _has_text(value: Any) -> bool:
    """Whether ``value`` has a text that people can read. ``None``, bytes, functions and coroutines have none."""
    return not (value is None or callable(value) or isinstance(value, bytes | bytearray | Awaitable | Iterator))


def _text(name: str, value: Any, spec: str, conversion: str | None) -> str:
    if not _has_text(value):
        raise TypeError(f"variable {name!r} is of type {type(value).__name__}, which has no text; pass a text")
    if conversion:
        value = _CONVERSIONS[conversion](value)
    try:
        return format(value, spec)
    except (TypeError, ValueError) as error:
        raise TypeError(f"variable {name!r} of type {type(value).__name__} does not fit {{{name}:{spec}}}") from error


# --- Jinja2 --------------------------------------------------------------------------------------


@lru_cache(1)
def _environment() -> Any:
    try:
        from jinja2 import StrictUndefined, Undefined
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ImportError:
        raise ImportError('prompts in the notation "jinja2" need Jinja2: pip install "otel-llm[jinja]"') from None

    def checked(value: Any) -> Any:
        if _has_text(value) or isinstance(value, Undefined):
            return value
        raise TypeError(f"a value of type {type(value).__name__} has no text; pass a text")

    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True, finalize=checked)


def _compile_jinja2(template: str) -> Compiled:
    environment = _environment()
    from jinja2 import TemplateError, UndefinedError, meta

    try:
        names = meta.find_undeclared_variables(environment.parse(template))
        compiled = environment.from_string(template)
    except TemplateError as error:
        raise PromptError(str(error)) from error

    def render(values: Mapping[str, Any]) -> str:
        try:
            return str(compiled.render(values))
        except UndefinedError as error:
            raise PromptError(f"{error.message}; pass that variable") from error
        except TemplateError as error:  # the sandbox forbids something
            raise PromptError(str(error)) from error

    # None is required: a variable may be optional ({% if x is defined %}), so only rendering shows what is missing.
    return Compiled(frozenset(names - environment.globals.keys()), frozenset(), render)


_NOTATIONS: dict[str, Callable[[str], Compiled]] = {"format": _compile_format, "jinja2": _compile_jinja2}
NOTATIONS = tuple(_NOTATIONS)
