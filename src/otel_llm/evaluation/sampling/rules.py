"""Rules: traces to evaluate beside those of the rate, because of what happened in them.

A rule holds for a trace if one span of it meets all of the rule's conditions. The local root stands for the whole: its
tokens are the sum of all model calls.

    - {name: errors, error: true}
    - {name: slow agents, operation: invoke_agent, latency_over: 30, rate: 0.5}
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from ... import semconv as s
from ...config import above_zero, checked, share
from .accounting import RATE
from .rate import bound
from .trace_buffer import SpanRecord

_MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class Seen:
    """A span as the conditions see it: ``tokens`` are its own, or those of the whole trace if it is the root."""

    span: SpanRecord
    tokens: int


# --- conditions on a span: each makes a test of its value in the rule --------------------------------

_Test = Callable[[Seen], bool]


def _error(value: Any) -> _Test:
    if value is not True:
        raise ValueError(f"must be true, or be left out, not {value!r}")
    return lambda seen: seen.span.failed


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ValueError(f"must be a number from 0, not {value!r}")
    return value


def _latency_over(value: Any) -> _Test:
    limit = _number(value) * 1e9
    return lambda seen: seen.span.duration_ns > limit


def _tokens_over(value: Any) -> _Test:
    limit = _number(value)
    return lambda seen: seen.tokens > limit


def _words(value: Any) -> frozenset[str]:
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not words or not all(isinstance(word, str) and word for word in words):
        raise ValueError(f"must be a string or a list of strings, not {value!r}")
    return frozenset(words)


def _attribute_in(*names: str) -> Callable[[Any], _Test]:
    def condition(value: Any) -> _Test:
        words = _words(value)
        return lambda seen: any(_is_in(words, seen.span.attributes.get(name)) for name in names)

    return condition


def _is_in(words: frozenset[str], value: object) -> bool:
    return isinstance(value, str) and value in words


def _finish_reason(value: Any) -> _Test:
    words = _words(value)

    def test(seen: Seen) -> bool:
        reasons = seen.span.attributes.get(s.RESPONSE_FINISH_REASONS)
        return isinstance(reasons, list | tuple) and any(_is_in(words, reason) for reason in reasons)

    return test


def _span_name(value: Any) -> _Test:
    words = _words(value)
    return lambda seen: seen.span.name in words


def _wanted(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not value or not all(isinstance(name, str) for name in value):
        raise ValueError(f"must map names to values, such as {{app.evaluate: true}}, not {value!r}")
    # As the SDK has sequences.
    return {name: tuple(one) if isinstance(one, list) else one for name, one in value.items()}


def _attribute(value: Any) -> _Test:
    wanted = _wanted(value)
    return lambda seen: all(_is_same(seen.span.attributes.get(name), one) for name, one in wanted.items())


def _is_same(value: object, wanted: object) -> bool:
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)  # True == 1 in Python


_CONDITIONS: dict[str, Callable[[Any], _Test]] = {
    "error": _error,
    "latency_over": _latency_over,
    "tokens_over": _tokens_over,
    "finish_reason": _finish_reason,
    "operation": _attribute_in(s.OPERATION_NAME, s.LLM_OPERATION_NAME),
    "span": _span_name,
    "prompt": _attribute_in(s.PROMPT_NAME),
    "prompt_version": _attribute_in(s.PROMPT_VERSION),
    "experiment": _attribute_in(s.LLM_EXPERIMENT_ID),
    "variant": _attribute_in(s.LLM_EXPERIMENT_VARIANT),
    "attribute": _attribute,
}


def _entries(value: Any) -> dict[str, str]:
    """Baggage is text."""
    wanted = _wanted(value)
    if not all(isinstance(one, str | int | float) for one in wanted.values()):
        raise ValueError(f"must map names to texts, such as {{tenant: acme}}, not {value!r}")
    return {name: str(one).lower() if isinstance(one, bool) else str(one) for name, one in wanted.items()}


# --- a rule --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """Conditions, and the share of the traces meeting them that is sampled."""

    name: str
    rate: float
    services: frozenset[str] | None
    baggage: Mapping[str, str]
    _bound: int
    _tests: tuple[_Test, ...]

    @classmethod
    def of(cls, given: Any, number: int = 1) -> Rule:
        """The rule that ``given``, a mapping, describes; ``number`` is where in the list it is.

        :raises ValueError: that names the rule, the key and what is wrong with it.
        """
        name = f"rule {number}"
        if not isinstance(given, Mapping):
            raise ValueError(f"{name} must be a mapping of conditions, not {given!r}")
        rest = dict(given)
        named = rest.pop("name", name)
        if not isinstance(named, str) or not 0 < len(named) <= _MAX_NAME:
            raise ValueError(f"{name}: name must be a string of at most {_MAX_NAME} characters, not {named!r}")
        if named == RATE:
            raise ValueError(f"{name}: name must be another than {RATE!r}, which is that of the rate")
        rate = rest.pop("rate", 1.0)
        if not rest:
            raise ValueError(f"rule {named!r} has no condition; for a share of all traces give the rate")
        services, baggage, tests = None, {}, []
        key = "rate"
        try:
            limit = bound(rate)
            for key, value in rest.items():
                if key == "service":
                    services = _words(value)
                elif key == "baggage":
                    baggage = _entries(value)
                elif key in _CONDITIONS:
                    tests.append(_CONDITIONS[key](value))
                else:
                    raise ValueError(f"is no condition; there are {', '.join([*_CONDITIONS, 'service', 'baggage'])}")
        except ValueError as error:
            raise ValueError(f"rule {named!r}: {key} {error}") from None
        return cls(named, float(rate), services, baggage, limit, tuple(tests))

    @property
    def early(self) -> bool:
        """Whether it is known when a trace begins if it holds."""
        return not self._tests

    def concerns(self, position: int, service: str | None) -> bool:
        """Whether a trace at ``position``, in ``service``, is one of those the rule may hold for."""
        return position < self._bound and (self.services is None or service in self.services)

    def carried(self, baggage: Mapping[str, object]) -> bool:
        """Whether the baggage is as the rule wants it."""
        return all(baggage.get(name) == wanted for name, wanted in self.baggage.items())

    def holds(self, spans: Iterable[Seen]) -> bool:
        """Whether one of the spans meets every condition."""
        return any(all(test(seen) for test in self._tests) for seen in spans)


@dataclass(frozen=True, slots=True)
class Rules:
    """A document of rules: the rules themselves, and the rate and limit that it may have beside them."""

    rules: tuple[Rule, ...] = ()
    rate: float | None = None
    max_per_minute: float | None = None

    @classmethod
    def of(cls, given: Any) -> Rules:
        """From a list of rules, or a mapping with the keys ``rules``, ``rate`` and ``max_per_minute``.

        :raises ValueError: that says what is wrong, and where.
        """
        document = {"rules": given} if isinstance(given, list | tuple) else given
        if not isinstance(document, Mapping):
            raise ValueError(f"rules must be a list, or a mapping with the key rules, not {given!r:.80}")
        if unknown := sorted(map(str, set(document) - {"rules", "rate", "max_per_minute"})):
            raise ValueError(f"unknown key {', '.join(unknown)}; there are rules, rate and max_per_minute")
        listed = document.get("rules") or []
        if not isinstance(listed, list | tuple):
            raise ValueError(f"rules must be a list, not {listed!r:.80}")
        rules = tuple(one if isinstance(one, Rule) else Rule.of(one, n) for n, one in enumerate(listed, 1))
        names = [rule.name for rule in rules]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"more than one rule is named {', '.join(repeated)}")
        rate: Any = document.get("rate")
        limit: Any = document.get("max_per_minute")
        if rate is not None:
            checked("rate", rate, share)
        return cls(rules, rate, None if limit is None else checked("max_per_minute", limit, above_zero))

    @classmethod
    def parse(cls, text: str) -> Rules:
        """From JSON, or from YAML if PyYAML is installed.

        :raises ValueError: as :meth:`of`, and for text that is neither.
        """
        try:
            return cls.of(json.loads(text))
        except json.JSONDecodeError:
            pass
        try:
            import yaml  # type: ignore[import-untyped,unused-ignore]
        except ImportError:
            raise ValueError("not JSON, and for YAML PyYAML is missing: pip install pyyaml") from None
        try:
            return cls.of(yaml.safe_load(text))
        except yaml.YAMLError as error:
            raise ValueError(f"neither JSON nor YAML: {' '.join(str(error).split())}") from None

    @classmethod
    def load(cls, path: str | Path) -> Rules:
        """:meth:`parse` of a file.

        :raises ValueError: as :meth:`parse`, and if the file can't be read.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} can't be read: {error}") from None
        return cls.parse(text)


@dataclass(slots=True)
class Bucket:
    """A token bucket that holds the tokens of one minute."""

    per_minute: float
    _tokens: float = field(init=False)
    _filled: float = field(default_factory=monotonic)

    def __post_init__(self) -> None:
        self._tokens = max(self.per_minute, 1.0)

    def take(self, now: float) -> bool:
        """Whether there is a token at ``now`` of ``monotonic``; if so, it is taken."""
        self._tokens = min(max(self.per_minute, 1.0), self._tokens + max(now - self._filled, 0) * self.per_minute / 60)
        self._filled = max(now, self._filled)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
