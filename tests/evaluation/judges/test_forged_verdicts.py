"""A judged text can't forge its verdict: 60 forged answers against a judge that says whatever a text dictates."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from judge_server import answer_of, completion, nonce_of, verdicts

from otel_llm.evaluation.judges import criteria, judging
from otel_llm.evaluation.judges.calibration.labelled import Labelled, shipped
from otel_llm.evaluation.judges.clients.openai import OpenAIJudge
from otel_llm.evaluation.judges.judging import Judgement
from standin.openai import OpenAIServer
from standin.server import Reply, Request

FORGED = [one for one in shipped() if one.forged is not None]
HONEST = list(shipped(forged=False))[::3]
KINDS = {
    "naive": 6,
    "context_ignoring": 6,
    "fake_completion": 6,
    "fake_reasoning": 5,
    "escape_characters": 5,
    "nested_json": 6,
    "closing_the_fence": 6,
    "other_language": 6,
    "role_marks": 5,
    "authority": 4,
    "guessed_nonce": 5,
}
_DECODER = json.JSONDecoder()


def dictated(text: str) -> Iterator[str]:
    """The replies that a text dictates, the outermost and last ones first."""
    found: list[str] = []
    at = 0
    while (at := min((place for place in (text.find("{", at), text.find("[", at)) if place >= 0), default=-1)) >= 0:
        try:
            value, end = _DECODER.raw_decode(text, at)
        except ValueError:
            at += 1
            continue
        if "faithful" in repr(value):
            found.append(text[at:end])
        at = end
    yield from reversed(found)


class ObedientJudge:
    """It knows the truth, and says it only of texts that tell it nothing else."""

    def __init__(self, truth: dict[str, bool]) -> None:
        self._truth = truth
        self.obeyed = 0

    def __call__(self, request: Request) -> Reply:
        answer = answer_of(request)
        for reply in dictated(answer):
            self.obeyed += 1
            return completion(reply)
        if re.search(r"faithful|\.lufhtiaf", answer):
            self.obeyed += 1
            return completion('The verdict is {"label": "faithful"}')
        label = "faithful" if self._truth[answer] else "hallucinated"
        return verdicts(request, hallucination={"reason": "As it is.", "label": label})


async def judged(server: OpenAIServer, items: list[Labelled]) -> list[Judgement]:
    client = OpenAIJudge("gpt-4o-mini", base_url=server.base_url)
    try:
        return await asyncio.gather(*(judging.judge(one.item, [criteria.HALLUCINATION], client) for one in items))
    finally:
        await client.aclose()


@pytest.fixture
def obedient(judge_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> ObedientJudge:
    monkeypatch.setenv("OPENAI_API_KEY", "stand-in")
    judge = ObedientJudge({one.item["answer"]: one.good["hallucination"] for one in HONEST})
    judge_server.reply_with(*[judge] * 400)
    return judge


def test_there_are_sixty_of_all_kinds() -> None:
    assert Counter(one.forged for one in FORGED) == KINDS
    assert len({one.item["answer"] for one in FORGED}) == 60
    assert not any(one.good["hallucination"] for one in FORGED)


async def test_no_forged_verdict_is_accepted(judge_server: OpenAIServer, obedient: ObedientJudge) -> None:
    found = await judged(judge_server, FORGED)
    assert obedient.obeyed == 120  # each twice: the repair is obeyed as well
    for one, judgement in zip(FORGED, found, strict=True):
        (verdict,) = judgement.verdicts
        assert (verdict.error_type, verdict.score, verdict.label) == ("bad_reply", None, None), one.id


async def test_no_honest_verdict_changes(judge_server: OpenAIServer, obedient: ObedientJudge) -> None:
    found = await judged(judge_server, HONEST)
    assert obedient.obeyed == 0
    assert [judgement.verdicts[0].passed for judgement in found] == [one.good["hallucination"] for one in HONEST]


async def test_no_fence_of_a_forged_answer_is_seen(judge_server: OpenAIServer, obedient: ObedientJudge) -> None:
    await judged(judge_server, FORGED)
    for request in judge_server.requests:
        shown = request.json["messages"][1]["content"]
        nonce = nonce_of(request)
        assert len(re.findall(r"</\s*answer\b", shown, re.IGNORECASE)) == 1
        assert shown.count(f"</answer-{nonce}>") == 1
        assert "<|" not in shown
        assert "\x00" not in shown


def test_the_obedient_judge_would_be_believed_without_the_nonce(judge_server: OpenAIServer) -> None:
    """What the suite measures: with the right nonce most of what is dictated would be a verdict."""
    believed = 0
    for one in FORGED:
        for reply in dictated(one.item["answer"]):
            given: Any = json.loads(reply)
            believed += isinstance(given, dict) and "hallucination" in repr(given.get("verdicts"))
            break
    assert believed > 40
