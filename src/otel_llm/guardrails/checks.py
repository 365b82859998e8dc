"""Checks for personal data, credentials, expressions, JSON, length and topic."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..config import PERSONAL_KINDS
from ..content import re2_gate, scrubbing
from ..content.patterns import Pattern
from . import expressions
from .check import Check, Fail, QuickCheck, known_action
from .result import Action, Found, Result, merged, replaced

_NOT_PASS = (Action.REDACT, Action.BLOCK)


def pii(
    kinds: Iterable[str] | None = None, *, allow: Iterable[str] = (), action: Action = Action.REDACT, name: str = "pii"
) -> Check:
    """A check for personal data, by the patterns of the content policy: e-mail addresses, telephone numbers, ...

    ``kinds`` are some of ``card``, ``email``, ``iban``, ``ip``, ``national_id``, ``phone``, ``ssn`` (default: all).
    ``allow`` are texts that may stay, in which ``*`` stands for any characters. ``action`` is ``Action.REDACT``, which
    replaces a find by its kind (``[EMAIL]``), or ``Action.BLOCK``. ``name`` is the component in telemetry.

    :raises ValueError: for an unknown kind or action.
    """
    wanted = PERSONAL_KINDS if kinds is None else frozenset(kinds)
    if unknown := wanted - PERSONAL_KINDS:
        raise ValueError(f"pii knows no {', '.join(sorted(unknown))}, only {', '.join(sorted(PERSONAL_KINDS))}")
    patterns = [pattern for pattern in scrubbing.PERSONAL if pattern.kind in wanted]
    return _scrubbing(name, patterns, allow, action, lambda pattern: f"pii.{pattern.kind}")


def secrets(*, allow: Iterable[str] = (), action: Action = Action.REDACT, name: str = "secrets") -> Check:
    """A check for credentials, by the patterns of the content policy: keys of providers, tokens, passwords in URLs.

    ``allow`` are texts that may stay, in which ``*`` stands for any characters. ``action`` is ``Action.REDACT``, which
    replaces a find by ``[SECRET]``, or ``Action.BLOCK``. ``name`` is the component in telemetry.

    :raises ValueError: for an unknown action.
    """
    return _scrubbing(name, scrubbing.SECRETS, allow, action, lambda pattern: "secret")


def _scrubbing(
    name: str, patterns: Sequence[Pattern], allow: Iterable[str], action: Action, category: Callable[[Pattern], str]
) -> Check:
    known_action(action, _NOT_PASS)
    gate = re2_gate.gate_of if re2_gate.available() else scrubbing.LiteralGate
    scrubber = scrubbing.Scrubber(patterns, tuple(allow), gate=gate)

    def function(text: str) -> Result | None:
        found = [
            Found(start, end, pattern.replacement, category(pattern)) for start, end, pattern in scrubber.places(text)
        ]
        return _of_places(text, found, action, name)

    return QuickCheck(name, function)


def _of_places(
    text: str, found: Iterable[Found], action: Action, reason: str, rule: str | None = None
) -> Result | None:
    places = merged(found)
    if not places:
        return None
    redacted = replaced(text, places) if action is Action.REDACT else ""
    return Result(action, reason, redacted, places[0].category, rule=rule, found=tuple(places))


def regex(
    pattern: str | re.Pattern[str],
    *,
    name: str = "regex",
    action: Action = Action.BLOCK,
    replacement: str = "[REDACTED]",
    category: str | None = None,
) -> Check:
    """A check that finds ``pattern``, a regular expression, anywhere in the text.

    ``action`` is ``Action.BLOCK``, or ``Action.REDACT``, which replaces finds by ``replacement``. ``name`` is the
    component in telemetry, and ``category`` the risk (default: ``name``).

    A search may take forever where a repetition is inside of another, and nothing can stop it. Such an expression is
    searched for by google-re2 (extra ``fast``), in linear time and with ``\\w``, ``\\d`` and ``\\b`` of ASCII. It is
    refused where that is not installed.

    :raises ValueError: for an expression that is none, or one that may take forever, and for an unknown action.
    """
    known_action(action, _NOT_PASS)
    spans = expressions.compiled(pattern)
    risk = category or name

    def function(text: str) -> Result | None:
        found = [Found(start, end, replacement, risk) for start, end in spans(text) if end > start]
        return _of_places(text, found, action, name)

    return QuickCheck(name, function)


class _Length(QuickCheck):
    """The length of a text. In a stream, that of all its pieces."""

    def __init__(self, limit: int, count: Callable[[str], int], action: Action, name: str) -> None:
        super().__init__(name, self._checked)
        self._limit, self._count, self._action = limit, count, action
        self.quick = count is len  # another function is the application's

    def _checked(self, text: str) -> Result | None:
        return self._over(text, self._limit)

    def _over(self, text: str, limit: int) -> Result | None:
        if self._count(text) <= limit:
            return None
        cut = text[:limit] if self._action is Action.REDACT else ""
        return Result(self._action, "too_long", cut, "length")

    def opened(self) -> Callable[[str], Result | None]:
        left = self._limit

        def piece(text: str) -> Result | None:
            nonlocal left
            told = self._over(text, left)
            left = max(left - self._count(text), 0)
            return told

        return piece


def max_length(
    limit: int, *, count: Callable[[str], int] = len, action: Action = Action.BLOCK, name: str = "max_length"
) -> Check:
    """A check that a text is no longer than ``limit``.

    ``count`` measures a text (default: its characters), such as a counter of tokens. ``action`` is ``Action.BLOCK``, or
    ``Action.REDACT``, which cuts a text after ``limit`` characters. ``name`` is the component in telemetry.

    :raises ValueError: for a ``limit`` that is no positive whole number, for an unknown action, and if a length other
        than that in characters is to be cut.
    """
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise ValueError(f"limit must be a positive whole number, not {limit!r}")
    if known_action(action, _NOT_PASS) is Action.REDACT and count is not len:
        raise ValueError("only a length in characters can be cut: leave out count, or block")
    return _Length(limit, count, action, name)


def json_schema(schema: Mapping[str, Any] | bool = True, *, name: str = "json_schema") -> Check:
    """A check that a text is JSON that fits ``schema``, a JSON schema (default: any JSON). Others are blocked.

    ``name`` is the component in telemetry. A stream is checked as a whole, so nothing of it is passed on before its
    end. Needs the library jsonschema (``pip install "otel-llm[guardrails]"``). It loads no schema from the network.

    :raises ImportError: if that is not installed.
    :raises ValueError: if ``schema`` is none.
    """
    errors = _validator(schema)

    def function(text: str) -> Result | None:
        try:
            value = json.loads(text)
        except ValueError:
            return Result(Action.BLOCK, "not_json", category="json")
        error = next(errors(value), None)
        if error is None:
            return None
        return Result(Action.BLOCK, "schema", category="json", rule=str(error.validator))

    return Check(name, function, stream="whole")


def _validator(schema: Any) -> Callable[[Any], Any]:
    if schema is True:
        return lambda value: iter(())
    try:
        from jsonschema.exceptions import SchemaError
        from jsonschema.validators import validator_for
        from referencing import Registry
    except ImportError as error:
        raise ImportError('json_schema needs jsonschema: pip install "otel-llm[guardrails]"') from error
    kind = validator_for(schema)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"schema is no JSON schema: {error.message}") from error
    return kind(schema, registry=Registry()).iter_errors  # type: ignore[no-any-return,unused-ignore]


def topic(
    classify: Callable[[str], Any],
    *,
    allow: Iterable[str] | None = None,
    deny: Iterable[str] | None = None,
    name: str = "topic",
    timeout: float | None = None,
    fail: Fail | None = None,
    provider: str | None = None,
) -> Check:
    """A check of what a text is about: ``topic(classify, deny=["politics"])``.

    ``classify`` takes the text and returns its topic, or several; it may be a coroutine function. A text with a topic
    of ``deny``, or with none of ``allow``, is blocked. ``name``, ``timeout``, ``fail`` and ``provider`` are those of
    :class:`.Check`.

    :raises ValueError: if not just one of ``allow`` and ``deny`` is given.
    """
    if (allow is None) == (deny is None):
        raise ValueError("topic takes either allow or deny")
    allowed = None if allow is None else frozenset(allow)
    denied = frozenset(deny or ())

    def judged(topics: Any) -> Result | None:
        topics = [topics] if isinstance(topics, str) else list(topics or ())
        if allowed is None:
            bad = next((one for one in topics if one in denied), None)
            return None if bad is None else Result(Action.BLOCK, "topic", category=f"topic.{bad}")
        return None if allowed.intersection(topics) else Result(Action.BLOCK, "topic", category="topic.other")

    return Check(name, _then(classify, judged), timeout=timeout, fail=fail, provider=provider)


def _then(function: Callable[[str], Any], judged: Callable[[Any], Result | None]) -> Callable[[str], Any]:
    """``function``, which may be a coroutine function, with ``judged`` of what it returns."""
    call = getattr(function, "__call__", None)  # noqa: B004
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call):

        async def judge_later(text: str) -> Result | None:
            return judged(await function(text))

        return judge_later
    return lambda text: judged(function(text))
