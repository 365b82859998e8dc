"""What a judge may answer, and the score that it means: one of several labels, points, or the categories that apply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Json = dict[str, Any]
#: The label where no category applies.
_NONE = "none"


class ReplyError(ValueError):
    """What a judge replied can't be used. The message says why, without content."""


@dataclass(frozen=True, slots=True)
class Score:
    """What a function of an item may return: a ``value`` with a ``label``.

    Without a label it is whether the score passes. ``note`` is the explanation. ``passed`` is for a function that
    decides by more than the evaluator's threshold.
    """

    value: float
    label: str | None = None
    note: str = ""
    passed: bool | None = None


class Scale(Protocol):
    """A way to answer, and the score that an answer means. ``low`` and ``high`` bound it."""

    @property
    def kind(self) -> str:
        """``labels``, ``points`` or ``categories``."""
        ...

    @property
    def low(self) -> float:
        """The lowest score."""
        ...

    @property
    def high(self) -> float:
        """The highest score."""
        ...

    def schema(self) -> Json:
        """The JSON Schemas of the fields of an answer, by their names."""
        ...

    def read(self, answer: Mapping[str, Any]) -> Score:
        """The score of ``answer``, the fields of :meth:`schema`.

        :raises ReplyError: if a field is missing, of another type, or not one of the values.
        """
        ...

    def questions(self, name: str, instructions: str) -> list[Json]:
        """The same as questions of OpenAI's decisions, with ``name`` in theirs, each with the ``instructions``."""
        ...

    def decided(self, answers: list[Json]) -> Score:
        """The score of the ``answers`` to :meth:`questions`.

        :raises ReplyError: if they are no answers to them.
        """
        ...


@dataclass(frozen=True, slots=True)
class Labels(Scale):
    """One of several ``labels``, each with its score and what it means."""

    labels: tuple[tuple[str, float, str], ...]

    @property
    def kind(self) -> str:
        return "labels"

    @property
    def low(self) -> float:
        return min(score for _, score, _ in self.labels)

    @property
    def high(self) -> float:
        return max(score for _, score, _ in self.labels)

    def schema(self) -> Json:
        meanings = "; ".join(f"{label}: {meaning}" for label, _, meaning in self.labels)
        return {"label": {"type": "string", "enum": [label for label, _, _ in self.labels], "description": meanings}}

    def read(self, answer: Mapping[str, Any]) -> Score:
        scores = {label: score for label, score, _ in self.labels}
        label = answer.get("label")
        if not isinstance(label, str) or label not in scores:
            raise ReplyError("the label is not one of those that were offered")
        return Score(scores[label], label)

    def questions(self, name: str, instructions: str) -> list[Json]:
        choices = [{"value": label, "description": meaning} for label, _, meaning in self.labels]
        return [{"type": "choice", "name": name, "instructions": instructions, "choices": choices}]

    def decided(self, answers: list[Json]) -> Score:
        (answer,) = _of_type(answers, "choice", 1)
        label = self.read({"label": answer.get("choice")}).label
        likely = {one.get("value"): _probability(one.get("probability")) for one in answer.get("probabilities") or ()}
        if likely.keys() != {one for one, _, _ in self.labels} or abs(sum(likely.values()) - 1) > 0.05:
            raise ReplyError("the probabilities are not those of the labels")
        expected = sum(likely[one] * score for one, score, _ in self.labels) / sum(likely.values())
        return Score(expected, label)


