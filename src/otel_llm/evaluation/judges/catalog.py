"""Finds evaluators by name: built-in ones, those of packages, functions of the application, and files of YAML."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from ...config import documents
from . import checks, criteria
from .evaluator import FIELDS, Evaluator, EvaluatorError
from .scales import Categories, Labels, Points, Scale

#: Packages register evaluators, or functions of an item, in this group of entry points.
GROUP = "otel_llm_evaluators"
_FUNCTION = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*")
_FILE = (".yaml", ".yml", ".json")
_KEYS = frozenset(
    {"name", "criteria", "steps", "needs", "scale", "higher_is_better", "threshold", "use", "with", "function"}
)


def _injection(**parameters: Any) -> Evaluator:
    """Made by the guardrails, whose patterns it uses. They are above this room, so it is found by its name."""
    made: Evaluator = import_module("otel_llm.guardrails.evaluator").prompt_injection(**parameters)
    return made


BUILT_IN: Mapping[str, Any] = {
    **{one.name: lambda one=one: one for one in criteria.JUDGED},
    **checks.BUILT_IN,
    "prompt_injection": _injection,
}


def find_evaluators(names: Iterable[str]) -> list[Evaluator]:
    """Find the evaluators that ``names`` name: a built-in one, an entry point, ``module:function``, or a file of YAML.

    :raises EvaluatorError: if one can't be found or used, or two have the same name.
    """
    found: dict[str, Evaluator] = {}
    for name in names:
        for evaluator in _named(name):
            if found.setdefault(evaluator.name, evaluator).revision != evaluator.revision:
                raise EvaluatorError(f"there are two different evaluators named {evaluator.name}")
    return list(found.values())


def _named(name: str) -> Iterator[Evaluator]:
    if name.endswith(_FILE):
        yield from from_file(Path(name))
    elif name in BUILT_IN:
        yield _built_in(name, {})
    elif _FUNCTION.fullmatch(name):
        yield _function(name)
    else:
        yield _entry_point(name)


def _built_in(name: str, parameters: Mapping[str, Any]) -> Evaluator:
    make = BUILT_IN[name]
    try:
        evaluator: Evaluator = make(**parameters)
    except TypeError:
        signature = inspect.signature(make)
        taken = ", ".join(one for one in signature.parameters if one not in ("one", "parameters")) or "no such"
        raise EvaluatorError(f"{name}: it takes {taken}, not {', '.join(parameters) or 'nothing'}") from None
    return evaluator


def _function(path: str) -> Evaluator:
    module, _, attribute = path.partition(":")
    try:
        found: Any = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise EvaluatorError(f"{path} can't be imported: {error}") from None
    return _evaluator(found, attribute.rpartition(".")[2], path)


def _entry_point(name: str) -> Evaluator:
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        known = ", ".join(sorted({*BUILT_IN, *points}))
        raise EvaluatorError(f"there is no evaluator {name}; known are {known}, module:function and files of YAML")
    try:
        return _evaluator(points[name].load(), name, points[name].value)
    except (ImportError, AttributeError) as error:
        raise EvaluatorError(f"{name} of {points[name].value} can't be imported: {error}") from None


def _evaluator(found: Any, name: str, path: str) -> Evaluator:
    if isinstance(found, Evaluator):
        return found
    if not callable(found):
        raise EvaluatorError(f"{path} is neither an Evaluator nor a function of an item")
    return Evaluator.of(name.lower(), found, blocking=True)


# --- files of YAML ------------------------------------------------------------------------------------


def from_file(path: Path) -> list[Evaluator]:
    """The evaluators that a file of YAML or JSON defines under ``evaluators``.

    :raises EvaluatorError: if it can't be used; the message names the entry.
    """
    try:
        document = documents.parse(documents.read(path), "evaluation")
    except ValueError as error:
        raise EvaluatorError(f"{path}: {error}") from None
    entries = document.get("evaluators") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not entries:
        raise EvaluatorError(f"{path}: it must have a list `evaluators`")
    found: list[Evaluator] = []
    for entry in entries:
        try:
            found.extend(_named(entry) if isinstance(entry, str) else [_defined(entry)])
        except (EvaluatorError, TypeError, ValueError) as error:
            raise EvaluatorError(f"{path}: {error}") from None
    return found


def _defined(entry: Any) -> Evaluator:
    name = entry.get("name", entry.get("use")) if isinstance(entry, dict) else None
    if not isinstance(name, str):
        raise EvaluatorError("each entry is a name, or has a `name`")
    if unknown := entry.keys() - _KEYS:
        raise EvaluatorError(f"{name}: unknown {', '.join(map(str, sorted(unknown, key=str)))}")
    ways = [way for way in ("criteria", "use", "function") if way in entry]
    if len(ways) != 1:
        raise EvaluatorError(f"{name}: it has one of criteria, use and function")
    if "use" in entry:
        return _renamed(entry, name)
    if "function" in entry:
        made = _function(str(entry["function"]))
        return Evaluator.of(name, made.function or _no_function, blocking=True, **_common(entry, name, made.needs))
    return Evaluator(
        name,
        criteria=_text(entry["criteria"], name, "criteria"),
        steps=tuple(_text(step, name, "a step") for step in entry.get("steps") or ()),
        scale=_scale(entry.get("scale"), name),
        **_common(entry, name, frozenset({"answer"})),
    )


def _renamed(entry: Mapping[str, Any], name: str) -> Evaluator:
    used = entry["use"]
    if used not in BUILT_IN:
        raise EvaluatorError(f"{name}: there is no built-in evaluator {used}")
    made = _built_in(used, entry.get("with") or {})
    changed = {key: entry[key] for key in ("threshold",) if key in entry}
    return replace(made, name=name, **changed)


def _common(entry: Mapping[str, Any], name: str, needs: frozenset[str]) -> dict[str, Any]:
    given: dict[str, Any] = {"needs": frozenset(entry.get("needs") or needs)}
    if unknown := given["needs"] - FIELDS:
        raise EvaluatorError(f"{name}: no item has {', '.join(map(str, unknown))}, only {', '.join(sorted(FIELDS))}")
    if "threshold" in entry:
        threshold = entry["threshold"]
        if isinstance(threshold, bool) or not isinstance(threshold, int | float):
            raise EvaluatorError(f"{name}: the threshold must be a number")
        given["threshold"] = float(threshold)
    if "higher_is_better" in entry:
        if not isinstance(entry["higher_is_better"], bool):
            raise EvaluatorError(f"{name}: higher_is_better must be true or false")
        given["higher_is_better"] = entry["higher_is_better"]
    return given


def _scale(given: Any, name: str) -> Scale:
    """``{points: [1, 5]}``, ``{labels: {good: 1, bad: 0}}`` or ``{categories: {spam: what it is}}``."""
    match given:
        case None:
            return Points()
        case {"points": [int(low), int(high)]} if low < high <= low + 100:
            parts, meanings = (tuple(map(str, given.get(key) or ())) for key in ("parts", "meanings"))
            return Points(low, high, parts or ("score",), meanings)
        case {"labels": dict(labels)} if len(labels) > 1:
            return Labels(tuple(_label(label, meaning, name) for label, meaning in labels.items()))
        case {"categories": dict(categories)} if categories:
            return Categories(tuple((str(one), str(meaning)) for one, meaning in categories.items()))
    raise EvaluatorError(
        f"{name}: the scale is none of points: [1, 5], labels: {{good: 1, bad: 0}}, categories: {{...}}"
    )


def _label(label: Any, meaning: Any, name: str) -> tuple[str, float, str]:
    score, says = (meaning.get("score"), meaning.get("meaning", "")) if isinstance(meaning, dict) else (meaning, "")
    if isinstance(score, bool) or not isinstance(score, int | float):
        raise EvaluatorError(f"{name}: the label {label} needs a number as its score")
    if isinstance(label, bool):  # YAML reads yes and no as these
        label = "yes" if label else "no"
    return str(label), float(score), str(says)


def _text(value: Any, name: str, what: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise EvaluatorError(f"{name}: {what} must be a text")
    return value.strip()


def _no_function(item: Any) -> None:
    raise EvaluatorError("an evaluator that asks a judge can't be used as a function")
