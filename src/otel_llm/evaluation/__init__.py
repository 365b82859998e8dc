"""Evaluation: which traces are evaluated, the items that are made of them, and where these go.

Needs the SDK (``pip install "otel-llm[otlp]"``).
"""

from .accounting import Accounts
from .assembly import Limits
from .item import SCHEMA, Item, json_schema
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
