"""Reads prompts from files: YAML, and Markdown with front matter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from .notation import PromptError
from .prompt import Prompt

#: The label of the version that is used if neither a version nor a label is requested.
PRODUCTION = "production"
_KEYS = frozenset({"name", "version", "labels", "notation", "template", "messages"})
#: A line that begins or ends the front matter. The library's own pattern also matches more than three dashes, which
#: are headings and rules in Markdown.
_BOUNDARY = re.compile(r"^---[ \t]*$", re.MULTILINE)
_PARTS = re.compile(r"\d+|[^\W\d_]+")


class PromptNotFoundError(PromptError, LookupError):
    """The registry has no such prompt, version or label. The message lists those that exist."""


@dataclass(slots=True)
class _Versions:
    """The versions of one prompt, from the lowest to the highest, and the version behind each label."""

    prompts: dict[str, Prompt]
    labels: dict[str, Prompt]


class PromptRegistry:
    """Reads prompts from the files of ``folder`` and of the folders in it.

    It reads ``*.yaml``, ``*.yml`` and ``*.md``, except ``README.md`` and hidden files.

    A YAML file has one document for each version of a prompt, with the fields ``name`` (default: the file's name),
    ``version``, ``labels`` (optional, a list), ``notation`` (optional, ``format`` or ``jinja2``), and either
    ``template``, a text, or ``messages``, a list of ``role`` and ``content``. A Markdown file has one version: the
    fields are its front matter, the template is the text below it.

    Files are read by the constructor and by :meth:`reload`, never by :meth:`get`. Needs the extra ``prompts``.

    :raises ImportError: if the extra ``prompts`` is not installed.
    :raises PromptError: (a ``ValueError``) if the folder has no prompts, or a file is wrong; it names the file.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._prompts = _read_folder(self.folder)

    def reload(self) -> None:
        """Read the files again. If one is wrong, the registry keeps the prompts it has.

        :raises PromptError: as for the constructor.
        """
        self._prompts = _read_folder(self.folder)  # one assignment: other threads see the old prompts or the new

    @property
    def names(self) -> list[str]:
        """The names of the prompts, sorted."""
        return sorted(self._prompts)

    def versions(self, name: str) -> list[str]:
        """The versions of prompt ``name``, from the lowest to the highest: 2 before 10, 1.0-rc1 before 1.0.

        Versions sort as Python's packaging sorts them (PEP 440). Anything else, such as a date, comes before these.

        :raises PromptNotFoundError: if there is no such prompt.
        """
        return list(self._named(name).prompts)

    def get(self, name: str, version: str | None = None, label: str | None = None) -> Prompt:
        """Return a version of prompt ``name``: ``version``, or the one with ``label``.

        The default is the version labelled ``production``, or else the highest one.

        :raises PromptNotFoundError: (a ``ValueError`` and ``LookupError``) if there is none; it lists what exists.
        :raises TypeError: if both a version and a label are given, or an argument is not a string.
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
            others = f"only {_listed(found.labels)}" if found.labels else "and no other"
            raise PromptNotFoundError(f"prompt {name!r} has no label {label!r}, {others}")
        return found.labels[label]

    def _named(self, name: str) -> _Versions:
        found = self._prompts.get(name)
        if found is None:
            raise PromptNotFoundError(f"no prompt {name!r} in {self.folder}, only {_listed(self._prompts)}")
        return found


def version_order(version: str) -> tuple[Any, ...]:
    """A key that sorts versions as Python's packaging does: 2 before 10, and 1.0-rc1 before 1.0.

    Anything else (dates, words) sorts before these, by its text with numbers as numbers.
    """
    from packaging.version import Version

    try:
        return True, Version(version), version
    except ValueError:  # InvalidVersion, or more digits than Python converts
        return False, _parts(version), version


def _parts(version: str) -> list[tuple[bool, int, str]]:
    parts = [part.lstrip("0") if part.isdecimal() else part for part in _PARTS.findall(version)]
    # Numbers of the same length sort as their digits do.
    return [(not part or part.isdecimal(), len(part) if part.isdecimal() else 0, part) for part in parts]


# --- files ---------------------------------------------------------------------------------------


def _read_folder(folder: Path) -> Mapping[str, _Versions]:
    if not folder.is_dir():
        raise PromptError(f"{folder} is not a folder")
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
    handler = _libraries().frontmatter.YAMLHandler(_BOUNDARY)
    try:
        if not handler.detect(text):
            raise ValueError
        front_matter, template = handler.split(text)
    except ValueError:  # there is no second boundary
        raise PromptError("no front matter: a file begins with ---, fields such as version, and --- again") from None
    (fields,) = list(_yaml(front_matter)) or [{}]
    if "template" in fields or "messages" in fields:
        raise PromptError("the template is the text below the front matter; messages need a YAML file")
    yield {**fields, "template": template.strip()}


class _Libraries(NamedTuple):
    yaml: Any
    frontmatter: Any
    #: A safe loader of PyYAML that refuses a duplicate field.
    loader: Any


@lru_cache(1)
def _libraries() -> _Libraries:
    try:
        import frontmatter
        import yaml
    except ImportError:
        raise ImportError(
            'a registry of prompts needs PyYAML and python-frontmatter: pip install "otel-llm[prompts]"'
        ) from None

    class Loader(yaml.SafeLoader):  # type: ignore[misc,unused-ignore]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            fields = [key.value for key, _ in node.value]
            if twice := [field for field in _KEYS if fields.count(field) > 1]:  # PyYAML would use the last one
                raise PromptError(f"{_listed(twice)} is there twice; put a line of --- between versions")
            return super().construct_mapping(node, deep)

    return _Libraries(yaml, frontmatter, Loader)


def _yaml(text: str) -> Iterator[dict[str, Any]]:
    yaml, _, loader = _libraries()
    try:
        documents = [document for document in yaml.load_all(text, loader) if document is not None]
    except yaml.YAMLError as error:
        raise PromptError(f"not valid YAML: {error}") from error
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
        # YAML reads 1.10 as the number 1.1, and a day as a date.
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
