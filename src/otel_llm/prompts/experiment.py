"""Experiments: assign each key (such as a user or a session) one variant.

The assignment is computed from the key alone, so it is the same in every process. ``docs/prompts.md`` describes the
algorithm, with test vectors for other languages.
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

#: How far from 1 (or 100) the sum of the weights may be. Floats such as 1/3 don't add up exactly.
_TOLERANCE = Fraction(1, 10**9)


class Experiment(Generic[Variant]):
    """An experiment: it assigns each key (such as a user or a session) one of several variants, always the same one.

    ``id`` names the experiment. ``variants`` maps names to prompts or other values, or is a list of names. The
    assignment depends on their order. ``weights`` are the shares of the variants: a mapping by name, or a list in the
    order of the variants. They add up to 1, or to 100 if they are per cent. By default all variants have the same
    weight.

    ``Experiment("greeting", {"formal": first, "warm": second}, {"formal": 0.9, "warm": 0.1}).assign(user_id)``

    :raises TypeError: for an argument of the wrong type.
    :raises ValueError: if an id or name is empty, has more than 256 characters or contains NUL; if there are no
        variants or two of the same name; if weights are negative, don't add up, or don't match the variants.
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
        """Return the variant of ``key``: the value in ``variants``, or the name if these are a list.

        The manual span around the call records experiment and variant. If the variant is a prompt, the inferences that
        it leads to record them too.

        :raises TypeError: if ``key`` is not a string.
        """
        index = self._index(key)
        note(self._assignments[index])
        value: Variant = self._values[index]
        return value

    def assignment(self, key: str) -> Assignment:
        """Return the variant that :meth:`assign` chooses for ``key`` as attributes.

        They are meant for ``otel_llm.propagate_attributes(experiment=...)``.

        :raises TypeError: if ``key`` is not a string.
        """
        return self._assignments[self._index(key)]

    def _index(self, key: str) -> int:
        if not isinstance(key, str):
            raise TypeError(f"{self}: the key must be a string, not {type(key).__name__}; pass str() of a number")
        digest = hashlib.sha256(f"{self.id}\0{key}".encode("utf-8", "replace")).digest()
        # The key's place among 2**64 equally likely ones, scaled to the sum of the weights.
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
    """The weights as whole numbers with the same ratios."""
    if weights is None:
        return [1] * len(names)
    if isinstance(weights, Mapping):
        if weights.keys() != set(names):
            raise ValueError(f"{experiment}: weights are for {sorted(weights)}, but the variants are {sorted(names)}")
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
    """The weight as the decimal number that was written: 0.1 is exactly a tenth."""
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        kind = type(weight).__name__
        raise TypeError(f"{experiment}: the weight of {name!r} must be a number, not {kind}")
    if not 0 <= weight <= 100:  # also false for NaN
        raise ValueError(f"{experiment}: the weight of {name!r} must be from 0 to 1, or to 100 per cent, not {weight}")
    return Fraction(repr(float(weight)))  # float, because the repr of NumPy's numbers contains the type
