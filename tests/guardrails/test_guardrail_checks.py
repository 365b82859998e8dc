"""What each check says of a text."""

from __future__ import annotations

import pickle
import re
from typing import Any

import pytest

from otel_llm.guardrails import (
    Action,
    Blocked,
    Check,
    Guardrails,
    Result,
    json_schema,
    max_length,
    pii,
    regex,
    secrets,
    topic,
)
from otel_llm.guardrails.expressions import compiled

KEY = "gsk_A1b2C3d4E5f6G7h8I9j0A1b2C3d4E5f6G7h8I9j0"


def check(made: Any, text: str) -> Result:
    return Guardrails(input=[made]).check_input(text)


def test_pii_is_redacted_by_kind() -> None:
    result = check(pii(), "I am jane@example.com, call +49 30 901820.")
    assert result.action is Action.REDACT
    assert result.text == "I am [EMAIL], call [PHONE]."
    assert (result.reason, result.category, result.check) == ("pii", "pii.email", "pii")
    assert {place.category for place in result.results[0].found} == {"pii.email", "pii.phone"}


def test_pii_of_some_kinds_and_with_exceptions() -> None:
    only_mail = pii(["email"], allow=["*@support.example.com"])
    text = "help@support.example.com, jane@example.com, +49 30 901820"
    assert check(only_mail, text).text == "help@support.example.com, [EMAIL], +49 30 901820"
    with pytest.raises(ValueError, match="pii knows no name, only card, email"):
        pii(["name"])


def test_pii_can_block() -> None:
    result = check(pii(action=Action.BLOCK), "I am jane@example.com")
    assert result.blocked
    assert result.text == ""
    with pytest.raises(ValueError, match="action must be"):
        pii(action=Action.PASS)


def test_secrets() -> None:
    result = check(secrets(), f"use {KEY} for it, or postgres://app:pa55word@db/x")
    assert result.text == "use [SECRET] for it, or postgres://[SECRET]@db/x"
    assert result.category == "secret"
    assert check(secrets(), "use the key under the mat").action is Action.PASS


def test_places_that_overlap_are_one() -> None:
    mail = Guardrails(input=[regex(r"jane@\w+", action=Action.REDACT, replacement="[A]"), pii()])
    assert mail.check_input("to jane@example.com").text == "to [A].com"
    result = check(pii(), "DE89 3704 0044 0532 0130 00")
    assert result.text == "[IBAN]"


def test_regex() -> None:
    assert check(regex(r"(?i)project x"), "about Project X").blocked
    redacting = regex(re.compile(r"ticket-\d+"), name="tickets", action=Action.REDACT, replacement="[T]", category="id")
    result = check(redacting, "see ticket-12 and ticket-345")
    assert (result.text, result.check, result.category) == ("see [T] and [T]", "tickets", "id")
    assert check(redacting, "see it").action is Action.PASS
    with pytest.raises(ValueError, match="is no regular expression"):
        regex("(")


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(?:a*b?)*c", r"([a-z]+,?)+;", r"(?:(?:a|b)+)*!"])
def test_an_expression_that_may_take_forever_is_searched_in_linear_time_or_refused(
    pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("re2")
    assert list(compiled(pattern)("a" * 50_000 + "\u00e4")) == []
    monkeypatch.setattr("otel_llm.content.re2_gate.available", lambda: False)
    with pytest.raises(ValueError, match="may take forever"):
        compiled(pattern)


@pytest.mark.parametrize("pattern", [r"\bä+\b", r"(?:ab){1,9}", r"a+b+", r"(\w+)@(\w+)"])
def test_other_expressions_mean_what_they_do_in_python(pattern: str) -> None:
    text = "ä ää abab aab x@y Ünter@ß"
    assert list(compiled(pattern)(text)) == [found.span() for found in re.finditer(pattern, text)]


def test_max_length() -> None:
    assert check(max_length(3), "abc").action is Action.PASS
    result = check(max_length(3), "abcd")
    assert (result.action, result.reason) == (Action.BLOCK, "too_long")
    assert check(max_length(3, action=Action.REDACT), "abcd").text == "abc"
    words = max_length(2, count=lambda text: len(text.split()))
    assert check(words, "a b").action is Action.PASS
    assert check(words, "a b c").blocked
    with pytest.raises(ValueError, match="positive whole number"):
        max_length(0)
    with pytest.raises(ValueError, match="only a length in characters"):
        max_length(3, count=lambda text: 1, action=Action.REDACT)


SCHEMA = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}


