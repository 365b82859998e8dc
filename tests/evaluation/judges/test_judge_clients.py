"""The clients of judges, over sockets: decisions, LangChain, SageMaker, the stand-in and one's own."""

from __future__ import annotations

import asyncio
import json
import sys
from types import ModuleType
from typing import Any

import pytest
from judge_server import completion, nonce_of
from judged_items import item

from otel_llm.evaluation.judges import criteria, judging
from otel_llm.evaluation.judges.asking import JudgeClient, JudgeReply, JudgeRequest
from otel_llm.evaluation.judges.clients import JudgeError, open_judge
from otel_llm.evaluation.judges.clients.langchain import LangChainJudge
from otel_llm.evaluation.judges.evaluator import Evaluator
from otel_llm.evaluation.judges.judging import Judgement
from otel_llm.evaluation.judges.pricing import Amount, JudgePrices, Seller
from standin.openai import OpenAIServer
from standin.sagemaker import SageMakerServer
from standin.server import Reply, Request

GOOD = {
    "hallucination": {"reason": "It is there.", "label": "faithful"},
    "faithfulness": {"reason": "It is there.", "score": 5},
    "moderation": {"reason": "Harmless.", "categories": []},
}
EVALUATORS = (criteria.HALLUCINATION, criteria.FAITHFULNESS, criteria.MODERATION)


def judge(client: JudgeClient, *evaluators: Evaluator, **others: Any) -> Judgement:
    async def ask() -> Judgement:
        try:
            return await judging.judge(item(**others), evaluators or EVALUATORS, client)
        finally:
            if close := getattr(client, "aclose", None):
                await close()

    return asyncio.run(ask())


def scores(judgement: Judgement) -> dict[str, float | None]:
    return {verdict.name: verdict.score for verdict in judgement.verdicts}


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "stand-in")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


# --- decisions ----------------------------------------------------------------------------------------


