"""What an evaluator is: data that a judge is asked by, or a function of the item."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..dataset.reader import Item
from . import fencing, texts
from .scales import Labels, Points, Scale, Score

#: What an evaluator may need of an item.
FIELDS = frozenset({"query", "answer", "context", "expected", "calls", "tools", "duration", "cost"})
_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,63}")


class NotApplicable(Exception):  # noqa: N818 - it is no error
    """An evaluator of the application raises this for an item that it has nothing to say about."""


class EvaluatorError(ValueError):
    """An evaluator can't be used. The message says which one, and why."""


#: What a function returns: a number, whether the item passes, a score with a label, or nothing (not applicable).
Result = float | bool | Score | None
Function = Callable[[Item], Any]


@dataclass(frozen=True)
class Evaluator:
    """Says how an item is judged: by a judge that is asked ``criteria``, or by a ``function`` of the item.

    ``name`` is in small letters. ``needs`` are fields of the item without which it is not applicable. ``criteria`` say
    what is judged, ``steps`` how to proceed, and ``scale`` what may be answered. With ``higher_is_better`` a score
    below ``threshold`` fails, otherwise one above it; without a threshold nothing fails.

    ``function`` takes the item and returns a score, whether it passes, or ``None`` if it has nothing to say. It may be
    async, and is run on a thread of its own if it is ``blocking``. ``parameters`` are what it was made with, and
    ``version`` changes with its code.

    :raises EvaluatorError: if these do not fit together.
    """

    name: str
    criteria: str = ""
    needs: frozenset[str] = frozenset({"answer"})
    scale: Scale = field(default_factory=Points)
    higher_is_better: bool = True
    threshold: float | None = None
    steps: tuple[str, ...] = ()
    function: Function | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""
    blocking: bool = False
    _revision: str = field(init=False, repr=False, compare=False, default="")

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise EvaluatorError(f"{self.name!r} is no name of an evaluator: small letters, digits and _ . -")
        if unknown := self.needs - FIELDS:
            raise EvaluatorError(f"{self.name}: no item has {', '.join(sorted(unknown))}")
        if bool(self.criteria) == (self.function is not None):
            raise EvaluatorError(f"{self.name}: it has either criteria for a judge or a function")
        if self.threshold is not None and self.criteria and not self.scale.low <= self.threshold <= self.scale.high:
            raise EvaluatorError(f"{self.name}: the threshold is beyond {self.scale.low:g} to {self.scale.high:g}")
        object.__setattr__(self, "_revision", self._hash())

    @property
    def asks_a_judge(self) -> bool:
        """Whether a judge is asked, which costs money and time."""
        return self.function is None

    @property
    def revision(self) -> str:
        """The start of a hash of all that decides on the verdict: prompt, schema, parser, threshold, code."""
        return self._revision

    def _hash(self) -> str:
        says: dict[str, Any] = {
            "name": self.name,
            "needs": sorted(self.needs),
            "higher_is_better": self.higher_is_better,
            "threshold": self.threshold,
        }
        if self.function is None:
            says |= {"criteria": self.criteria, "steps": self.steps, "scale": [self.scale.kind, repr(self.scale)]}
            says["frame"] = fencing.FRAME
        else:
            says |= {"parameters": self.parameters, "version": self.version or _source(self.function)}
        return hashlib.sha256(json.dumps(says, sort_keys=True, default=str).encode()).hexdigest()[:12]

    def lacks(self, item: Item) -> str | None:
        """The first field that it needs and ``item`` does not have; ``None`` if it is applicable."""
        return next((name for name in sorted(self.needs) if not has(item, name)), None)

    def passes(self, score: float) -> bool | None:
        """Whether ``score`` passes the threshold; ``None`` if there is none."""
        if self.threshold is None:
            return None
        return score >= self.threshold if self.higher_is_better else score <= self.threshold

    @classmethod
    def of(cls, name: str, function: Function, **others: Any) -> Evaluator:
        """An evaluator ``name`` of a ``function`` that says how good an item is, from 0 to 1, or whether it passes.

        ``others`` are more fields of it.
        """
        given: dict[str, Any] = {"scale": Labels((("fail", 0.0, ""), ("pass", 1.0, ""))), "threshold": 0.5, **others}
        return cls(name, function=function, **given)


def has(item: Item, name: str) -> bool:
    """Whether an item has what an evaluator calls ``name``."""
    if name == "tools":
        return any(True for _ in texts.tool_parts(item))
    if name == "answer":  # an answer without text is one, if content was captured
        return isinstance(item.get("answer"), str) or bool(item.get("content_captured") and item.get("answered_by"))
    return item.get(name) not in (None, "", [], {})


def _source(function: Function) -> str:
    """What tells one version of a function of the application from another."""
    code = getattr(function, "__code__", None)
    # What a constant that is code prints has an address.
    constants = [one for one in code.co_consts if not hasattr(one, "co_code")] if code is not None else []
    compiled = "" if code is None else repr((code.co_code, constants))
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        return compiled or type(function).__qualname__
    # Two lambdas may share their line. Compiled code is of one version of Python, so it is used only where it must be.
    return source + compiled if getattr(function, "__name__", "") == "<lambda>" else source
