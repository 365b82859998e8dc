"""Reads files that users write: JSON, or YAML if PyYAML is installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def parse(text: str, extra: str) -> Any:
    """What ``text`` holds. ``extra`` of this package brings PyYAML.

    :raises ValueError: if it is neither JSON nor YAML, or gives a key twice.
    """
    try:
        return json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError:
        pass
    except RecursionError:
        raise ValueError("nested too deeply") from None
    try:
        import yaml  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        raise ValueError(f'not JSON, and YAML needs PyYAML: pip install "otel-llm[{extra}]"') from None
    try:
        return yaml.load(text, _located(yaml))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except yaml.YAMLError as error:
        raise ValueError(f"neither JSON nor YAML: {_place(error)}") from None


def _place(error: Exception) -> str:
    """Where ``error`` of PyYAML is, and what is wrong there."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None or problem is None:
        return " ".join(str(error).split())
    # A list that isn't indented, or a bracket that isn't closed, is noticed only later: it is told where that began.
    about, began = getattr(error, "context", None), getattr(error, "context_mark", None)
    since = f" ({about} that begins in line {began.line + 1})" if about and began is not None else ""
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}{since}"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if twice := _twice([name for name, _ in pairs]):
        raise ValueError(f"{twice} is given twice")
    return dict(pairs)


def _twice(names: list[Any]) -> Any:
    """A name that is there twice: the parsers would silently take the last one."""
    return next((name for number, name in enumerate(names) if name in names[:number]), None)


def _located(yaml: Any) -> Any:
    """A SafeLoader that says where a value is that can't be read, such as a date with a month 13, or a key again."""

    class Loader(yaml.SafeLoader):  # type: ignore[misc,unused-ignore]
        def construct_object(self, node: Any, deep: bool = False) -> Any:
            try:
                return super().construct_object(node, deep)
            except (ValueError, OverflowError) as error:
                raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from None

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            if isinstance(node, yaml.MappingNode):
                names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
                if twice := _twice(names):
                    raise yaml.constructor.ConstructorError(None, None, f"{twice} is given twice", node.start_mark)
            return super().construct_mapping(node, deep)

    return Loader


def read(path: str | Path) -> str:
    """The text of the file at ``path``.

    :raises ValueError: if it can't be read.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} can't be read: {error}") from None
