"""Evaluators without a judge."""

from __future__ import annotations

from typing import Any

import pytest
from judged_items import item

from otel_llm.evaluation.judges import checks
from otel_llm.evaluation.judges.evaluator import Evaluator, EvaluatorError
from otel_llm.evaluation.judges.languages import language_of
from otel_llm.evaluation.judges.scales import Score


def result(evaluator: Evaluator, given: dict[str, Any]) -> Any:
    assert evaluator.function is not None
    found = evaluator.function(given)
    if isinstance(found, Score):
        passed = evaluator.passes(found.value) if found.passed is None else found.passed
        return passed, found.label
    return None if found is None else evaluator.passes(float(found))


REFUSALS = [
    "I'm sorry, but I can't help with that.",
    "I\u2019m sorry, I can\u2019t assist with this request.",
    "Unfortunately, I am unable to provide that information.",
    "As an AI language model, I cannot answer questions about living people.",
    "I won't create content of that kind.",
    "Thanks for asking. I must decline to write this.",
    "Dabei kann ich Ihnen leider nicht helfen.",
    "Tut mir leid, ich kann dir das leider nicht beantworten.",
    "Je ne peux pas vous aider avec cela.",
    "Lo siento, pero no puedo ayudar con eso.",
    "Non posso aiutarti.",
    "Não posso ajudar com isso.",
]
ANSWERS = [
    "The lighthouse was built in 1890.",
    "You can't help but notice the tower.",
    "If you are sorry, say so.",
    "The function cannot provide a default here.",
    "I can help with that: open the settings.",
    "Das kann nicht helfen, weil der Strom fehlt.",
    "She said she would not answer.",
    "A" * 500 + ". I can't help with that.",
    "",
]


@pytest.mark.parametrize("answer", REFUSALS)
def test_a_refusal_is_found(answer: str) -> None:
    assert result(checks.refusal(), item(answer)) is False


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_no_refusal(answer: str) -> None:
    assert result(checks.refusal(), item(answer)) is True


@pytest.mark.parametrize(("answer", "passes"), [("Yes.", True), (" \n\t", False), ("", False), (None, False)])
def test_an_empty_answer_is_found(answer: str | None, passes: bool) -> None:
    assert checks.empty().lacks(item(answer)) is None
    assert result(checks.empty(), item(answer)) is passes


def test_the_length_has_two_bounds() -> None:
    length = checks.length(3, 5)
    assert [result(length, item("x" * n)) for n in (2, 3, 5, 6)] == [
        (False, "short"),
        (True, "fits"),
        (True, "fits"),
        (False, "long"),
    ]


LANGUAGES = [
    ("The lighthouse was built in 1890 and it is open to the public.", "en"),
    ("Der Leuchtturm wurde 1890 gebaut und ist für alle offen.", "de"),
    ("Le phare a été construit en 1890 et il est ouvert à tous.", "fr"),
    ("El faro fue construido en 1890 y está abierto para todos los visitantes.", "es"),
    ("Il faro è stato costruito nel 1890 ed è aperto a tutti, anche la sera.", "it"),
    ("O farol foi construído em 1890 e está aberto para todos, mas não à noite.", "pt"),
    ("De vuurtoren is in 1890 gebouwd en het is voor iedereen open.", "nl"),
    ("Latarnia została zbudowana w 1890 roku i jest otwarta dla wszystkich, ale nie w nocy.", "pl"),
    ("Fyren byggdes 1890 och den är öppen för alla som vill se den.", "sv"),
    ("灯台は1890年に建てられました。", "ja"),
    ("灯塔建于1890年。", "zh"),
    ("Маяк был построен в 1890 году.", "ru"),
    ("등대는 1890년에 지어졌습니다.", "ko"),
    ("بنيت المنارة عام 1890", "ar"),
    ("ok", None),
    ("1890", None),
    ("```python\nfor the of and in is that\n```", None),
]


