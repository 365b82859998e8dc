"""Warns, once a process, of values in the environment that can't be used."""

from __future__ import annotations

import logging
from enum import Enum
from typing import Any

from ..guard import Once

_logger = logging.getLogger("otel_llm")

#: One for the process, because several readers read the same variables.
WARNED = Once()


def warn(variable: str, raw: str, error: Exception, instead: Any, is_default: bool = True) -> None:
    """Log that the value ``raw`` of ``variable`` can't be used, and which value is used instead."""
    warn_once(variable, raw, f"can't be used: {error}; using {'the default, ' if is_default else ''}{shown(instead)}")


def warn_once(variable: str, raw: str, message: str) -> None:
    """Log ``message`` about the value ``raw`` of ``variable``, unless it has been logged."""
    if WARNED.first((variable, raw, message)):
        _logger.warning("%s=%r %s", variable, raw, message)


def shown(value: Any) -> str:
    """``value`` as it is written in the environment."""
    if isinstance(value, Enum):
        return value.value if isinstance(value.value, str) else value.name
    if isinstance(value, frozenset | tuple):
        return ",".join(map(str, value if isinstance(value, tuple) else sorted(value))) or "none"
    return str(value).lower()
