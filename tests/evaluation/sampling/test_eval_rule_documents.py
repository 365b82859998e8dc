"""Documents and arguments of rules: how they are read, and what is said of those that can't be used."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from evaluating import Evaluated

from otel_llm import Settings
from otel_llm.evaluation import EvaluationSampler, Limits, Rules
from otel_llm.evaluation.sampling.from_settings import sampler_from

Make = Callable[..., Evaluated]

BAD: list[tuple[Any, str]] = [
    (3, "rules must be a list, or a mapping"),
    ({"rules": 3}, "rules must be a list"),
    ({"rule": []}, "unknown key rule"),
    (["error"], "rule 1 must be a mapping"),
    ([{}], "rule 'rule 1' has no condition"),
    ([{"name": "a", "rate": 0.5}], "rule 'a' has no condition"),
    ([{"name": "", "error": True}], "rule 1: name must be a string"),
    ([{"error": True, "rate": 2}], "rule 'rule 1': rate must be a number from 0 to 1, not 2"),
    ([{"name": "a", "error": False}], "rule 'a': error must be true"),
    ([{"name": "a", "latency": 3}], "rule 'a': latency is no condition; there are error, latency_over"),
    ([{"name": "a", "latency_over": "3s"}], "rule 'a': latency_over must be a number from 0, not '3s'"),
    ([{"name": "a", "tokens_over": True}], "rule 'a': tokens_over must be a number"),
    ([{"name": "a", "operation": []}], "rule 'a': operation must be a string or a list of strings"),
    (
        [{"name": "a", "prompt_version": True}],
        "rule 'a': prompt_version must be a string or a list of strings, not True",
    ),
    ([{"name": "a", "prompt_version": [7, None]}], "rule 'a': prompt_version must be a string or a list of strings"),
    ([{"name": True, "error": True}], "rule 1: name must be a string"),
    ([{"name": "a", "attribute": "x"}], "rule 'a': attribute must map names to values"),
    ([{"name": "a", "error": True}] * 2, "more than one rule is named a"),
    ({"rate": 7}, "rate must be a number from 0 to 1, not 7"),
    ([{"name": "rate", "error": True}], "rule 1: name must be another than 'rate'"),
    ([{"latency_over": float("nan")}], "rule 'rule 1': latency_over must be a number from 0, not nan"),
    ([{"baggage": {"evaluate": None}}], "rule 'rule 1': baggage must map names to texts"),
    ({"max_per_minute": 0}, "max_per_minute must be a number above 0, not 0"),
]


@pytest.mark.parametrize(("given", "said"), BAD, ids=[said for _, said in BAD])
def test_a_rule_that_can_not_be_used_is_told_why(given: Any, said: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the message is looked at
        Rules.of(given)
    assert str(caught.value).startswith(said)


def test_other_arguments_that_can_not_be_used() -> None:
    for arguments, said in (
        ({"max_per_minute": -1}, "max_per_minute must be a number above 0"),
        ({"grace": -1}, "grace must be a number of seconds"),
        ({"grace": "1"}, "grace must be a number of seconds"),
        ({"grace": float("nan")}, "grace must be a number of seconds"),
        ({"shutdown_timeout": None}, "shutdown_timeout must be a number of seconds"),
        ({"limits": Limits(age=0)}, "limits.age must be a number above 0"),  # would keep a processor busy
        ({"algorithm": "dice"}, "dice"),
    ):
        with pytest.raises(ValueError, match=said):
            EvaluationSampler(0.5, **arguments)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="sink must be a path, a function"):
        EvaluationSampler(0.5, sink=3)  # type: ignore[arg-type]


DOCUMENT = """
rate: 0.25
max_per_minute: 30
rules:
  - {name: errors, error: true}
