"""The notations that templates are written in: text and variables to text.

Each gives the variables of a template and a function that fills them in. A template may come out of a file or a hub,
so neither lets it look into the objects it is given.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import lru_cache
from string import Formatter
from typing import Any


class PromptError(ValueError):
    """A prompt that can't be used as it was asked to be."""


class Compiled:
    """A template ready to be filled in. ``required`` are variables it can't do without, ``variables`` all it knows."""

    __slots__ = ("render", "required", "variables")

    def __init__(
        self, variables: frozenset[str], required: frozenset[str], render: Callable[[Mapping[str, Any]], str]
    ) -> None:
        self.variables = variables
        self.required = required
        self.render = render


def compile_template(notation: str, template: str) -> Compiled:
    """
    :raises PromptError: for a template that is not well-formed.
    :raises ImportError: where the notation needs a package that is not installed.
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
    """The name of a field, which may be nothing but that."""
    shown = f"{{{name}}}"
    if not name.isidentifier():
        if name.partition(".")[0].partition("[")[0].isidentifier():
            raise PromptError(f"{shown} looks into a variable; give what it finds there as a variable of its own")
        if not name or name.isdecimal():
            raise PromptError(f"{shown} is positional; give the variable a name")
        raise PromptError(f"{shown} is no variable's name; literal braces are written {{{{ and }}}}")
    if "{" in spec:
        raise PromptError(f"the format of {shown} is itself a field; write it out")
    if conversion and conversion not in _CONVERSIONS:
        raise PromptError(f"{{{name}!{conversion}}} asks for an unknown conversion; there are !r, !s and !a")
    return name


def _readable(value: Any) -> bool:
    return not (value is None or callable(value) or isinstance(value, bytes | bytearray | Awaitable | Iterator))


def _text(name: str, value: Any, spec: str, conversion: str | None) -> str:
    if not _readable(value):
        raise TypeError(f"variable {name!r} is of type {type(value).__name__}, which is not for reading; give its text")
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

    def put_in(value: Any) -> Any:
        if _readable(value) or isinstance(value, Undefined):
            return value
        raise TypeError(f"a value of type {type(value).__name__} is not for reading; give its text")

    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True, finalize=put_in)


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
            raise PromptError(f"{error.message}; give that variable") from error
        except TemplateError as error:  # what the sandbox forbids
            raise PromptError(str(error)) from error

    # A variable may be optional ({% if x is defined %}): only filling the template in tells what is missing.
    return Compiled(frozenset(names - environment.globals.keys()), frozenset(), render)


_NOTATIONS: dict[str, Callable[[str], Compiled]] = {"format": _compile_format, "jinja2": _compile_jinja2}
NOTATIONS = tuple(_NOTATIONS)