def decisions(request: Request) -> Reply:
    answers: list[dict[str, Any]] = []
    for question in request.json["questions"]:
        answer: dict[str, Any] = {"type": question["type"], "name": question["name"]}
        if question["type"] == "predicate":
            answer["probability"] = 0.9 if question["name"] == "moderation.hate" else 0.1
        elif question["type"] == "choice":
            shares = dict(zip([one["value"] for one in question["choices"]], (0.2, 0.8), strict=True))
            answer |= {"choice": "hallucinated", "confidence": 0.8}
            answer["probabilities"] = [{"value": value, "probability": share} for value, share in shares.items()]
        else:
            answer |= {"score": 1.5, "confidence": 0.5}
            answer["probabilities"] = [
                {"label": level["label"], "value": place, "probability": 0.5 if place in (1, 2) else 0.0}
                for place, level in enumerate(question["levels"])
            ]
        answers.append(answer)
    details = {"input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 128}}
    usage = {"input_tokens": 900, "output_tokens": 12, "total_tokens": 912, **details}
    return Reply(body={"answers": answers, "model": "gpt-6-luna-2026", "usage": usage})


def test_decisions_answer_with_probabilities(judge_server: OpenAIServer) -> None:
    judge_server.reply_with(decisions, path="/v1/decisions")
    client = open_judge("openai-decisions:gpt-6-luna", base_url=judge_server.base_url)
    made = judge(client)
    assert scores(made) == {"hallucination": 0.8, "faithfulness": 2.5, "moderation": 0.9}
    assert [verdict.label for verdict in made.verdicts] == ["hallucinated", "fail", "hate"]
    assert made.usage["gen_ai.usage.cache_read.input_tokens"] == 128
    (asked,) = judge_server.requests
    assert asked.json["model"] == "gpt-6-luna"
    assert "<answer-" in asked.json["input"][1]["content"]


def test_a_question_that_is_refused_is_an_error_and_is_not_asked_again(judge_server: OpenAIServer) -> None:
    def refused(request: Request) -> Reply:
        reply = decisions(request)
        assert isinstance(reply.body, dict)
        reply.body["answers"][0] = {"type": "refusal", "name": "hallucination"}
        return reply

    judge_server.reply_with(refused, path="/v1/decisions")
    made = judge(open_judge("openai-decisions:gpt-6-luna", base_url=judge_server.base_url))
    assert [verdict.error_type for verdict in made.verdicts] == ["bad_reply", None, None]
    assert len(judge_server.requests) == 1


# --- LangChain ----------------------------------------------------------------------------------------


def test_a_chat_model_of_langchain_judges(judge_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", judge_server.base_url)
    judge_server.reply_with(lambda asked: completion(json.dumps({"nonce": nonce_of(asked), "verdicts": GOOD})))
    client = open_judge("langchain:openai:gpt-4o-mini")
    made = judge(client)
    assert scores(made) == {"hallucination": 0.0, "faithfulness": 5.0, "moderation": 0.0}
    assert made.usage == {"gen_ai.usage.input_tokens": 500, "gen_ai.usage.output_tokens": 60}
    (asked,) = judge_server.requests
    assert asked.json["response_format"]["type"] == "json_schema"
    assert made.verdicts[0].attributes["otel_llm.evaluation.judge.model"] == "gpt-4o-mini-2024-07-18"


def test_a_chat_model_without_structured_output_is_given_the_schema() -> None:
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage

    class Plain(GenericFakeChatModel):
        def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
            assert '"enum": ["faithful", "hallucinated"]' in messages[0].content
            nonce = messages[1].content.split("The nonce is ")[1][:16]
            self.messages = iter([AIMessage(json.dumps({"nonce": nonce, "verdicts": GOOD}))])
            return super()._generate(messages, *args, **kwargs)

    assert scores(judge(LangChainJudge(Plain(messages=iter([])))))["faithfulness"] == 5.0


# --- SageMaker ----------------------------------------------------------------------------------------


def test_an_endpoint_of_sagemaker_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    with SageMakerServer() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", server.url)

        def reply(asked: Request) -> Reply:
            answer = completion(json.dumps({"nonce": nonce_of(asked), "verdicts": GOOD}), "judge-8b").body
            return Reply(body=answer)

        server.reply_with(reply)
        client = open_judge("sagemaker:judges")
        made = judge(client)
        assert scores(made) == {"hallucination": 0.0, "faithfulness": 5.0, "moderation": 0.0}
        (asked,) = server.requests
        assert asked.path == "/endpoints/judges/invocations"
        assert '"enum": ["faithful", "hallucinated"]' in asked.json["messages"][0]["content"]
        assert client.seller == Seller("aws.sagemaker", endpoint="judges")  # type: ignore[attr-defined]
        server.reply_with(Reply(body=[{"generated_text": "no"}]), Reply(body=b"<html>"))
        assert judge(client, criteria.HALLUCINATION).verdicts[0].error_type == "bad_reply"
        assert server.failures == []


# --- the stand-in, and others -------------------------------------------------------------------------


def test_the_stand_in_says_that_it_is_one_and_is_deterministic() -> None:
    client = open_judge("stand-in")
    made = judge(client, *criteria.JUDGED[:8], answer="It was built in 1990 by pirates.")
    assert JudgePrices("").of(client, JudgeReply()) == Amount(0.0, "USD")
    assert made.verdicts[0].label == "hallucinated"
    assert all("stand-in" in (verdict.explanation or "") for verdict in made.verdicts)
    assert scores(made) == scores(judge(client, *criteria.JUDGED[:8], answer="It was built in 1990 by pirates."))
    assert judge(client, criteria.HALLUCINATION).verdicts[0].label == "faithful"
    assert judge(client, criteria.TOXICITY, answer="You idiot.").verdicts[0].label == "toxic"


class Own:
    model = "own-1"

    async def ask(self, request: JudgeRequest) -> JudgeReply:
        verdicts = {one.name: GOOD[one.name] for one in request.evaluators}
        return JudgeReply(text=json.dumps({"nonce": request.nonce, "verdicts": verdicts}))


def test_ones_own_judge_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("own_judges")
    module.Own, module.made, module.make, module.number = Own, Own(), lambda: Own(), 5
    monkeypatch.setitem(sys.modules, "own_judges", module)
    for attribute in ("Own", "made", "make"):
        assert scores(judge(open_judge(f"own_judges:{attribute}")))["faithfulness"] == 5.0


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gpt-4o-mini", "is no judge: it is one of openai:MODEL"),
        ("openai:", "is no judge"),
        ("stand-in:x", "can't be imported"),
        ("no.such:judge", "can't be imported"),
        ("json:dumps", "can't be used|is no judge"),
        ("langchain:nobody:model", "can't be used"),
    ],
)
def test_a_judge_that_can_not_be_opened_says_why(name: str, says: str) -> None:
    with pytest.raises(JudgeError, match=says):
        open_judge(name)


def test_a_key_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(JudgeError, match=r"openai:gpt-4o-mini can't be used: .*OPENAI_API_KEY"):
        open_judge("openai:gpt-4o-mini")


def test_a_library_is_imported_when_it_is_used() -> None:
    from interpreter import python

    program = "import sys; from otel_llm.evaluation import judge, open_judge, find_evaluators; find_evaluators(['pii'])"
    program += (
        "; open_judge('stand-in'); print(sorted({'openai', 'langchain_core', 'boto3', 'rich'} & set(sys.modules)))"
    )
    assert python("-c", program).stdout.strip() == "[]"
