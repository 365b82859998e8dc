"""Items are judged by a client of the openai SDK, over sockets."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from judge_server import answer_of, chat, judge, verdicts
from judged_items import ANSWERING, ROOT, TRACE, item

from otel_llm import Settings
from otel_llm.content.boundary import SHARED
from otel_llm.evaluation.judges import checks, criteria, judging
from otel_llm.evaluation.judges.evaluator import Evaluator, NotApplicable
from otel_llm.evaluation.judges.scales import Score
from standin.openai import OpenAIServer
from standin.server import Reply

HALLUCINATED = {"reason": "1990 is not in the documents.", "label": "hallucinated"}
BOTH = (criteria.HALLUCINATION, criteria.FAITHFULNESS)


def test_one_request_judges_all(judge_server: OpenAIServer) -> None:
    chat(
        judge_server,
        lambda asked: verdicts(asked, hallucination=HALLUCINATED, faithfulness={"reason": "x", "score": 2}),
    )
    made = judge(judge_server, item("In 1990."), *BOTH, checks.empty())
    assert len(judge_server.requests) == made.calls == 1
    hallucination, faithfulness, empty = made.verdicts
    assert (hallucination.score, hallucination.label, hallucination.passed) == (1.0, "hallucinated", False)
    assert (hallucination.explanation, hallucination.scale) == ("1990 is not in the documents.", "0-1")
    assert (faithfulness.score, faithfulness.label, faithfulness.scale) == (2.0, "fail", "1-5")
    assert (empty.source, empty.passed, hallucination.source) == ("code", True, "judge")
    for verdict in made.verdicts:
        assert (verdict.trace_id, verdict.span_id, verdict.response_id) == (TRACE, ANSWERING, "chatcmpl-1")
    assert hallucination.revision == criteria.HALLUCINATION.revision
    assert made.usage == {"gen_ai.usage.input_tokens": 500, "gen_ai.usage.output_tokens": 60}


def test_the_request_asks_for_the_schema(judge_server: OpenAIServer) -> None:
    chat(judge_server, lambda asked: verdicts(asked, hallucination=HALLUCINATED))
    judge(judge_server, item("In 1990."), criteria.HALLUCINATION)
    (asked,) = judge_server.requests
    form = asked.json["response_format"]["json_schema"]
    assert form["strict"] is True
    assert form["schema"]["properties"]["verdicts"]["properties"]["hallucination"]["required"] == ["reason", "label"]
    assert (asked.json["temperature"], answer_of(asked)) == (0, "In 1990.")


def test_separately_each_has_a_request(judge_server: OpenAIServer) -> None:
    chat(
        judge_server,
        lambda asked: verdicts(asked, hallucination=HALLUCINATED),
        lambda asked: verdicts(asked, faithfulness={"reason": "x", "score": 5}),
    )
    made = judge(judge_server, item(), *BOTH, together=False)
    assert made.calls == 2
    assert [verdict.score for verdict in made.verdicts] == [1.0, 5.0]


def test_a_bad_reply_is_repaired_once(judge_server: OpenAIServer) -> None:
    chat(
        judge_server,
        lambda asked: verdicts(asked, hallucination=HALLUCINATED, faithfulness={"reason": "x", "score": 7}),
        lambda asked: verdicts(
            asked, hallucination={"reason": "y", "label": "faithful"}, faithfulness={"reason": "x", "score": 4}
        ),
    )
    made = judge(judge_server, item(), *BOTH)
    assert [verdict.score for verdict in made.verdicts] == [1.0, 4.0]  # what could be used the first time stays
    assert made.usage["gen_ai.usage.input_tokens"] == 1000
    messages = judge_server.requests[1].json["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert "a score is not a whole number from 1 to 5" in messages[-1]["content"]


def test_after_the_repair_it_is_an_error_and_never_a_score(judge_server: OpenAIServer) -> None:
    judge_server.reply_with(*[lambda asked: verdicts(asked, hallucination={"reason": "", "label": "maybe"})] * 2)
    (verdict,) = judge(judge_server, item(), criteria.HALLUCINATION).verdicts
    assert (verdict.error_type, verdict.score, verdict.label) == ("bad_reply", None, None)
    assert len(judge_server.requests) == 2


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(status=401, body={"error": {"message": "no", "type": "x"}}), "openai.AuthenticationError"),
        (Reply(abort=True), "openai.APIConnectionError"),
        (Reply(body={"id": "x", "object": "chat.completion", "choices": []}), "bad_reply"),
    ],
)
def test_a_judge_that_fails_gives_errors(judge_server: OpenAIServer, reply: Reply, kind: str) -> None:
    chat(judge_server, reply, reply)
    made = judge(judge_server, item(), *BOTH, checks.empty())
    assert [verdict.error_type for verdict in made.verdicts] == [kind, kind, None]


def test_a_refusal_is_an_error(judge_server: OpenAIServer) -> None:
    message = {"role": "assistant", "content": None, "refusal": "No."}
    chat(
        judge_server,
        Reply(body={"id": "x", "object": "chat.completion", "choices": [{"index": 0, "message": message}]}),
    )
    (verdict,) = judge(judge_server, item(), criteria.HALLUCINATION).verdicts
    assert verdict.error_type == "otel_llm.evaluation.judges.asking.JudgeRefusedError"


def test_what_a_server_does_not_take_is_left_out(judge_server: OpenAIServer) -> None:
    def complaint(what: str) -> Reply:
        message = f"Unsupported parameter: '{what}' is not supported with this model."
        return Reply(status=400, body={"error": {"message": message, "type": "invalid_request_error", "param": what}})

    chat(
        judge_server,
        complaint("temperature"),
        complaint("max_completion_tokens"),
        complaint("response_format"),
        lambda asked: verdicts(asked, hallucination=HALLUCINATED),
    )
    (verdict,) = judge(judge_server, item(), criteria.HALLUCINATION).verdicts
    assert verdict.score == 1.0
    last = judge_server.requests[-1].json
    assert {"temperature", "max_completion_tokens", "response_format"}.isdisjoint(last)
    assert last["max_tokens"] > 0
    assert '"enum": ["faithful", "hallucinated"]' in last["messages"][0]["content"]


# --- not applicable, and functions --------------------------------------------------------------------


def test_what_is_not_applicable_has_no_verdict_and_asks_nobody(judge_server: OpenAIServer) -> None:
    made = judge(judge_server, item(context=[]), criteria.HALLUCINATION, criteria.TOOL_USE, checks.cost())
    assert made.verdicts == []
    assert made.not_applicable == {"hallucination": "context", "tool_use": "tools", "cost": "cost"}
    assert judge_server.requests == []


def test_without_a_judge_its_evaluators_are_errors() -> None:
    made = asyncio.run(judging.judge(item(), [criteria.HALLUCINATION, checks.empty()]))
    assert [verdict.error_type for verdict in made.verdicts] == ["no_judge", None]


def never(given: dict[str, Any]) -> None:
    raise NotApplicable("no price")


def fails(given: dict[str, Any]) -> float:
    raise LookupError("secret words of the item")


async def later(given: dict[str, Any]) -> Score:
    await asyncio.sleep(0)
    return Score(0.25, "late", "why")


def test_functions_of_the_application_are_called() -> None:
    threads: list[int] = []

    def elsewhere(given: dict[str, Any]) -> bool:
        threads.append(threading.get_ident())
        return True

    functions = {
        "never": never,
        "fails": fails,
        "later": later,
        "odd": lambda given: "yes",
        "nothing": lambda given: None,
    }
    evaluators = [Evaluator.of(name, function) for name, function in functions.items()]
    evaluators.append(Evaluator.of("elsewhere", elsewhere, blocking=True))
    made = asyncio.run(judging.judge(item(), evaluators))
    found = {verdict.name: verdict for verdict in made.verdicts}
    assert found["fails"].error_type == "LookupError"
    assert "secret" not in repr(found["fails"])
    assert found["odd"].error_type == "otel_llm.evaluation.judges.evaluator.EvaluatorError"
    assert (found["later"].score, found["later"].label, found["later"].explanation) == (0.25, "late", "why")
    assert (found["elsewhere"].label, threads[0] != threading.get_ident()) == ("pass", True)
    assert made.not_applicable == {"never": "no price", "nothing": "nothing to say"}


def test_a_verdict_is_of_the_local_root_if_no_inference_answered() -> None:
    made = asyncio.run(judging.judge(item(answered_by=None), [checks.empty()]))
    assert (made.verdicts[0].span_id, made.verdicts[0].response_id) == (ROOT, None)


def test_an_explanation_has_passed_the_content_policy(judge_server: OpenAIServer) -> None:
    SHARED.use(Settings(redact=("secrets", "pii")))
    try:
        told = {**HALLUCINATED, "reason": "It tells jane@example.com. " + "x" * 5000}
        chat(judge_server, lambda asked: verdicts(asked, hallucination=told))
        (verdict,) = judge(judge_server, item(), criteria.HALLUCINATION).verdicts
    finally:
        SHARED.use(None)
    assert (verdict.explanation or "").startswith("It tells [EMAIL].")
    assert len(verdict.explanation or "") < 2100


def test_a_cut_item_is_marked(judge_server: OpenAIServer) -> None:
    chat(judge_server, lambda asked: verdicts(asked, hallucination=HALLUCINATED))
    (verdict,) = judge(judge_server, item("x " * 50_000), criteria.HALLUCINATION).verdicts
    assert verdict.attributes["otel_llm.evaluation.truncated"] is True