"""


def test_a_document_of_rules_as_yaml_and_json(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(DOCUMENT)
    as_json = '{"rate": 0.25, "max_per_minute": 30, "rules": [{"name": "errors", "error": true}]}'
    for rules in (Rules.load(path), Rules.parse(DOCUMENT), Rules.parse(as_json)):
        assert (rules.rate, rules.max_per_minute) == (0.25, 30)
        assert [rule.name for rule in rules.rules] == ["errors"]
    assert [rule.name for rule in Rules.parse('[{"error": true}]').rules] == ["rule 1"]


def test_a_document_that_can_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"missing\.yaml can't be read"):
        Rules.load(tmp_path / "missing.yaml")
    with pytest.raises(ValueError, match="neither JSON nor YAML"):
        Rules.parse("{ - ]")
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ValueError, match=r"otel-llm\[evaluation\]"):
        Rules.parse(DOCUMENT)
    assert Rules.parse("[]").rules == ()


@pytest.mark.parametrize("text", ["[" * 100_000, "[{error: " + "9" * 5000 + "}]", "[{name: 2026-13-45, error: true}]"])
def test_text_that_no_parser_can_take_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # each parser has its own message
        Rules.parse(text)


UNQUOTED = """
- {name: 2026, prompt: writer, prompt_version: 7}
- {name: listed, prompt_version: [8, 2026-11-28, 1.5]}
- {name: carried, baggage: {tenant: 7}}
"""


def test_numbers_and_dates_are_text_where_text_is_meant(evaluated: Make) -> None:
    made = evaluated(rules=Rules.parse(UNQUOTED))
    for version in ("7", "8", "2026-11-28", "1.5", "9"):
        made.chat(gen_ai__prompt__name="writer", gen_ai__prompt__version=version)
    assert [item["sampled_by"] for item in made.flushed()] == [["2026"], ["listed"], ["listed"], ["listed"]]
    assert Rules.parse(UNQUOTED).rules[2].baggage == {"tenant": "7"}


PARTLY_BAD = """
rate: 5
max_per_minute: 30
owner: me
rules:
  - {name: slow, latency: 3}
  - {name: errors, error: true}
  - {name: errors, operation: chat}
  - 7
  - {name: chats, operation: chat}
"""


def test_a_bad_part_of_a_document_is_left_out_and_named() -> None:
    refused: list[str] = []
    rules = Rules.parse(PARTLY_BAD, lambda error: refused.append(str(error)))
    assert [rule.name for rule in rules.rules] == ["errors", "chats"]
    assert (rules.rate, rules.max_per_minute) == (None, 30)
    assert [said.partition(";")[0] for said in refused] == [
        "unknown key owner",
        "rate must be a number from 0 to 1, not 5",
        "rule 'slow': latency is no condition",
        "more than one rule is named errors",
        "rule 4 must be a mapping of conditions, not 7",
    ]
    with pytest.raises(ValueError, match="unknown key owner"):
        Rules.parse(PARTLY_BAD)


def test_the_rate_of_the_arguments_goes_before_that_of_the_document(evaluated: Make) -> None:
    assert evaluated(0.5, rules=Rules(rate=0.1)).sampler._choice.rate == 0.5
    assert evaluated(rules=Rules(rate=0.1)).sampler._choice.rate == 0.1


BROKEN = [
    ("rules:\n  - name: a: b\n", "line 2, column 12: mapping values are not allowed here"),
    ("rules:\n  - {name: a, error: true\n  - {name: b, error: true}\n", "line 3, column 5: expected ',' or '}'"),
    ("rules:\n\t- name: a\n", "line 2, column 1: found character"),
]


@pytest.mark.parametrize(("document", "said"), BROKEN)
@pytest.mark.parametrize(
    ("others", "holds"),
    [
        ({}, "No trace is sampled until"),
        ({"evaluation_sample_rate": 0.25}, "No rule holds, only the rate of 0.25 until"),
        ({"evaluation_rules": "[{error: true}]"}, "OTEL_LLM_EVAL_RULES holds instead until"),
    ],
)
def test_a_document_that_is_no_yaml_is_told_with_its_line_and_what_holds(
    document: str, said: str, others: dict[str, Any], holds: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(document)
    sampler = sampler_from(Settings(evaluation_rules_file=str(path), **others))
    assert (sampler is None) == (not others)
    if sampler is not None:
        sampler.shutdown()
    (record,) = caplog.records
    assert f"rules.yaml' can't be used: neither JSON nor YAML: {said}" in record.message
    assert f"{holds} this is corrected and the process restarted" in record.message
    caplog.clear()