@pytest.mark.parametrize(("text", "language"), LANGUAGES)
def test_a_language_is_told(text: str, language: str | None) -> None:
    assert language_of(text) == language


def test_the_language_of_an_answer_is_that_of_the_question() -> None:
    check = checks.language()
    german, english = LANGUAGES[1][0], LANGUAGES[0][0]
    assert result(check, item(english, query=german)) == (False, "en")
    assert result(check, item(german, query=german)) == (True, "de")
    assert result(check, item("42", query=german)) is None  # too short to tell
    assert result(checks.language("de"), item(english, query=None)) == (False, "en")


@pytest.mark.parametrize(
    ("evaluator", "answer", "passes"),
    [
        (checks.contains("Kap Arn"), "at kap arn", True),
        (checks.contains("Kap Arn", ignore_case=False), "at kap arn", False),
        (checks.regex(r"\b18\d\d\b"), "in 1890", True),
        (checks.regex(r"\b18\d\d\b"), "in 1990", False),
        (checks.exact("1890"), " 1890\n", True),
        (checks.exact("1890"), "In 1890.", False),
    ],
)
def test_texts_are_compared(evaluator: Evaluator, answer: str, passes: bool) -> None:
    assert result(evaluator, item(answer)) is passes


def test_an_exact_answer_is_compared_with_what_the_item_expects() -> None:
    assert checks.exact().lacks(item("1890")) == "expected"
    assert result(checks.exact(), item("1890", expected="1890")) is True


def test_json_is_checked_by_a_schema() -> None:
    check = checks.valid_json({"type": "object", "required": ["year"], "properties": {"year": {"type": "integer"}}})
    assert result(check, item('{"year": 1890}')) == (True, "pass")
    for answer in ('{"year": "1890"}', "{}", "1890", '{"year": 1890', "", "[" * 100_000):
        assert result(check, item(answer)) == (False, "fail")
    assert result(checks.valid_json(), item("1890")) == (True, "pass")


def test_a_problem_with_json_is_told_without_content() -> None:
    check = checks.valid_json({"properties": {"year": {"type": "integer"}}})
    assert check.function is not None
    found = check.function(item('{"year": "secret words"}'))
    assert found.note == "it does not fit the schema at $.year (type)"


@pytest.mark.parametrize("make", [lambda: checks.regex("("), lambda: checks.valid_json({"type": 5})])
def test_a_parameter_that_can_not_be_used_is_refused(make: Any) -> None:
    with pytest.raises(EvaluatorError):
        make()


def test_personal_data_and_credentials_are_found_as_the_content_policy_finds_them() -> None:
    assert result(checks.pii(), item("Write to jane.doe@example.com.")) == (False, "found")
    assert result(checks.pii(), item("Write to [EMAIL].")) == (False, "found")
    assert result(checks.pii(), item("Write to us.")) == (True, "none")
    assert result(checks.secrets(), item("It is sk-proj-A1b2C3d4E5f6G7h8I9j0.")) == (False, "found")
    assert result(checks.secrets(), item("It is [SECRET].")) == (False, "found")
    assert result(checks.secrets(), item("It is a secret.")) == (True, "none")


def test_what_is_found_is_named_by_its_kind() -> None:
    function = checks.pii().function
    assert function is not None
    assert function(item("jane@example.com, +49 30 901820, john@example.com")).note == "email, phone"


def test_time_and_money_are_compared_with_a_limit() -> None:
    assert result(checks.latency(2.0), item()) is False
    assert result(checks.latency(2.5), item()) is True
    assert checks.cost().lacks(item()) == "cost"
    assert result(checks.cost(0.5), item(cost={"USD": 0.6})) is False
    assert result(checks.cost(0.5), item(cost={"EUR": 0.6})) is None
    assert result(checks.cost(0.5, "EUR"), item(cost={"EUR": 0.4})) is True
