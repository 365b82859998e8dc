"""The documentation holds: its examples run, its tables name what exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import otel_llm
from interpreter import python, stand_ins
from otel_llm import Settings, config, semconv
from otel_llm.config.warnings import shown

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXAMPLES = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(_BLOCK.findall(page.read_text()), 1)
]


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """That of a program which talks to the stand-ins."""
    with stand_ins() as environment:
        yield environment


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs(example: str, environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    python("-c", example, cwd=tmp_path, **environment)


def test_every_setting_has_a_row_in_the_configuration() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    rows = re.findall(r"^\| `(OTEL_[A-Z_]+)` \| `([a-z_]+)` \| .+ \| `(\S+)` \|$", page, re.MULTILINE)
    defaults = Settings()
    assert rows == [(variable, name, shown(getattr(defaults, name))) for name, variable in config.variables().items()]
    assert "docs/configuration.md" in (ROOT / "README.md").read_text()


def test_the_pages_name_only_variables_that_are_settings() -> None:
    named = set(re.findall(r"\bOTEL_LLM_[A-Z_]+\b", "".join(page.read_text() for page in PAGES)))
    assert named
    assert named - set(config.variables().values()) == set()


def test_the_readme_names_only_metrics_and_own_attributes_that_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    names = {value for value in vars(semconv).values() if isinstance(value, str)}
    named = set(re.findall(r"`((?:otel_llm|gen_ai\.client)\.[a-z_.]+[a-z])`", readme))
    assert named
    assert named - names == set()


def test_the_readme_has_every_own_attribute_and_metric() -> None:
    text = "".join(page.read_text() for page in PAGES)
    own = {value for name, value in vars(semconv).items() if name.isupper() and str(value).startswith("otel_llm.")}
    assert {name for name in own if name not in text and f"`.{name.rpartition('.')[2]}`" not in text} == set()


def test_the_prose_has_no_words_of_the_past() -> None:
    """A newcomer understands each sentence at first reading. A machine finds only the coarsest offences."""
    words = re.compile(r"\b(whom|whence|whither|meanwhile|wherein|therein|thereof|hereof|lest|nought|amongst)\b", re.I)
    files = [*PAGES, ROOT / "CHANGELOG.md"]
    for folder, pattern in (("src", "*.py"), ("examples", "*.py"), ("collector", "*.yaml")):
        files += (ROOT / folder).rglob(pattern)
    found = [f"{path.name}: {match[0]}" for path in files for match in words.finditer(path.read_text())]
    assert found == []


def test_the_changelog_knows_the_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in changelog or f"## [{otel_llm.__version__}]" in changelog
