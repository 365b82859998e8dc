"""Samples traces for evaluation, makes items of them, judges these, and brings verdicts back to the traces.

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
    from .judges.asking import JudgeClient, JudgeReply, JudgeRequest
    from .judges.catalog import find_evaluators
    from .judges.clients import open_judge
    from .judges.evaluator import Evaluator, NotApplicable
    from .judges.judging import Judgement, judge
    from .judges.scales import Categories, Labels, Points, Score
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
    "Categories",
    "EvaluationSampler",
    "Evaluator",
    "Item",
    "JSONLinesSink",
    "JudgeClient",
    "JudgeReply",
    "JudgeRequest",
    "Judgement",
    "Labels",
    "Limits",
    "NotApplicable",
    "Points",
    "ResultStore",
    "Rule",
    "Rules",
    "SQLiteSink",
    "SamplingAlgorithm",
    "Score",
    "Sink",
    "Verdict",
    "VerdictEmitter",
    "find_evaluators",
    "json_schema",
    "judge",
    "not_evaluated",
    "open_judge",
]

_PLACES = {
    "SCHEMA": ".dataset.reader",
    "Accounts": ".sampling.accounting",
    "Categories": ".judges.scales",
    "EvaluationSampler": ".sampling.sampler",
    "Evaluator": ".judges.evaluator",
    "Item": ".dataset.reader",
    "JSONLinesSink": ".dataset.sinks",
    "JudgeClient": ".judges.asking",
    "JudgeReply": ".judges.asking",
    "JudgeRequest": ".judges.asking",
    "Judgement": ".judges.judging",
    "Labels": ".judges.scales",
    "Limits": ".sampling.trace_buffer",
    "NotApplicable": ".judges.evaluator",
    "Points": ".judges.scales",
    "ResultStore": ".results.store",
    "Rule": ".sampling.rules",
    "Rules": ".sampling.rules",
    "SQLiteSink": ".dataset.sinks",
    "SamplingAlgorithm": "..config",
    "Score": ".judges.scales",
    "Sink": ".dataset.sinks",
    "Verdict": ".results.verdict",
    "VerdictEmitter": ".results.emission",
    "find_evaluators": ".judges.catalog",
    "json_schema": ".dataset.reader",
    "judge": ".judges.judging",
    "not_evaluated": ".exclusion",
    "open_judge": ".judges.clients",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_PLACES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
