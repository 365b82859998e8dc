"""Reads what a judge replied. What does not match in every respect gives no verdict."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from .asking import JudgeReply, JudgeRequest
from .scales import Json, ReplyError, Score

#: What a model may write around its reply: its thoughts before it, and a frame for code.
_THOUGHTS = re.compile(r"\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
_CODE = re.compile(r"\s*```(?:json)?\s*\n(.*)\n\s*```\s*", re.DOTALL)


def read(reply: JudgeReply, request: JudgeRequest) -> dict[str, tuple[Score, str] | ReplyError]:
    """For each evaluator the score with its explanation, or why there is none.

    :raises ReplyError: if the reply as a whole can't be used.
    """
    if reply.answers is not None:
        return _decisions(list(reply.answers), request)
    given = _object(_decoded(reply.text or ""), {"nonce", "verdicts"}, "the reply")
    if given["nonce"] != request.nonce:
        raise ReplyError("it does not repeat the nonce")
    verdicts = given["verdicts"]
    names = {evaluator.name for evaluator in request.evaluators}
    if not isinstance(verdicts, dict) or verdicts.keys() - names:
        raise ReplyError("its verdicts are not those that were asked for")
    return {one.name: _verdict(verdicts.get(one.name), one.scale) for one in request.evaluators}


def _verdict(answer: Any, scale: Any) -> tuple[Score, str] | ReplyError:
    try:
        given = _object(answer, {"reason", *scale.schema()}, "a verdict")
        if not isinstance(given["reason"], str):
            raise ReplyError("a reason is not a text")
        return scale.read(given), given["reason"].strip()
    except ReplyError as error:
        return error


def _decisions(answers: list[Json], request: JudgeRequest) -> dict[str, tuple[Score, str] | ReplyError]:
    found: dict[str, tuple[Score, str] | ReplyError] = {}
    for evaluator in request.evaluators:
        names = [question["name"] for question in evaluator.scale.questions(evaluator.name, "")]
        mine, answers = answers[: len(names)], answers[len(names) :]
        try:
            if [answer.get("name") for answer in mine] != names:
                raise ReplyError("the answers are not those to the questions")
            found[evaluator.name] = evaluator.scale.decided(mine), ""
        except ReplyError as error:
            found[evaluator.name] = error
    return found


def _decoded(text: str) -> Any:
    text = _THOUGHTS.sub("", text, count=1) if _THOUGHTS.match(text) else text
    if code := _CODE.fullmatch(text):
        text = code[1]
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except ReplyError:
        raise
    except (ValueError, RecursionError):
        raise ReplyError("it is not one JSON object") from None


def _once(pairs: list[tuple[str, Any]]) -> Json:
    """An object, in which no name may occur twice: readers disagree on which one counts."""
    if len({name for name, _ in pairs}) < len(pairs):
        raise ReplyError("a field occurs twice")
    return dict(pairs)


def _no_constant(name: str) -> NoReturn:
    raise ReplyError(f"{name} is no number")


def _object(value: Any, names: set[str], what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ReplyError(f"{what} is not an object")
    if value.keys() != names:
        raise ReplyError(f"{what} must have the fields {', '.join(sorted(names))} and no others")
    return value
