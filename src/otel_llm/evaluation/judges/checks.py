"""The built-in evaluators that need no judge. They cost nothing, so that they can be run on every item."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from typing import Any

from ...content import scrubbing
from ...content.patterns import Pattern
from ..dataset.extraction import is_number
from ..dataset.reader import Item
from .evaluator import Evaluator, EvaluatorError
from .languages import language_of
from .refusals import PATTERN, declines
from .scales import Labels, Points, Score

_VERSION = "1"
_PASS_OR_FAIL = Labels((("pass", 1.0, ""), ("fail", 0.0, "")))
#: Characters, seconds and amounts have no upper bound.
ANY_NUMBER = Points(0, math.inf)
_FOUND_OR_NOT = Labels((("none", 0.0, ""), ("found", 1.0, "")))


def _answer(item: Item) -> str:
    answer = item.get("answer")
    return answer if isinstance(answer, str) else ""


def _text(item: Item, field: str) -> str:
    value = item.get(field)
    return value if isinstance(value, str) else ""


def _check(name: str, function: Callable[[Item], Any], **others: Any) -> Evaluator:
    return Evaluator(name, function=function, version=_VERSION, **others)


def _finding(name: str, function: Callable[[Item], Any], **others: Any) -> Evaluator:
    """An evaluator that looks for something that should not be there."""
    return _check(name, function, scale=_FOUND_OR_NOT, higher_is_better=False, threshold=0.5, **others)


# --- the answer as a whole ----------------------------------------------------------------------------


def empty() -> Evaluator:
    """Finds answers without text."""
    return _finding("empty", lambda item: not _answer(item).strip())


def refusal() -> Evaluator:
    """Finds answers that decline, in six languages of Europe."""
    return _finding("refusal", lambda item: declines(_answer(item)), parameters={"pattern": PATTERN})


def length(low: int = 1, high: int = 8000) -> Evaluator:
    """Whether the answer has from ``low`` to ``high`` characters. The score is their number."""

    def judged(item: Item) -> Score:
        number = len(_answer(item))
        label = "short" if number < low else "long" if number > high else "fits"
        return Score(number, label, passed=label == "fits")

    return _check("length", judged, scale=ANY_NUMBER, parameters={"low": low, "high": high})


def language(expected: str | None = None) -> Evaluator:
    """Whether the answer is in the language ``expected`` (``en``, ``de``, ...), else in that of the question."""

    def judged(item: Item) -> Score | None:
        wanted = expected or language_of(_text(item, "query"))
        given = language_of(_answer(item))
        if wanted is None or given is None:
            return None  # too short to tell
        return Score(float(given == wanted), given)

    return _check(
        "language",
        judged,
        needs=frozenset({"answer"} if expected else {"answer", "query"}),
        scale=_PASS_OR_FAIL,
        threshold=0.5,
        parameters={"expected": expected},
    )


# --- texts in the answer ------------------------------------------------------------------------------


def contains(text: str, *, ignore_case: bool = True) -> Evaluator:
    """Whether the answer contains ``text``."""
    wanted = text.lower() if ignore_case else text

    def judged(item: Item) -> bool:
        answer = _answer(item)
        return wanted in (answer.lower() if ignore_case else answer)

    parameters = {"text": text, "ignore_case": ignore_case}
    return _check("contains", judged, scale=_PASS_OR_FAIL, threshold=0.5, parameters=parameters)


def regex(pattern: str) -> Evaluator:
    """Whether ``pattern`` is found in the answer.

    :raises EvaluatorError: if it is no regular expression.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise EvaluatorError(f"regex: {pattern!r} is no regular expression: {error}") from None
    judged = lambda item: bool(compiled.search(_answer(item)))  # noqa: E731
    return _check("regex", judged, scale=_PASS_OR_FAIL, threshold=0.5, parameters={"pattern": pattern})


def exact(expected: str | None = None) -> Evaluator:
    """Whether the answer is ``expected``, else the item's ``expected``, white space at the ends aside."""

    def judged(item: Item) -> bool:
        return _answer(item).strip() == (_text(item, "expected") if expected is None else expected).strip()

    needs = frozenset({"answer"} if expected is not None else {"answer", "expected"})
    parameters = {"expected": expected}
    return _check("exact", judged, needs=needs, scale=_PASS_OR_FAIL, threshold=0.5, parameters=parameters)


