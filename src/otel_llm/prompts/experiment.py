"""Which variant of an experiment a key (a user, a session) sees: the same one everywhere, without asking anybody.

The assignment is arithmetic that any language has; ``docs/prompts.md`` writes it down, with test vectors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import accumulate
from math import lcm
from typing import Any, Generic, TypeVar, overload

from .prompt import Prompt
from .steps import note
from .use import MAX_NAME, Assignment

Variant = TypeVar("Variant")

#: How far from 1 (or 100) fractions written as binary numbers (thirds) may add up to.
_TOLERANCE = Fraction(1, 10**9)


class Experiment(Generic[Variant]):
    """An experiment that shows each key one of its variants.

    ``variants`` maps names to prompts (or anything else), or is a list of names; their order counts. ``weights``, by
    name or in that order, are numbers that add up to 1, or per cent that add up to 100; by default all are equal.

    ``Experiment("greeting", {"formal": first, "warm": second}, {"formal": 0.9, "warm": 0.1}).assign(user_id)``

    :raises TypeError: for arguments of other types.
    :raises ValueError: for weights that don't add up or are negative, and for variants that are none or the same.
    """

    __slots__ = ("_assignments", "_ends", "_total", "_values", "id")

    id: str

    @overload
    def __init__(
        self,
        id: str,
        variants: Mapping[str, Variant],
        weights: Mapping[str, float] | Sequence[float] | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self: Experiment[str],
        id: str,
        variants: Sequence[str],
        weights: Mapping[str, float] | Sequence[float] | None = None,
    ) -> None: ...

    def __init__(self, id: str, variants: Any, weights: Any = None) -> None:  # noqa: A002
        self.id = _name("the id of an experiment", id)
        names = _variants(self, variants)
        shares = _weights(self, names, weights)
        self._ends = tuple(accumulate(shares))
        self._total = self._ends[-1]
        self._assignments = tuple(Assignment(self.id, name) for name in names)
        values = variants.values() if isinstance(variants, Mapping) else names
        self._values: tuple[Any, ...] = tuple(
            value.assigned(made) if isinstance(value, Prompt) else value
            for value, made in zip(values, self._assignments, strict=True)
        )

    def __str__(self) -> str:
        return f"experiment {self.id!r}"

    def assign(self, key: str) -> Variant:
        """The variant for ``key``. A prompt carries its assignment to the inferences it leads to; the step at work
        says it, too.

        :raises TypeError: for a key that is no string.
        """
        index = self._index(key)
        note(self._assignments[index])
        value: Variant = self._values[index]
        return value

    def assignment(self, key: str) -> Assignment:
        """What :meth:`assign` decides for ``key``, as attributes: for ``propagate_attributes(experiment=...)``.

        :raises TypeError: for a key that is no string.
        """
        return self._assignments[self._index(key)]

    def _index(self, key: str) -> int:
        if not isinstance(key, str):
            raise TypeError(f"{self}: the key must be a string, not {type(key).__name__}; for a number, its str()")
        digest = hashlib.sha256(f"{self.id}\0{key}".encode("utf-8", "replace")).digest()
        place = int.from_bytes(digest[:8], "big") * self._total >> 64
        return next(index for index, end in enumerate(self._ends) if place < end)


def _name(what: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a string, not {type(value).__name__}")
    if not value or "\0" in value or len(value) > MAX_NAME:
        raise ValueError(f"{what} must have 1 to {MAX_NAME} characters, none of them NUL")
    return value


def _variants(experiment: Experiment[Any], variants: Any) -> list[str]:
    if isinstance(variants, str) or not isinstance(variants, Mapping | Sequence):
        kind = type(variants).__name__
        raise TypeError(f"{experiment}: variants must be a mapping or a list of names, not {kind}")
    names = [_name(f"{experiment}: the name of a variant", name) for name in variants]
    if not names:
        raise ValueError(f"{experiment} has no variants")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{experiment} has variants of the same name: {', '.join(twice)}")
    return names


def _weights(experiment: Experiment[Any], names: list[str], weights: Any) -> list[int]:
    """The weights as whole numbers in the same proportion."""
    if weights is None:
        return [1] * len(names)
    if isinstance(weights, Mapping):
        if weights.keys() != set(names):
            raise ValueError(f"{experiment}: weights are for {sorted(weights)}, variants are {sorted(names)}")
        weights = [weights[name] for name in names]
    if isinstance(weights, str) or not isinstance(weights, Sequence):
        raise TypeError(f"{experiment}: weights must be a mapping or a list, not {type(weights).__name__}")
    if len(weights) != len(names):
        raise ValueError(f"{experiment} has {len(names)} variants and {len(weights)} weights")
    exact = [_exact(experiment, name, weight) for name, weight in zip(names, weights, strict=True)]
    total = sum(exact, Fraction())
    if not any(abs(total - whole) <= whole * _TOLERANCE for whole in (1, 100)):
        raise ValueError(f"{experiment}: weights must add up to 1 or to 100, not {float(total):g}")
    common = lcm(*(weight.denominator for weight in exact))
    return [int(weight * common) for weight in exact]


def _exact(experiment: Experiment[Any], name: str, weight: object) -> Fraction:
    """A weight as it is written: 0.1 is a tenth."""
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        kind = type(weight).__name__
        raise TypeError(f"{experiment}: the weight of {name!r} must be a number, not {kind}")
    if not 0 <= weight <= 100:  # NaN is not
        raise ValueError(f"{experiment}: the weight of {name!r} must be from 0 to 1, or to 100 per cent, not {weight}")
    return Fraction(repr(float(weight)))  # of NumPy's numbers, repr tells the type too
