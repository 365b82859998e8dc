"""An experiment assigns by arithmetic: the same everywhere, by its weights, independent of other experiments."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from interpreter import python
from otel_llm import Experiment, Prompt

KEYS = [f"user-{number}" for number in range(100_000)]
DOCUMENTED = Path(__file__).parents[2] / "docs" / "prompts.md"


def near(counted: int, keys: int, share: float) -> bool:
    """Within five standard deviations of the binomial distribution."""
    return abs(counted - keys * share) <= 5 * math.sqrt(keys * share * (1 - share))


@pytest.mark.parametrize(
    ("variants", "weights", "shares"),
    [
        (["a", "b"], None, {"a": 0.5, "b": 0.5}),
        (["a", "b", "c"], None, {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}),
        (["a", "b"], [0.9, 0.1], {"a": 0.9, "b": 0.1}),
        (["a", "b"], [99, 1], {"a": 0.99, "b": 0.01}),
        (["a", "b", "c"], {"c": 0.7, "a": 0.1, "b": 0.2}, {"a": 0.1, "b": 0.2, "c": 0.7}),
        (["a", "b", "c"], [1 / 3, 1 / 3, 1 / 3], {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}),
        (["a", "b", "c"], [0, 1, 0], {"b": 1}),
    ],
)
def test_keys_are_assigned_by_the_weights(variants: Any, weights: Any, shares: dict[str, float]) -> None:
    counts = Counter(map(Experiment("balance", variants, weights).assign, KEYS))
    assert counts.keys() == shares.keys()
    assert all(near(counts[name], len(KEYS), share) for name, share in shares.items())


def test_experiments_are_independent() -> None:
    first, second = Experiment("first", ["a", "b"]), Experiment("second", ["a", "b"])
    pairs = Counter((first.assign(key), second.assign(key)) for key in KEYS)
    assert len(pairs) == 4
    assert all(near(count, len(KEYS), 0.25) for count in pairs.values())


def test_more_weight_moves_keys_to_a_variant_only() -> None:
    before, after = Experiment("e", ["old", "new"], [0.9, 0.1]), Experiment("e", ["old", "new"], [0.5, 0.5])
    moves = Counter((before.assign(key), after.assign(key)) for key in KEYS[:10_000])
    assert ("new", "old") not in moves


def vectors() -> list[tuple[str, dict[str, float], str, str]]:
    """The test vectors of the documentation."""
    table = DOCUMENTED.read_text().partition("### Test vectors")[2].partition("\n#")[0]
    rows = [
        [json.loads(cell) for cell in re.findall(r"`([^`]*)`", line)]
        for line in table.splitlines()
        if line.startswith('| `"')
    ]
    return [(row[0], row[1], row[2], row[4]) for row in rows]


def test_the_documented_vectors() -> None:
    assert len(vectors()) >= 10
    for identity, weights, key, variant in vectors():
        experiment = Experiment(identity, list(weights), weights if sum(weights.values()) == 100 else None)
        assert experiment.assign(key) == variant, (identity, key)


def test_numbers_that_write_themselves_otherwise() -> None:
    """As NumPy's do."""

    class Number(float):
        def __repr__(self) -> str:
            return f"number({float(self)})"

    given, plain = Experiment("e", ["a", "b"], [Number(0.9), Number(0.1)]), Experiment("e", ["a", "b"], [0.9, 0.1])
    assert [given.assign(str(key)) for key in range(100)] == [plain.assign(str(key)) for key in range(100)]


def test_another_process_assigns_the_same() -> None:
    program = "import otel_llm; print(''.join(otel_llm.Experiment('e', ['a', 'b', 'c']).assign(str(n))"
    program += " for n in range(500)))"
    said = {python("-c", program, PYTHONHASHSEED=seed).stdout.strip() for seed in ("0", "1")}
    experiment = Experiment("e", ["a", "b", "c"])
    assert said == {"".join(experiment.assign(str(n)) for n in range(500))}


def test_any_text_is_a_key() -> None:
    experiment = Experiment("e", ["a", "b"])
    for key in ("", "\0", "é", "🌊", "\ud800", "x" * 100_000):
        assert experiment.assign(key) in {"a", "b"}


def test_prompts_carry_their_assignment() -> None:
    variants = {"formal": Prompt("greet", "1", "Good day, {name}."), "warm": Prompt("greet", "2", "Hi {name}!")}
    experiment = Experiment("greeting", variants)
    prompt = experiment.assign("user-1")
    name = experiment.assignment("user-1").variant
    assert (prompt.version, prompt.template) == (variants[name].version, variants[name].template)
    carried = {"otel_llm.experiment.id": "greeting", "otel_llm.experiment.variant": name}
    assert carried.items() <= prompt.attributes().items()
    assert carried.items() <= prompt.format(name="Ada").attributes().items()
    assert experiment.assignment("user-1").attributes() == carried
    assert variants[name].assignment is None


def test_variants_of_any_kind() -> None:
    assert Experiment("model", {"a": 1, "b": 1}).assign("x") == 1


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (("e", []), ValueError, "experiment 'e' has no variants"),
        (("e", {}), ValueError, "experiment 'e' has no variants"),
        (("e", "ab"), TypeError, "variants must be a mapping or a list of names, not str"),
        (("e", None), TypeError, "not NoneType"),
        (("e", ["a", "b", "a"]), ValueError, "variants of the same name: a"),
        (("e", ["a", 1]), TypeError, "name of a variant must be a string, not int"),
        (("e", ["a", ""]), ValueError, "1 to 256 characters"),
        (("", ["a"]), ValueError, "id of an experiment must have"),
        (("e\0", ["a"]), ValueError, "none of them NUL"),
        ((7, ["a"]), TypeError, "id of an experiment must be a string, not int"),
        (("e", ["a", "b"], [0.5, 0.4]), ValueError, "add up to 1 or to 100, not 0.9"),
        (("e", ["a", "b"], [50, 49]), ValueError, "add up to 1 or to 100, not 99"),
        (("e", ["a", "b"], [0, 0]), ValueError, "not 0"),
        (("e", ["a", "b"], [1.5, -0.5]), ValueError, "weight of 'b' must be from 0 to 1"),
        (("e", ["a", "b"], [float("nan"), 1]), ValueError, "weight of 'a'"),
        (("e", ["a", "b"], [float("inf"), 1]), ValueError, "weight of 'a'"),
        (("e", ["a", "b"], [True, False]), TypeError, "weight of 'a' must be a number, not bool"),
        (("e", ["a", "b"], ["0.5", "0.5"]), TypeError, "weight of 'a' must be a number, not str"),
        (("e", ["a", "b"], [1]), ValueError, "2 variants and 1 weights"),
        (("e", ["a", "b"], {"a": 1}), ValueError, "weights are for ['a'], but the variants are ['a', 'b']"),
        (("e", ["a", "b"], 0.5), TypeError, "weights must be a mapping or a list, not float"),
    ],
)
def test_experiments_that_are_none(arguments: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error) as raised:
        Experiment(*arguments)
    assert says in str(raised.value)


@pytest.mark.parametrize("key", [None, 5, b"x", ("a",)])
def test_keys_that_are_none(key: Any) -> None:
    with pytest.raises(TypeError, match="experiment 'e': the key must be a string"):
        Experiment("e", ["a"]).assign(key)
