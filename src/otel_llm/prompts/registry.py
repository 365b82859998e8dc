"""Prompts kept as files, beside the code or apart from it: YAML, and Markdown with front matter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from .notation import PromptError
from .prompt import Prompt

#: The label of the version that is used where none is asked for.
PRODUCTION = "production"
_KEYS = frozenset({"name", "version", "labels", "notation", "template", "messages"})
_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?\n)?---[ \t]*(?:\n(.*))?", re.DOTALL)
_PARTS = re.compile(r"\d+|[^\W\d_]+")


class PromptNotFoundError(PromptError, LookupError):
    """The registry has no such prompt, version or label."""


@dataclass(slots=True)
class _Versions:
    """The versions of one prompt, from the lowest to the highest, and the one that each label is on."""

    prompts: dict[str, Prompt]
    labels: dict[str, Prompt]


class PromptRegistry:
    """The prompts in the files of ``folder`` and the folders in it: ``*.yaml``, ``*.yml`` and ``*.md``, but for
    ``README.md`` and what is hidden.

    A YAML file has, for each version of a prompt, a document of ``name`` (default: the file's), ``version``, ``labels``
    (a list; optional), ``notation`` (``format`` or ``jinja2``; optional), and either ``template``, a text, or
    ``messages``, a list of ``role`` and ``content``. A Markdown file has one, the text below the front matter.
    Files are read now, and by :meth:`reload`; to ask is to look up. Needs the extra ``prompts``.

    :raises ImportError: without PyYAML.
    :raises PromptError: (a ``ValueError``) for a folder without prompts, and for a file that is not right, by name.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._prompts = _read_folder(self.folder)

    def reload(self) -> None:
        """Read the files again. Should one not be right, all stays as it was.

        :raises PromptError: as above.
        """
        self._prompts = _read_folder(self.folder)  # one assignment: other threads see the old prompts or the new

    @property
    def names(self) -> list[str]:
        """The names of the prompts, sorted."""
        return sorted(self._prompts)

    def versions(self, name: str) -> list[str]:
        """The versions of prompt ``name``, from the lowest to the highest: 2 before 10, 1.0-rc1 before 1.0.

        :raises PromptNotFoundError: if there is no such prompt.
        """
        return list(self._named(name).prompts)

    def get(self, name: str, version: str | None = None, label: str | None = None) -> Prompt:
        """Prompt ``name``, of that ``version`` or the one that ``label`` is on; by default the one labelled
        ``production``, else the highest.

        :raises PromptNotFoundError: (a ``ValueError`` and ``LookupError``) if there is none; it says what there is.
        :raises TypeError: for a version and a label at once, and for arguments that are no strings.
        """
        if version is not None and label is not None:
            raise TypeError("ask for a version or for a label, not for both")
        for what, value in (("name", name), ("version", version), ("label", label)):
            if value is not None and not isinstance(value, str):
                raise TypeError(f"the {what} of a prompt is a string, not {type(value).__name__}")
        found = self._named(name)
        if version is not None:
            if version not in found.prompts:
                raise PromptNotFoundError(f"prompt {name!r} has no version {version!r}, only {_listed(found.prompts)}")
            return found.prompts[version]
        if label is None:
            if PRODUCTION not in found.labels:
                return next(reversed(found.prompts.values()))
            label = PRODUCTION
        if label not in found.labels:
            there = f"only {_listed(found.labels)}" if found.labels else "nor any other"
            raise PromptNotFoundError(f"prompt {name!r} has no label {label!r}, {there}")
        return found.labels[label]

    def _named(self, name: str) -> _Versions:
        found = self._prompts.get(name)
        if found is None:
            raise PromptNotFoundError(f"no prompt {name!r} in {self.folder}; there are {_listed(self._prompts)}")
        return found


def version_order(version: str) -> tuple[Any, ...]:
    """A key by which versions sort: numbers as numbers, a pre-release (after ``-``) before its release."""
    release, _, before = version.removeprefix("v").partition("-")
    return _parts(release), not before, _parts(before), version


def _parts(version: str) -> list[tuple[bool, int, str]]:
    found = _PARTS.findall(version)
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in found]


# --- files ---------------------------------------------------------------------------------------