@dataclass(frozen=True, slots=True)
class Points(Scale):
    """Whole numbers from ``lowest`` to ``highest``; with ``parts`` one for each, of which the score is the mean.

    ``meanings`` say what each number means, from the lowest on.
    """

    lowest: float = 1
    highest: float = 5
    parts: tuple[str, ...] = ("score",)
    meanings: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return "points"

    @property
    def low(self) -> float:
        return self.lowest

    @property
    def high(self) -> float:
        return self.highest

    def schema(self) -> Json:
        numbers = range(int(self.low), int(self.high) + 1)
        meanings = "; ".join(f"{n}: {meaning}" for n, meaning in zip(numbers, self.meanings, strict=False))
        field: Json = {"type": "integer", "enum": list(numbers)}
        return {part: field | ({"description": meanings} if meanings else {}) for part in self.parts}

    def read(self, answer: Mapping[str, Any]) -> Score:
        return self._mean([self._point(answer.get(part)) for part in self.parts])

    def _point(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= self.high:
            raise ReplyError(f"a score is not a whole number from {self.low:g} to {self.high:g}")
        return value

    def _mean(self, points: list[float]) -> Score:
        note = "" if len(points) == 1 else ", ".join(f"{p} {n:g}" for p, n in zip(self.parts, points, strict=True))
        return Score(sum(points) / len(points), None, note)

    def questions(self, name: str, instructions: str) -> list[Json]:
        numbers = range(int(self.low), int(self.high) + 1)
        levels: list[Json] = [{"label": str(n)} for n in numbers]
        for level, meaning in zip(levels, self.meanings, strict=False):
            level["description"] = meaning
        return [
            {
                "type": "score",
                "name": f"{name}.{part}",
                "instructions": instructions if len(self.parts) == 1 else f"{instructions}\nRate only: {part}.",
                "levels": levels,
            }
            for part in self.parts
        ]

    def decided(self, answers: list[Json]) -> Score:
        expected: list[float] = []
        for answer in _of_type(answers, "score", len(self.parts)):
            likely: dict[float, float] = {}
            for one in answer.get("probabilities") or ():
                label = one.get("label")
                point = self._point(int(label) if isinstance(label, str) and label.isdecimal() else None)
                likely[point] = _probability(one.get("probability"))
            if abs(sum(likely.values()) - 1) > 0.05:
                raise ReplyError("the probabilities are not those of the levels")
            expected.append(sum(point * share for point, share in likely.items()) / sum(likely.values()))
        return self._mean(expected)


@dataclass(frozen=True, slots=True)
class Categories(Scale):
    """All ``categories`` that apply, each with what it means, the gravest first.

    The score is 1 if one applies, and the label is the gravest; if none does, the score is 0 and the label ``none``.
    """

    categories: tuple[tuple[str, str], ...]

    @property
    def kind(self) -> str:
        return "categories"

    @property
    def low(self) -> float:
        return 0.0

    @property
    def high(self) -> float:
        return 1.0

    def schema(self) -> Json:
        meanings = "; ".join(f"{name}: {meaning}" for name, meaning in self.categories)
        one = {"type": "string", "enum": [name for name, _ in self.categories]}
        return {
            "categories": {"type": "array", "items": one, "description": f"All that apply; empty if none. {meanings}"}
        }

    def read(self, answer: Mapping[str, Any]) -> Score:
        given = answer.get("categories")
        known = [name for name, _ in self.categories]
        if not isinstance(given, list) or any(not isinstance(one, str) or one not in known for one in given):
            raise ReplyError("the categories are not a list of those that were offered")
        return self._score(1.0 if given else 0.0, [name for name in known if name in given])

    def _score(self, value: float, found: list[str]) -> Score:
        return Score(value, found[0] if found else _NONE, ", ".join(found) if len(found) > 1 else "")

    def questions(self, name: str, instructions: str) -> list[Json]:
        return [
            {"type": "predicate", "name": f"{name}.{one}", "instructions": f"{instructions}\nIt has {one}: {meaning}"}
            for one, meaning in self.categories
        ]

    def decided(self, answers: list[Json]) -> Score:
        given = _of_type(answers, "predicate", len(self.categories))
        likely = [_probability(answer.get("probability")) for answer in given]
        found = [name for (name, _), share in zip(self.categories, likely, strict=True) if share > 0.5]
        return self._score(max(likely), found)


def _of_type(answers: list[Json], kind: str, number: int) -> list[Json]:
    if any(answer.get("type") == "refusal" for answer in answers):
        raise ReplyError("the judge declined to answer")
    if len(answers) != number or any(answer.get("type") != kind for answer in answers):
        raise ReplyError("the answers are not those to the questions")
    return answers


def _probability(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ReplyError("a probability is not a number from 0 to 1")
    return float(value)
