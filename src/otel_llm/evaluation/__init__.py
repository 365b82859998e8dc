"""Samples traces for evaluation, makes items of them, stores and reads these, and brings verdicts back to the traces.

The sampler needs the SDK (``pip install "otel-llm[evaluation]"``); reading datasets does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..config.choices import SamplingAlgorithm
    from .dataset.reader import SCHEMA, Item, json_schema
    from .dataset.sinks import JSONLinesSink, Sink, SQLiteSink
    from .exclusion import not_evaluated
    from .results.emission import VerdictEmitter
    from .results.store import ResultStore
    from .results.verdict import Verdict
    from .sampling.accounting import Accounts
    from .sampling.rules import Rule, Rules
    from .sampling.sampler import EvaluationSampler
    from .sampling.trace_buffer import Limits

__all__ = [
    "SCHEMA",
    "Accounts",
    "EvaluationSampler",
    "Item",
    "JSONLinesSink",
    "Limits",
    "ResultStore",
    "Rule",
    "Rules",
    "SQLiteSink",
    "SamplingAlgorithm",
    "Sink",
    "Verdict",
    "VerdictEmitter",
    "json_schema",
    "not_evaluated",
]

_PLACES = {
    "SCHEMA": ".dataset.reader",
    "Accounts": ".sampling.accounting",
    "EvaluationSampler": ".sampling.sampler",
    "Item": ".dataset.reader",
    "JSONLinesSink": ".dataset.sinks",
    "Limits": ".sampling.trace_buffer",
    "ResultStore": ".results.store",
    "Rule": ".sampling.rules",
    "Rules": ".sampling.rules",
    "SQLiteSink": ".dataset.sinks",
    "SamplingAlgorithm": "..config",
    "Sink": ".dataset.sinks",
    "Verdict": ".results.verdict",
    "VerdictEmitter": ".results.emission",
    "json_schema": ".dataset.reader",
    "not_evaluated": ".exclusion",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_PLACES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
