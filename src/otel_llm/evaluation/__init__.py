"""Evaluation: which traces are evaluated, the items that are made of them, and where these go.

The sampler needs the SDK (``pip install "otel-llm[otlp]"``); reading datasets does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .accounting import Accounts
    from .assembly import Limits
    from .dataset import SCHEMA, Item, json_schema
    from .rate import Algorithm
    from .rules import Rule, Rules
    from .sampler import EvaluationSampler
    from .sinks import JSONLinesSink, Sink, SQLiteSink

__all__ = [
    "SCHEMA",
    "Accounts",
    "Algorithm",
    "EvaluationSampler",
    "Item",
    "JSONLinesSink",
    "Limits",
    "Rule",
    "Rules",
    "SQLiteSink",
    "Sink",
    "json_schema",
]

_PLACES = {
    "SCHEMA": ".dataset",
    "Accounts": ".accounting",
    "Algorithm": ".rate",
    "EvaluationSampler": ".sampler",
    "Item": ".dataset",
    "JSONLinesSink": ".sinks",
    "Limits": ".assembly",
    "Rule": ".rules",
    "Rules": ".rules",
    "SQLiteSink": ".sinks",
    "Sink": ".sinks",
    "json_schema": ".dataset",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_PLACES[name], __name__), name)
    globals()[name] = value
    return value
