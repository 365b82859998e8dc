"""docs/api.md names what is public, all of it and nothing else, and what is public is documented."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import GenericAlias
from typing import Any

import pytest

import otel_llm
from interpreter import python
from otel_llm import evaluation, guardrails, log_correlation

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "api.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def _rows(section: str) -> list[str]:
    """The first column of the section's tables."""
    return [name for name in re.findall(r"^\| (.+?) \|", SECTIONS[section], re.MULTILINE) if name.startswith("`")]


def _names(section: str) -> list[str]:
    return [name.strip("`") for name in _rows(section)]


@pytest.mark.parametrize("module", [otel_llm, evaluation, guardrails], ids=lambda module: module.__name__)
def test_the_page_has_every_public_name_once(module: Any) -> None:
    assert sorted(_names(f"`{module.__name__}`")) == sorted(module.__all__)


def test_the_page_has_what_puts_ids_on_logs() -> None:
    own = {
        name
        for name, value in vars(log_correlation).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == log_correlation.__name__
    }
    assert set(_names("`otel_llm.log_correlation`")) == own


@pytest.mark.parametrize(
    "module", [otel_llm, evaluation, guardrails, log_correlation], ids=lambda module: module.__name__
)
def test_every_public_name_has_a_docstring(module: Any) -> None:
    without = []
    for name in _names(f"`{module.__name__}`"):
        value = getattr(module, name)
        if isinstance(value, (str, GenericAlias)):  # constants, and the name of a type of the standard library's
            continue
        if not inspect.getdoc(value):
            without.append(name)
        for method, function in vars(value).items() if inspect.isclass(value) else ():
            public = not method.startswith("_") and (inspect.isroutine(function) or isinstance(function, property))
            if public and not inspect.getdoc(getattr(value, method)):
                without.append(f"{name}.{method}")
    assert without == []


#: These are described elsewhere: the settings on their page, the others are made by functions of the package.
_NOT_CALLED_BY_USERS = {"Settings", "PromptLog", "Rule"}


def _callables(module: Any) -> Iterator[tuple[str, Any, str]]:
    """The public functions and methods of ``module`` that it defines itself, with their docstrings."""
    for name in _names(f"`{module.__name__}`"):
        value = getattr(module, name)
        if inspect.isfunction(value):
            yield name, value, inspect.getdoc(value) or ""
        if not inspect.isclass(value) or isinstance(value, GenericAlias) or issubclass(value, (Enum, Exception)):
            continue
        if "__init__" in vars(value) and name not in _NOT_CALLED_BY_USERS and not getattr(value, "_is_protocol", False):
            yield name, value.__init__, inspect.getdoc(value) or ""
        for method in vars(value):
            if not method.startswith("_") and inspect.isroutine(getattr(value, method)):
                yield f"{name}.{method}", getattr(value, method), inspect.getdoc(getattr(value, method)) or ""


@pytest.mark.parametrize("module", [otel_llm, evaluation, guardrails], ids=lambda module: module.__name__)
def test_every_parameter_is_in_the_docstring(module: Any) -> None:
    missing = [
        f"{name}: {parameter}"
        for name, function, docstring in _callables(module)
        for parameter in inspect.signature(function).parameters.keys() - {"self", "cls"}
        if not re.search(rf"(?:``|:param ){parameter}\b", docstring)
    ]
    assert missing == []


def test_the_page_has_every_command() -> None:
    usage = python("-m", "otel_llm.cli", "--help", cwd=ROOT).stdout
    commands = re.findall(r"^    (\w+)\s", usage.partition("commands:")[2], re.MULTILINE)
    assert commands
    assert sorted(_names("The `otel-llm` command")) == sorted(f"otel-llm {command}" for command in commands)


def test_the_page_has_every_entry_point() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", SECTIONS["Entry points"], re.MULTILINE)
    named = {group: set(re.findall(r"`(\w+)`", names)) for group, names in rows}
    assert named == {group: set(names) for group, names in declared.items()}


@pytest.mark.parametrize("module", ["otel_llm", "otel_llm.evaluation", "otel_llm.guardrails"])
def test_what_is_imported_later_is_listed_before(module: str) -> None:
    """Completion in a shell asks ``dir``."""
    program = f"import {module} as m; print(set(m.__all__) - set(dir(m)))"
    assert python("-c", program).stdout.strip() == "set()"
