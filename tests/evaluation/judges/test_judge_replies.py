"""A reply gives verdicts only if it matches in every respect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from otel_llm.evaluation.judges import criteria
from otel_llm.evaluation.judges.asking import JudgeReply, JudgeRequest, ask_for
from otel_llm.evaluation.judges.fencing import Block
from otel_llm.evaluation.judges.replies import read
from otel_llm.evaluation.judges.scales import Categories, Labels, Points, ReplyError, Scale, Score

EVALUATORS = (criteria.HALLUCINATION, criteria.FAITHFULNESS, criteria.MODERATION, criteria.STYLE)
GOOD: dict[str, Any] = {
    "hallucination": {"reason": "1990 is not in the documents.", "label": "hallucinated"},
    "faithfulness": {"reason": "So.", "score": 2},
    "moderation": {"reason": "So.", "categories": []},
    "style": {"reason": "So.", "accuracy": 3, "style": 2},
}


@pytest.fixture
def request_() -> JudgeRequest:
    return ask_for(EVALUATORS, [Block("answer", "In 1990.")])


def text(request: JudgeRequest, **changes: Any) -> str:
    return json.dumps({"nonce": request.nonce, "verdicts": {**GOOD, **changes}})


def test_a_reply_that_matches_is_read(request_: JudgeRequest) -> None:
    assert read(JudgeReply(text(request_)), request_) == {
        "hallucination": (Score(1.0, "hallucinated"), "1990 is not in the documents."),
        "faithfulness": (Score(2.0), "So."),
        "moderation": (Score(0.0, "none"), "So."),
        "style": (Score(2.5, None, "accuracy 3, style 2"), "So."),
    }


def test_thoughts_and_a_frame_of_code_may_be_around_it(request_: JudgeRequest) -> None:
    said = text(request_)
    for around in (
        f"<think>\nHm, {{}}\n</think>\n{said}",
        f"```json\n{said}\n```",
        f"<think>x</think>```\n{said}\n```\n",
    ):
        assert read(JudgeReply(around), request_)["style"] == (Score(2.5, None, "accuracy 3, style 2"), "So.")


@pytest.mark.parametrize(
    "change",
    [
        lambda said, nonce: said.replace(nonce, "0" * 16),
        lambda said, nonce: said.replace(f'"{nonce}"', "null"),
        lambda said, nonce: said.replace('"nonce"', '"once"'),
        lambda said, nonce: "Here it is: " + said,
        lambda said, nonce: said + said,
        lambda said, nonce: said[:-1],
        lambda said, nonce: "",
        lambda said, nonce: "[" * 100_000,
        lambda said, nonce: json.dumps([json.loads(said)]),
        lambda said, nonce: json.dumps(said),
        lambda said, nonce: said.replace('{"nonce"', '{"sure": true, "nonce"'),
        lambda said, nonce: said.replace('"verdicts": {', '"verdicts": {"extra": {}, '),
        lambda said, nonce: said.replace('"score": 2', '"score": 2, "score": 5'),
        lambda said, nonce: said.replace(f'{{"nonce": "{nonce}"', f'{{"nonce": "x", "nonce": "{nonce}"'),
    ],
)
def test_another_reply_gives_nothing(request_: JudgeRequest, change: Any) -> None:
    with pytest.raises(ReplyError):
        read(JudgeReply(change(text(request_), request_.nonce)), request_)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        *(
            ("hallucination", {"reason": "", "label": label})
            for label in ("", "Faithful", "none", None, 1, ["faithful"])
        ),
        ("hallucination", {"label": "faithful"}),
        ("hallucination", {"reason": None, "label": "faithful"}),
        ("hallucination", {"reason": "", "label": "faithful", "score": 1}),
        ("hallucination", None),
        *(("faithfulness", {"reason": "", "score": score}) for score in (0, 6, -1, 2.5, 5.0, "5", True, None, 1e9)),
        *(("moderation", {"reason": "", "categories": found}) for found in (None, "hate", ["spam"], [1], {"hate": 1})),
        ("style", {"reason": "", "accuracy": 3}),
        ("style", {"reason": "", "accuracy": 3, "style": 4}),
    ],
)
def test_a_verdict_beyond_its_scale_is_none_and_the_others_count(
    request_: JudgeRequest, name: str, answer: Any
) -> None:
    found = read(JudgeReply(text(request_, **{name: answer})), request_)
    assert [one for one, verdict in found.items() if isinstance(verdict, ReplyError)] == [name]


def test_a_verdict_that_is_missing_is_none(request_: JudgeRequest) -> None:
    verdicts = {name: answer for name, answer in GOOD.items() if name != "style"}
    found = read(JudgeReply(json.dumps({"nonce": request_.nonce, "verdicts": verdicts})), request_)
    assert isinstance(found["style"], ReplyError)
    assert not isinstance(found["hallucination"], ReplyError)


def test_not_a_number_is_none(request_: JudgeRequest) -> None:
    with pytest.raises(ReplyError, match="NaN is no number"):
        read(JudgeReply(text(request_).replace('"score": 2', '"score": NaN')), request_)


def test_the_gravest_category_is_the_label() -> None:
    found = criteria.MODERATION.scale.read({"categories": ["sexual", "hate", "self_harm"]})
    assert found == Score(1.0, "self_harm", "self_harm, hate, sexual")


# --- decisions ----------------------------------------------------------------------------------------

LABELS = Labels((("good", 1.0, "it is"), ("fair", 0.5, ""), ("bad", 0.0, "")))


def choice(**likely: float) -> dict[str, Any]:
    best = max(likely, key=lambda one: likely[one])
    shares = [{"value": value, "probability": share} for value, share in likely.items()]
    return {"type": "choice", "name": "x", "choice": best, "confidence": likely[best], "probabilities": shares}


def test_a_choice_gives_the_expected_score() -> None:
    assert LABELS.decided([choice(good=0.5, fair=0.3, bad=0.2)]) == Score(0.65, "good")


def test_levels_give_the_expected_points() -> None:
    shares = [{"label": str(n), "value": n - 1, "probability": share} for n, share in ((4, 0.25), (5, 0.75))]
    assert Points().decided([{"type": "score", "score": 3.75, "probabilities": shares}]) == Score(4.75)


def test_predicates_give_the_categories() -> None:
    scale = Categories((("hate", "x"), ("violence", "y")))
    answers = [{"type": "predicate", "probability": share} for share in (0.2, 0.9)]
    assert scale.decided(answers) == Score(0.9, "violence")


@pytest.mark.parametrize(
    ("scale", "answers"),
    [
        (LABELS, []),
        (LABELS, [{"type": "refusal"}]),
        (LABELS, [{"type": "predicate", "probability": 1}]),
        (LABELS, [choice(good=0.5, bad=0.5)]),
        (LABELS, [choice(good=0.5, fair=0.1, bad=0.1)]),
        (LABELS, [choice(good=1.5, fair=-0.3, bad=-0.2)]),
        (LABELS, [{**choice(good=0.5, fair=0.3, bad=0.2), "choice": "best"}]),
        (Points(), [{"type": "score", "probabilities": [{"label": "6", "probability": 1}]}]),
        (Points(), [{"type": "score", "probabilities": []}]),
        (Categories((("hate", ""),)), [{"type": "predicate", "probability": "high"}]),
    ],
)
def test_answers_that_do_not_fit_give_none(scale: Scale, answers: list[dict[str, Any]]) -> None:
    with pytest.raises(ReplyError):
        scale.decided(answers)


def test_the_answers_are_those_to_the_questions(request_: JudgeRequest) -> None:
    names = [question["name"] for question in request_.questions()]
    assert names[:2] == ["hallucination", "faithfulness.score"]
    assert names[-2:] == ["style.accuracy", "style.style"]
    found = read(JudgeReply(answers=[{"type": "refusal", "name": name} for name in reversed(names)]), request_)
    assert all(isinstance(answer, ReplyError) for answer in found.values())
