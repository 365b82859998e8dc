"""Judges one item: the verdicts of its evaluators. Scheduling, budgets and storage are the caller's."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from opentelemetry.trace import SpanContext

from ... import guard
from ... import semconv as s
from ...content import boundary
from ...core import errors
from ..dataset.extraction import is_number
from ..dataset.reader import Item
from ..results.verdict import Verdict
from . import asking, replies, texts
from .asking import JudgeClient, JudgeRequest
from .evaluator import Evaluator, EvaluatorError, NotApplicable
from .kept import answered_by, judged_span
from .pricing import Amount, JudgePrices
from .scales import Labels, ReplyError, Score
from .tracing import JudgeSpan

#: The most characters of an explanation.
_LONGEST = 2000
#: In place of the error's class: the judge's reply could not be used, also not after its repair.
BAD_REPLY = "bad_reply"
NO_JUDGE = "no_judge"


@dataclass(slots=True)
class Judgement:
    """What became of the evaluators of one item: each has one of the ``verdicts``, or is not applicable.

    ``not_applicable`` has what the item lacks, by the evaluator's name. ``usage`` are the tokens of the judge by
    attribute, ``calls`` its calls, repairs included, and ``seconds`` the time that they took. ``costs`` are what they
    cost; ``unpriced`` counts those whose cost is not known. ``model`` is the judge's, if one was asked; ``spans`` has
    the span of its calls by the evaluator's name, to link to.
    """

    verdicts: list[Verdict] = field(default_factory=list)
    not_applicable: dict[str, str] = field(default_factory=dict)
    usage: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    costs: list[Amount] = field(default_factory=list)
    unpriced: int = 0
    seconds: float = 0.0
    model: str | None = None
    spans: dict[str, SpanContext] = field(default_factory=dict)

    def links(self, verdict: Verdict) -> list[SpanContext]:
        """What the span of ``verdict`` links to: that of the judge's calls, if there is one."""
        return [self.spans[verdict.name]] if verdict.name in self.spans else []


@dataclass(frozen=True, slots=True)
class Plan:
    """What judging an item takes: functions to call, and requests to a judge."""

    item: Item
    functions: tuple[Evaluator, ...] = ()
    requests: tuple[JudgeRequest, ...] = ()
    not_applicable: dict[str, str] = field(default_factory=dict)


def plan(item: Item, evaluators: Sequence[Evaluator], *, together: bool = True) -> Plan:
    """What judging ``item`` takes: one request for all ``evaluators`` that ask a judge, or with ``together`` false one
    for each. Nothing is sent."""
    lacking: dict[str, str] = {}
    shown = texts.permitted(item) if any(one.asks_a_judge for one in evaluators) else item
    functions: list[Evaluator] = []
    asked: list[Evaluator] = []
    for evaluator in evaluators:
        missing = evaluator.lacks(shown if evaluator.asks_a_judge else item)
        if missing is not None:
            lacking[evaluator.name] = missing
        else:
            (asked if evaluator.asks_a_judge else functions).append(evaluator)
    groups = [asked] if together and asked else [[one] for one in asked]
    requests = tuple(asking.ask_for(group, _blocks(shown, group)) for group in groups)
    return Plan(item, tuple(functions), requests, lacking)


def _blocks(item: Item, evaluators: Sequence[Evaluator]) -> list[Any]:
    return texts.blocks(item, frozenset().union(*(one.needs for one in evaluators)))


async def judge(
    item: Item,
    evaluators: Sequence[Evaluator],
    client: JudgeClient | None = None,
    *,
    together: bool = True,
    prices: JudgePrices | None = None,
) -> Judgement:
    """Judge ``item`` by ``evaluators``.

    ``client`` asks the judge, for those that need one: with one request for all of them, or with ``together`` false one
    for each. ``prices`` say what that cost. An evaluator that fails gives a verdict with an error and no score. Only
    cancellation is raised.
    """
    try:
        planned = plan(item, evaluators, together=together)
    except Exception as error:  # of an item that is of another form than ours
        return Judgement([_failed(item, evaluator, error, 0.0) for evaluator in evaluators])
    made = Judgement(not_applicable=dict(planned.not_applicable))
    for evaluator in planned.functions:
        verdict = await _by_function(item, evaluator)
        if isinstance(verdict, str):
            made.not_applicable[evaluator.name] = verdict
        else:
            made.verdicts.append(verdict)
    for request in planned.requests:
        made.verdicts += await _by_judge(item, request, client, made, prices)
    order = {evaluator.name: number for number, evaluator in enumerate(evaluators)}
    made.verdicts.sort(key=lambda verdict: order[verdict.name])
    return made


# --- functions ----------------------------------------------------------------------------------------


async def _by_function(item: Item, evaluator: Evaluator) -> Verdict | str:
    """The verdict of a function, or why it is not applicable."""
    began = perf_counter()
    function: Any = evaluator.function
    try:
        if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004
            result = await function(item)
        elif evaluator.blocking:
            result = await asyncio.to_thread(function, item)
        else:
            result = function(item)
        if result is None:
            return "nothing to say"
        score = _score(result, evaluator)
    except NotApplicable as why:
        return str(why) or "nothing to say"
    except Exception as error:
        return _failed(item, evaluator, error, perf_counter() - began)
    return _verdict(item, evaluator, score, score.note, perf_counter() - began)


def _score(result: Any, evaluator: Evaluator) -> Score:
    if isinstance(result, bool):
        found = Score(float(result))
        if isinstance(evaluator.scale, Labels):
            label = next((name for name, score, _ in evaluator.scale.labels if score == found.value), None)
            found = Score(found.value, label)
        return found
    if isinstance(result, Score):
        return result
    if is_number(result):
        return Score(float(result))
    raise EvaluatorError(f"{evaluator.name}: its function must return a number, a bool, a Score or None")


