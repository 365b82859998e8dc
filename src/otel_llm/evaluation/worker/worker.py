"""Judges items: each once, by one of several workers, within a budget. What was judged before is not judged again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from opentelemetry.trace import SpanContext

from ... import guard
from ..dataset.reader import Item
from ..judges.asking import JudgeClient, JudgeRequest
from ..judges.evaluator import Evaluator
from ..judges.judging import BAD_REPLY, Judgement, judge, plan
from ..judges.kept import judged_span
from ..judges.pricing import JudgePrices
from ..results.emission import VerdictEmitter
from ..results.store import ResultStore
from ..results.verdict import Verdict
from .budget import Budget
from .leases import Leases

#: Why an item was left, besides that it was judged before.
LEASED, NO_BUDGET = "leased", "no_budget"


class BudgetError(Exception):
    """The budget can't be kept, because the price of the judge is not known. The message says what to do."""


@dataclass(slots=True)
class Done:
    """What became of one item.

    ``known`` are the verdicts that were there before, ``judgement`` has the new ones. If ``left`` is set nothing was
    judged: another worker has the item or it has failed too often (``leased``), or the budget is used up
    (``no_budget``). ``unstored`` counts verdicts on an item that does not say of which trace it is.
    """

    known: list[Verdict] = field(default_factory=list)
    judgement: Judgement = field(default_factory=Judgement)
    left: str | None = None
    unstored: int = 0