def test_json_schema() -> None:
    assert check(json_schema(SCHEMA), '{"name": "Jane"}').action is Action.PASS
    result = check(json_schema(SCHEMA), '{"name": 1}')
    assert (result.action, result.reason, result.rule) == (Action.BLOCK, "schema", "type")
    assert check(json_schema(SCHEMA), "Sure! {").reason == "not_json"
    assert check(json_schema(), "[1, 2]").action is Action.PASS
    with pytest.raises(ValueError, match="is no JSON schema"):
        json_schema({"type": "text"})


def test_json_schema_loads_nothing_from_the_network(quiet: Any) -> None:
    result = check(json_schema({"$ref": "http://127.0.0.1:9/schema.json"}), "{}")
    assert (result.action, result.reason) == (Action.BLOCK, "failed")
    quiet.clear()


def test_topic() -> None:
    def classify(text: str) -> list[str]:
        return [word for word in ("politics", "sport") if word in text]

    assert check(topic(classify, deny=["politics"]), "about sport").action is Action.PASS
    result = check(topic(classify, deny=["politics"]), "sport and politics")
    assert (result.action, result.reason, result.category) == (Action.BLOCK, "topic", "topic.politics")
    assert check(topic(classify, allow=["sport"]), "about sport").action is Action.PASS
    assert check(topic(classify, allow=["sport"]), "about cooking").category == "topic.other"
    assert check(topic(lambda text: "sport", allow=["sport"]), "x").action is Action.PASS
    for wrong in ({}, {"allow": [], "deny": []}):
        with pytest.raises(ValueError, match="either allow or deny"):
            topic(classify, **wrong)


def test_a_function_is_a_check() -> None:
    def shouting(text: str) -> Result | None:
        return Result(Action.REDACT, "shouting", text.lower()) if text.isupper() else None

    result = check(shouting, "HELLO")
    assert (result.text, result.check, result.reason) == ("hello", "shouting", "shouting")
    assert check(shouting, "Hello").action is Action.PASS
    with pytest.raises(TypeError, match="must be a Check or a function"):
        Guardrails(input=["pii"])


def test_a_result_gives_the_text_or_raises() -> None:
    assert check(pii(), "jane@example.com").require() == "[EMAIL]"
    result = check(regex("secret plan"), "the secret plan")
    with pytest.raises(Blocked) as raised:
        result.require()
    assert raised.value.result is result
    assert str(raised.value) == "the input was blocked by the guardrail regex (regex)"
    assert pickle.loads(pickle.dumps(raised.value)).result == result


def test_a_reason_that_may_quote_the_text_is_not_in_the_message() -> None:
    def judge(text: str) -> Result:
        return Result(Action.BLOCK, f"it says {text}")

    result = check(judge, "canary words")
    assert "canary" in str(result.reason)
    assert "canary" not in str(Blocked(result))
    assert "canary" not in repr(Result(text="canary"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": ""}, "name must be"),
        ({"name": "x" * 129}, "name must be"),
        ({"timeout": 0}, "timeout must be more than 0"),
        ({"fail": "never"}, "fail must be 'open' or 'closed'"),
        ({"stream": "all"}, "stream must be"),
    ],
)
def test_what_a_check_does_not_take(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Check(**{"name": "a", "function": str, **arguments})
    with pytest.raises(TypeError, match="must be callable"):
        Check("a", "b")  # type: ignore[arg-type]