# --- judges -------------------------------------------------------------------------------------------


async def _by_judge(
    item: Item, request: JudgeRequest, client: JudgeClient | None, made: Judgement, prices: JudgePrices | None
) -> list[Verdict]:
    began = perf_counter()
    if client is None:
        return [_error(item, one, NO_JUDGE, 0.0) for one in request.evaluators]
    with JudgeSpan(item, request, client.model) as span:
        if span.context.is_valid:
            made.spans |= dict.fromkeys((one.name for one in request.evaluators), span.context)
        try:
            found, model = await _asked(request, client, made, prices)
        except Exception as error:
            span.fail(error)
            return [_failed(item, one, error, perf_counter() - began, span.attributes) for one in request.evaluators]
        seconds = perf_counter() - began
        about = {**span.attributes, s.LLM_EVALUATION_JUDGE_MODEL: model or client.model}
        if request.truncated:
            about[s.LLM_EVALUATION_TRUNCATED] = True
        verdicts = []
        for evaluator in request.evaluators:
            answer = found[evaluator.name]
            if isinstance(answer, ReplyError):
                verdicts.append(_error(item, evaluator, BAD_REPLY, seconds, about, str(answer)))
            else:
                score, reason = answer
                note = f"{score.note}. {reason}" if score.note and reason else score.note or reason
                verdicts.append(_verdict(item, evaluator, score, note, seconds, about))
        if all(isinstance(answer, ReplyError) for answer in found.values()):
            span.fail_with(BAD_REPLY)
        return verdicts


_Found = dict[str, "tuple[Score, str] | ReplyError"]


async def _asked(
    request: JudgeRequest, client: JudgeClient, made: Judgement, prices: JudgePrices | None
) -> tuple[_Found, str | None]:
    """The answers by evaluator, after one repair of what can't be used, and the model that gave them."""
    reply = await _ask(request, client, made, prices)
    found = _read(reply, request)
    problems = [answer for answer in found.values() if isinstance(answer, ReplyError)]
    if problems and reply.answers is None:
        again = await _ask(request.again(reply.text or "", str(problems[0])), client, made, prices)
        repaired = _read(again, request)
        found = {name: repaired[name] if isinstance(answer, ReplyError) else answer for name, answer in found.items()}
    return found, reply.model


async def _ask(
    request: JudgeRequest, client: JudgeClient, made: Judgement, prices: JudgePrices | None
) -> asking.JudgeReply:
    made.calls += 1
    made.model = client.model
    began = perf_counter()
    try:
        reply = await client.ask(request)
    finally:
        made.seconds += perf_counter() - began
    for name, count in reply.usage.items():
        made.usage[name] = made.usage.get(name, 0) + count
    paid = guard.never_raise(prices.of)(client, reply) if prices is not None else None
    if paid is not None:
        made.costs.append(paid)
    else:
        made.unpriced += 1
    return reply


def _read(reply: asking.JudgeReply, request: JudgeRequest) -> _Found:
    try:
        return replies.read(reply, request)
    except ReplyError as error:
        return dict.fromkeys((evaluator.name for evaluator in request.evaluators), error)


# --- verdicts -----------------------------------------------------------------------------------------


def _verdict(
    item: Item,
    evaluator: Evaluator,
    score: Score,
    explanation: str,
    seconds: float,
    about: dict[str, Any] | None = None,
) -> Verdict:
    passed = evaluator.passes(score.value) if score.passed is None else score.passed
    label = score.label if score.label is not None else {True: "pass", False: "fail", None: None}[passed]
    return Verdict(
        **_judged(item, evaluator),
        score=score.value,
        label=label,
        explanation=boundary.clean_text(explanation[:_LONGEST], s.EVALUATION_EXPLANATION) or None,
        scale=f"{evaluator.scale.low:g}-{evaluator.scale.high:g}",
        passed=passed,
        seconds=seconds,
        attributes=about or {},
    )


def _failed(
    item: Item, evaluator: Evaluator, error: Exception, seconds: float, about: dict[str, Any] | None = None
) -> Verdict:
    kind = str(errors.described(error, ())[s.ERROR_TYPE])
    return _error(item, evaluator, BAD_REPLY if isinstance(error, ReplyError) else kind, seconds, about)


def _error(
    item: Item,
    evaluator: Evaluator,
    kind: str,
    seconds: float,
    about: dict[str, Any] | None = None,
    explanation: str | None = None,
) -> Verdict:
    return Verdict(
        **_judged(item, evaluator), error_type=kind, explanation=explanation, seconds=seconds, attributes=about or {}
    )


def _judged(item: Item, evaluator: Evaluator) -> dict[str, Any]:
    """What a verdict is of: the inference that answered, else the local root."""
    trace_id = _id(item.get("trace_id"), 32)
    response_id = answered_by(item).get("response_id")
    return {
        "name": evaluator.name,
        "trace_id": trace_id,
        "span_id": None if trace_id is None else _id(judged_span(item), 16),
        "response_id": response_id if isinstance(response_id, str) else None,
        "source": "judge" if evaluator.asks_a_judge else "code",
        "revision": evaluator.revision,
    }


def _id(value: Any, digits: int) -> str | None:
    """``value`` if it is an id of a trace or a span."""
    valid = isinstance(value, str) and re.fullmatch(f"[0-9a-f]{{{digits}}}", value) and value.strip("0")
    return value if valid else None
