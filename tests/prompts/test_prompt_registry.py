"""Prompts are read from files, found by version and label, and what is wrong with a file is said with its name."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from otel_llm import Prompt, PromptError, PromptNotFoundError, PromptRegistry
from otel_llm.prompts.registry import version_order

RAG = """\
version: 1
template: "Answer {question}"
---
version: "2"
labels: [production]
messages:
  - role: system
    content: You are {who}.
  - role: user
    content: |
      {question}
---
version: "10"
labels: [staging, "next"]
notation: jinja2
template: "{{ question }}"
"""
EXPAND = """\
---
name: expand
version: 1.0-rc1
---

# Queries

Write {n} queries for: {question}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rag.yaml").write_text(RAG)
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "any.md").write_text(EXPAND)
    (tmp_path / "queries" / "expand-1.0.yml").write_text("{name: expand, version: '1.0', template: x}")
    (tmp_path / "notes.txt").write_text("no prompt")
    (tmp_path / "README.md").write_text("no prompt")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "old.yaml").write_text("no prompt")
    return tmp_path


def test_what_is_in_a_folder(folder: Path) -> None:
    registry = PromptRegistry(str(folder))
    assert registry.names == ["expand", "rag"]
    assert registry.versions("rag") == ["1", "2", "10"]
    assert registry.versions("expand") == ["1.0-rc1", "1.0"]


def test_the_default_is_production_or_else_the_highest(folder: Path) -> None:
    registry = PromptRegistry(folder)
    assert (registry.get("rag").version, registry.get("rag").label) == ("2", "production")
    assert (registry.get("expand").version, registry.get("expand").label) == ("1.0", None)


def test_by_version_and_by_label(folder: Path) -> None:
    registry = PromptRegistry(folder)
    assert registry.get("rag", version="1") == Prompt("rag", "1", "Answer {question}")
    staging = registry.get("rag", label="staging")
    assert staging == Prompt("rag", "10", "{{ question }}", "staging", notation="jinja2")
    assert staging.attributes()["otel_llm.prompt.label"] == "staging"
    assert registry.get("rag", label="next").format(question="Why?") == "Why?"


def test_a_prompt_of_markdown(folder: Path) -> None:
    prompt = PromptRegistry(folder).get("expand", "1.0-rc1")
    assert prompt.format(n=3, question="Why?") == "# Queries\n\nWrite 3 queries for: Why?"


def test_messages_of_yaml(folder: Path) -> None:
    assert PromptRegistry(folder).get("rag").format(who="a poet", question="Why?") == [
        {"role": "system", "content": "You are a poet."},
        {"role": "user", "content": "Why?\n"},
    ]


def test_what_there_is_not(folder: Path) -> None:
    registry = PromptRegistry(folder)
    with pytest.raises(PromptNotFoundError, match=r"no prompt 'rga' in .*, only expand, rag"):
        registry.get("rga")
    with pytest.raises(PromptNotFoundError, match="prompt 'rag' has no version '3', only 1, 2, 10"):
        registry.get("rag", "3")
    with pytest.raises(PromptNotFoundError, match="prompt 'rag' has no label 'canary', only production, staging, next"):
        registry.get("rag", label="canary")
    with pytest.raises(PromptNotFoundError, match="prompt 'expand' has no label 'canary', and no other"):
        registry.get("expand", label="canary")
    with pytest.raises(LookupError):
        registry.versions("rga")
    with pytest.raises(TypeError, match="not for both"):
        registry.get("rag", "1", "production")
    with pytest.raises(TypeError, match="version of a prompt is a string, not int"):
        registry.get("rag", 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.yaml", "version: '1'\ntempalte: x", "unknown tempalte; a prompt has labels, messages, name"),
        ("a.yaml", "template: x", "no version"),
        ("a.yaml", "version: '1'", "either a template or messages"),
        ("a.yaml", "version: '1'\ntemplate: x\nmessages: []", "either a template or messages"),
        ("a.yaml", "version: 1.10\ntemplate: x", "version 1.1 must be in quotes, as YAML reads it as a float"),
        ("a.yaml", "version: 2026-11-21\ntemplate: x", "must be in quotes, as YAML reads it as a date"),
        ("a.yaml", "version: true\ntemplate: x", "must be in quotes"),
        ("a.yaml", "version: '1'\ntemplate: '{a.b}'", "prompt 'a' version '1': {a.b} accesses"),
        ("a.yaml", "version: '1'\ntemplate: 5", "must be a string or a list of messages, not int"),
        ("a.yaml", "version: '1'\nmessages: x", "messages must be a list"),
        ("a.yaml", "version: '1'\nmessages: [{role: user}]", "message 1"),
        ("a.yaml", "version: '1'\nlabels: production\ntemplate: x", "labels must be a list of strings"),
        ("a.yaml", "version: '1'\nnotation: erb\ntemplate: x", "notation 'erb' is not known"),
        ("a.yaml", "version: '1'\nnotation: [x]\ntemplate: x", "notation must be a string, not list"),
        ("a.yaml", "name: 5\nversion: '1'\ntemplate: x", "name must be a string"),
        ("a.yaml", "a: [", "not valid YAML"),
        ("a.yaml", "!!python/object/apply:os.getcwd []", "not valid YAML"),
        ("a.yaml", "- x", "a prompt is a mapping of fields, not list"),
        ("a.yaml", "version: '1'\ntemplate: x\n---\nversion: '1'\ntemplate: y", "prompt 'a' version '1' is also in"),
        (
            "a.yaml",
            "version: '1'\nlabels: [production]\ntemplate: x\n---\nversion: '2'\nlabels: [production]\ntemplate: y",
            "label 'production' is on version '1' already",
        ),
        ("a.yaml", "version: '1'\ntemplate: x\nversion: '2'\ntemplate: y", "template, version is there twice; put"),
        ("a.yaml", "version: 2026-13-01\ntemplate: x", "month must be in 1..12"),
        ("a.yaml", "[" * 5000, "recursion"),
        ("a.md", "---\nversion: '1'\n-----\nHello", "no front matter"),
        ("a.md", "Hello {name}", "no front matter"),
        ("a.md", "---\nversion: '1'\nHello", "no front matter"),
        ("a.md", "---\nversion: '1'\ntemplate: x\n---\nHello", "the template is the text below"),
        ("a.md", "---\n---\nHello", "no version"),
    ],
)
def test_a_file_that_is_not_right(tmp_path: Path, name: str, text: str, says: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(PromptError) as raised:
        PromptRegistry(tmp_path)
    assert str(raised.value).startswith(f"{tmp_path / name}: ")
    assert says in str(raised.value)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"version: '1'\ntemplate: \xff")
    with pytest.raises(PromptError, match=r"a\.yaml: not UTF-8"):
        PromptRegistry(tmp_path)


