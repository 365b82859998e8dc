"""Reads files that users write: JSON, or YAML if PyYAML is installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def parse(text: str, extra: str) -> Any:
    """What ``text`` holds. ``extra`` of this package brings PyYAML.

    :raises ValueError: if it is neither JSON nor YAML.
    """
    try:
        return json.loads(text)
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
        raise ValueError(f"neither JSON nor YAML: {' '.join(str(error).split())}") from None


def _located(yaml: Any) -> Any:
    """A SafeLoader that says where a value is that can't be read, such as a date with a month 13."""

    class Loader(yaml.SafeLoader):  # type: ignore[misc,unused-ignore]
        def construct_object(self, node: Any, deep: bool = False) -> Any:
            try:
                return super().construct_object(node, deep)
            except (ValueError, OverflowError) as error:
                raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from None

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