class Worker:
    """Judges items by ``evaluators``, and keeps the verdicts in ``store``.

    :param client: asks the judge; ``None`` if no evaluator asks one.
    :param together: whether one request is for all evaluators that ask a judge.
    :param prices: what calls of the judge cost. A ``budget`` needs them.
    :param budget: what may be spent; ``None`` for no limit.
    :param leases: keeps other workers off an item. It has to be a database on the same file as ``store``.
    :param emitter: sends the verdicts; ``None`` to only store them.
    :param retry_seconds: how long an item whose judging failed is left alone.
    """

    def __init__(
        self,
        store: ResultStore,
        evaluators: Sequence[Evaluator],
        client: JudgeClient | None = None,
        *,
        together: bool = True,
        prices: JudgePrices | None = None,
        budget: Budget | None = None,
        leases: Leases | None = None,
        emitter: VerdictEmitter | None = None,
        retry_seconds: float = 0.0,
    ) -> None:
        self._store, self.evaluators, self._client = store, list(evaluators), client
        self._together, self._prices, self._budget = together, prices, budget
        self._leases = leases or Leases(store.path)
        self._emitter = emitter
        self._retry_seconds = retry_seconds
        self._emitted: list[Verdict] = []

    async def judge(self, item: Item) -> Done:
        """Judge ``item`` by the evaluators whose verdicts are not there yet.

        :raises BudgetError: if there is a budget, and no price of the judge.
        :raises sqlite3.Error: if the verdicts can't be stored.
        """
        known, due = self.due(item)
        if not due:
            return Done(known)
        if not self._leases.take(item["id"], " ".join(f"{one.name}@{one.revision}" for one in due)):
            return Done(known, left=LEASED)
        failed = False
        try:
            known, due = self.due(item)  # another worker may have been quicker
            reserved = self._reserve(item, due)
            if reserved is None:
                return Done(known, left=NO_BUDGET)
            judgement = await judge(item, due, self._client, together=self._together, prices=self._prices)
            self._settle(reserved, judgement)
            unstored = 0
            for verdict in judgement.verdicts:
                if verdict.trace_id is None:
                    unstored += 1
                elif self._store.add(verdict, unsent=self._emitter is not None):
                    self._emit(verdict, judgement.links(verdict))
            failed = any(verdict.error_type is not None for verdict in judgement.verdicts)
            return Done(known, judgement, unstored=unstored)
        finally:
            if failed:
                self._leases.put_off(item["id"], self._retry_seconds)
            else:
                self._leases.release(item["id"])

    def due(self, item: Item) -> tuple[list[Verdict], list[Evaluator]]:
        """The verdicts on ``item`` that are there, and the evaluators that still have to judge it."""
        span_id = judged_span(item)
        there = {
            (verdict.evaluator_id, verdict.revision): verdict
            for verdict in self._store.of_trace(str(item.get("trace_id")))
            if verdict.span_id == span_id and verdict.error_type is None
        }
        found = [(evaluator, there.get((evaluator.name, evaluator.revision))) for evaluator in self.evaluators]
        return [known for _, known in found if known is not None], [one for one, known in found if known is None]

    async def run(
        self, items: Iterable[Item], done: Callable[[Item, Done], None], *, concurrency: int, stop: asyncio.Event
    ) -> None:
        """Judge ``items``, ``concurrency`` at once, and call ``done`` with what became of each.

        Items are taken when they are needed, so there may be any number. When ``stop`` is set, or the budget is used
        up, no more are taken, and those in hand are finished. A cancelled run leaves the items in hand for another
        worker.
        """
        waiting, used_up = iter(items), False

        async def one_after_another() -> None:
            nonlocal used_up
            while not (stop.is_set() or used_up) and (item := next(waiting, None)) is not None:
                result = await self.judge(item)
                used_up = used_up or result.left == NO_BUDGET
                done(item, result)
                await asyncio.sleep(0)  # a function that judges without waiting holds up nobody

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(concurrency):
                    group.create_task(one_after_another())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    def send_unsent(self, older_than: float) -> int:
        """Send the verdicts that a killed worker stored over ``older_than`` seconds ago and did not send; return how
        many. One that it had sent without saying so is sent twice."""
        found = self._store.unsent(older_than) if self._emitter is not None else []
        for verdict in found:
            self._emit(verdict)
        return len(found)

    def confirm_sent(self) -> None:
        """Say that what was emitted so far has left the process: call it after a flush."""
        emitted, self._emitted = self._emitted, []
        self._store.sent(emitted)

    def close(self) -> None:
        """Close the databases."""
        self._leases.close()
        self._store.close()
        if self._budget is not None:
            self._budget.close()

    def _reserve(self, item: Item, due: Sequence[Evaluator]) -> list[str] | None:
        """Reserve the most that judging may cost; ``None`` if the budget does not allow it."""
        if self._budget is None:
            return []
        reserved: list[str] = []
        for request in plan(item, due, together=self._together).requests:
            reservation = self._budget.reserve(self._most(request))
            if reservation is None:
                for one in reserved:
                    self._budget.settle(one, 0)
                return None
            reserved.append(reservation)
        return reserved

    def _most(self, request: JudgeRequest) -> float:
        assert self._budget is not None
        wanted = self._budget.limit.currency
        most = None
        if self._client is not None and self._prices is not None:
            most = self._prices.at_most(self._client, request)
        if most is None:
            model = "the judge" if self._client is None else self._client.model
            raise BudgetError(
                f"the price of {model} is not known, so the budget of {self._budget.limit} can't be kept: name it in a"
                " table of prices (OTEL_LLM_PRICES), or leave the budget away"
            )
        if most.currency != wanted:
            raise BudgetError(f"the judge is paid in {most.currency}: state the budget in that currency too")
        return most.amount

    def _settle(self, reserved: Sequence[str], judgement: Judgement) -> None:
        """Put what was spent in place of what was reserved, unless that is not known."""
        if self._budget is None or not reserved:
            return
        # A call that failed without a reply may have been paid all the same.
        unknown = judgement.unpriced or any(
            verdict.error_type not in (None, BAD_REPLY) for verdict in judgement.verdicts if verdict.source == "judge"
        )
        if unknown:
            return
        for number, reservation in enumerate(reserved):
            self._budget.settle(reservation, sum(cost.amount for cost in judgement.costs) if number == 0 else 0)

    def _emit(self, verdict: Verdict, links: Sequence[SpanContext] = ()) -> None:
        if self._emitter is not None:
            guard.never_raise(self._emitter.emit)(verdict, links)
            self._emitted.append(verdict)