def test_the_same_version_in_two_files(folder: Path) -> None:
    (folder / "zebra.md").write_text("---\nname: rag\nversion: '2'\n---\nx")
    with pytest.raises(PromptError, match=r"zebra\.md: prompt 'rag' version '2' is also in .*rag\.yaml"):
        PromptRegistry(folder)


def test_folders_without_prompts(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="no prompts in"):
        PromptRegistry(tmp_path)
    with pytest.raises(PromptError, match="is not a folder"):
        PromptRegistry(tmp_path / "missing")


def test_reading_anew(folder: Path) -> None:
    registry = PromptRegistry(folder)
    (folder / "rag.yaml").write_text("version: '3'\ntemplate: 'Now {question}'")
    assert registry.get("rag").version == "2"
    registry.reload()
    assert registry.versions("rag") == ["3"]
    (folder / "rag.yaml").write_text("version: [")
    with pytest.raises(PromptError):
        registry.reload()
    assert registry.get("rag").version == "3"


def test_reading_anew_while_others_ask(folder: Path) -> None:
    registry = PromptRegistry(folder)
    stop, failures = threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            try:
                assert registry.get("rag", label="staging").version == "10"
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        registry.reload()
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_the_order_of_versions() -> None:
    ordered = ["0.9", "1.0-alpha", "1.0-rc1", "1.0-rc2", "1.0-rc10", "1", "1.0", "v1.1", "1.2", "1.10", "2", "10"]
    assert sorted(set(ordered), key=version_order) == ordered
    days = ["2025-12-31", "2026-02-01", "2026-11-21"]
    assert sorted(set(days), key=version_order) == days
    mixed = ["draft 2", "draft 10", "2026-11-21", "1", "2"]
    assert sorted(set(mixed), key=version_order) == mixed
    digits = ["02-x", "3-x", "1" * 5000, "2" * 5000, "1", "2"]
    assert sorted(set(digits), key=version_order) == digits


@pytest.mark.parametrize(
    ("missing", "program", "says"),
    [
        ("yaml", "otel_llm.PromptRegistry('{folder}')", 'pip install "otel-llm[prompts]"'),
        ("frontmatter", "otel_llm.PromptRegistry('{folder}')", 'pip install "otel-llm[prompts]"'),
        ("jinja2", "otel_llm.Prompt('p', '1', 'x', notation='jinja2')", 'pip install "otel-llm[jinja]"'),
    ],
)
def test_without_the_extra(folder: Path, missing: str, program: str, says: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; import otel_llm; " + program.format(folder=folder)
    finished = subprocess.run([sys.executable, "-c", program], env=os.environ, capture_output=True, text=True)
    assert finished.returncode == 1
    assert f"ImportError: {'prompts in' if missing == 'jinja2' else 'a registry'}" in finished.stderr
    assert says in finished.stderr