def valid_json(schema: dict[str, Any] | None = None) -> Evaluator:
    """Whether the answer is JSON, and fits ``schema`` if there is one (which needs the package ``jsonschema``).

    :raises EvaluatorError: if the schema is none, or ``jsonschema`` is not installed.
    """
    validator = _validator(schema) if schema is not None else None

    def judged(item: Item) -> Score:
        try:
            value = json.loads(_answer(item))
        except (ValueError, RecursionError):
            return Score(0.0, "fail", "it is not JSON")
        problem = next(iter(validator.iter_errors(value)), None) if validator is not None else None
        if problem is None:
            return Score(1.0, "pass")
        return Score(0.0, "fail", f"it does not fit the schema at {problem.json_path} ({problem.validator})")

    return _check("valid_json", judged, scale=_PASS_OR_FAIL, threshold=0.5, parameters={"schema": schema})


def _validator(schema: dict[str, Any]) -> Any:
    try:
        from jsonschema import (  # type: ignore[import-untyped,unused-ignore]
            Draft202012Validator,
            SchemaError,
        )
    except ImportError:
        raise EvaluatorError("valid_json: a schema needs jsonschema: pip install jsonschema") from None
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise EvaluatorError(f"valid_json: the schema can't be used: {error.message}") from None
    return Draft202012Validator(schema)


def _kinds(patterns: Iterable[Pattern]) -> Callable[[str], list[str]]:
    """A function that names the kinds of what ``patterns`` find in a text."""
    patterns = tuple(patterns)

    def kinds(text: str) -> list[str]:
        found: list[str] = []
        scrubbing.Scrubber(patterns, count=found.append)(text)
        return list(dict.fromkeys(found))

    return kinds


def _patterns_in_answers(name: str, patterns: Iterable[Pattern], marks: frozenset[str]) -> Evaluator:
    """Finds in answers what the content policy finds, and the marks that it has put in its place."""
    patterns = tuple(patterns)
    kinds = _kinds(patterns)

    def judged(item: Item) -> Score:
        answer = _answer(item)
        found = kinds(answer) + [kind for kind in sorted(marks) if f"[{kind.upper()}]" in answer]
        return Score(1.0, "found", ", ".join(dict.fromkeys(found))) if found else Score(0.0, "none")

    return _finding(name, judged, parameters={"patterns": [pattern.regex for pattern in patterns]})


def pii() -> Evaluator:
    """Finds personal data in answers, as the content policy does: addresses, telephone numbers, cards, ..."""
    return _patterns_in_answers("pii", scrubbing.PERSONAL, frozenset(one.kind for one in scrubbing.PERSONAL))


def secrets() -> Evaluator:
    """Finds credentials in answers, as the content policy does."""
    return _patterns_in_answers("secrets", scrubbing.SECRETS, frozenset(one.kind for one in scrubbing.SECRETS))


# --- numbers of the item ------------------------------------------------------------------------------


def latency(limit: float = 10.0) -> Evaluator:
    """Whether the answer took at most ``limit`` seconds. The score is the seconds."""
    return _measured("latency", lambda item: item.get("duration"), limit, "duration")


def cost(limit: float = 0.1, currency: str = "USD") -> Evaluator:
    """Whether the model calls cost at most ``limit``. The score is the amount in ``currency``."""

    def paid(item: Item) -> Any:
        by_currency = item.get("cost")
        return by_currency.get(currency) if isinstance(by_currency, dict) else None

    return _measured("cost", paid, limit, "cost", currency=currency)


def _measured(name: str, value: Callable[[Item], Any], limit: float, needs: str, **parameters: Any) -> Evaluator:
    def judged(item: Item) -> float | None:
        found = value(item)
        return float(found) if is_number(found) else None

    return _check(
        name,
        judged,
        needs=frozenset({needs}),
        scale=ANY_NUMBER,
        higher_is_better=False,
        threshold=limit,
        parameters=parameters,
    )


BUILT_IN: dict[str, Callable[..., Evaluator]] = {
    one.__name__: one
    for one in (empty, refusal, length, language, contains, regex, exact, valid_json, pii, secrets, latency, cost)
}