def _read_folder(folder: Path) -> Mapping[str, _Versions]:
    if not folder.is_dir():
        raise PromptError(f"{folder} is no folder")
    found: dict[str, _Versions] = {}
    origins: dict[tuple[str, str], Path] = {}
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix not in _READERS or path.name == "README.md" or hidden or not path.is_file():
            continue
        try:
            for prompt, labels in _read(path):
                _add(found, origins, path, prompt, labels)
        except (ValueError, TypeError, RecursionError) as error:
            raise PromptError(f"{path}: {error}") from error
    if not found:
        raise PromptError(f"no prompts in {folder}: no file *.yaml, *.yml or *.md")
    return {
        name: _Versions(
            {version: versions.prompts[version] for version in sorted(versions.prompts, key=version_order)},
            versions.labels,
        )
        for name, versions in found.items()
    }


def _add(
    found: dict[str, _Versions],
    origins: dict[tuple[str, str], Path],
    path: Path,
    prompt: Prompt,
    labels: list[str],
) -> None:
    versions = found.setdefault(prompt.name, _Versions({}, {}))
    if prompt.version in versions.prompts:
        raise PromptError(f"{prompt} is also in {origins[prompt.name, prompt.version]}")
    versions.prompts[prompt.version] = prompt
    origins[prompt.name, prompt.version] = path
    for label in labels:
        if label in versions.labels:
            raise PromptError(f"{prompt}: label {label!r} is on version {versions.labels[label].version!r} already")
        versions.labels[label] = replace(prompt, label=label)


def _read(path: Path) -> Iterator[tuple[Prompt, list[str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise PromptError(f"not UTF-8: {error.reason} at byte {error.start}") from error
    for fields in _READERS[path.suffix](text):
        yield _prompt({"name": path.stem, **fields})


def _markdown(text: str) -> Iterator[dict[str, Any]]:
    match = _FRONT_MATTER.fullmatch(text)
    if match is None:
        raise PromptError("no front matter: the file begins with ---, fields such as version, and --- again")
    (fields,) = list(_yaml(match[1] or "")) or [{}]
    if "template" in fields or "messages" in fields:
        raise PromptError("the template is what is below the front matter; messages need a YAML file")
    yield {**fields, "template": (match[2] or "").strip()}


@lru_cache(1)
def _loader() -> Any:
    try:
        import yaml  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        raise ImportError('a registry of prompts needs PyYAML: pip install "otel-llm[prompts]"') from None

    class Loader(yaml.SafeLoader):  # type: ignore[misc,unused-ignore]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            fields = [key.value for key, _ in node.value]
            if twice := [field for field in _KEYS if fields.count(field) > 1]:  # PyYAML would take the last
                raise PromptError(f"{_listed(twice)} is there twice; between versions there is a line of ---")
            return super().construct_mapping(node, deep)

    return Loader


def _yaml(text: str) -> Iterator[dict[str, Any]]:
    loader = _loader()
    import yaml  # type: ignore[import-untyped,unused-ignore]

    try:
        documents = [document for document in yaml.load_all(text, loader) if document is not None]
    except yaml.YAMLError as error:
        raise PromptError(f"no valid YAML: {error}") from error
    for document in documents:
        if not isinstance(document, dict):
            raise PromptError(f"a prompt is a mapping of fields, not {type(document).__name__}")
        yield document


_READERS = {".yaml": _yaml, ".yml": _yaml, ".md": _markdown}


def _prompt(fields: dict[str, Any]) -> tuple[Prompt, list[str]]:
    if unknown := fields.keys() - _KEYS:
        raise PromptError(f"unknown {_listed(map(str, unknown))}; a prompt has {_listed(_KEYS)}")
    if ("template" in fields) == ("messages" in fields):
        raise PromptError("a prompt has either a template or messages")
    if "version" not in fields:
        raise PromptError("no version")
    version = fields["version"]
    if type(version) is int:
        version = str(version)
    elif not isinstance(version, str):
        # 1.10 would be 1.1, a day a date.
        raise PromptError(f"version {version} must be in quotes, as YAML reads it as a {type(version).__name__}")
    labels = fields.get("labels") or []
    if not isinstance(labels, list) or not all(isinstance(label, str) and label for label in labels):
        raise PromptError("labels must be a list of strings")
    if "messages" in fields and not isinstance(fields["messages"], list):
        raise PromptError("messages must be a list")
    template = fields["messages"] if "messages" in fields else fields["template"]
    return Prompt(fields["name"], version, template, notation=fields.get("notation", "format")), labels


def _listed(names: Any) -> str:
    return ", ".join(names if isinstance(names, dict) else sorted(names))
