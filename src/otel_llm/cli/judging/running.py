"""`otel-llm eval run`: judges the items of a dataset, stores and emits the verdicts, and sums them up."""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
from collections.abc import Iterator

from otel_llm.cli.judging import common, tables
from otel_llm.cli.judging.spending import Spent
from otel_llm.cli.terminal import fail, open_console, tell
from otel_llm.evaluation.dataset.reader import DatasetError, Item, Selection
from otel_llm.evaluation.judges.asking import JudgeClient
from otel_llm.evaluation.judges.clients import JudgeError
from otel_llm.evaluation.judges.evaluator import Evaluator, EvaluatorError
from otel_llm.evaluation.judges.judging import Judgement, judge, plan
from otel_llm.evaluation.judges.kept import Kept, results_of
from otel_llm.evaluation.judges.measures import JudgeMeasures
from otel_llm.evaluation.judges.pricing import JudgePrices
from otel_llm.evaluation.judges.tally import Tally, tallies
from otel_llm.evaluation.results.emission import VerdictEmitter
from otel_llm.evaluation.results.store import ResultStore
from otel_llm.evaluation.worker.sources import SourceError, open_source

_REACHED, _FAILED = 1, 3


def run(arguments: argparse.Namespace) -> int:
    try:
        evaluators = common.evaluators_of(arguments)
        if unknown := [bound.text for bound in arguments.fail_on if bound.name not in {e.name for e in evaluators}]:
            return fail(f"--fail-on {unknown[0]}: that evaluator is not among --evaluators")
        emits = not arguments.dry_run and common.set_up_telemetry()
        client = None if arguments.dry_run and arguments.judge is None else common.judge_of(arguments, evaluators)
        return _Run(arguments, evaluators, client, emits).run()
    except (EvaluatorError, JudgeError, DatasetError, SourceError) as error:
        return fail(str(error))
    except sqlite3.Error as error:
        return fail(f"the verdicts can't be stored: {error}")


class _Run:
    def __init__(
        self, arguments: argparse.Namespace, evaluators: list[Evaluator], client: JudgeClient | None, emits: bool
    ) -> None:
        self._arguments, self._evaluators, self._client, self._emits = arguments, evaluators, client, emits
        self._selection = Selection(since=arguments.since or "", reason=arguments.reason, limit=arguments.limit)
        self._source = open_source(arguments.dataset)
        self._store = ResultStore(results_of(arguments.dataset))
        self._kept = Kept(self._store, evaluators)
        self._emitter = VerdictEmitter()
        self._measures = JudgeMeasures()
        self._prices = JudgePrices()
        self._tallies = tallies(evaluators)
        self._spent = Spent()

    def run(self) -> int:
        items = self._items()
        console = open_console(no_color=self._arguments.no_color)
        if self._arguments.dry_run:
            self._dry_run(items)
            return 0
        try:
            asyncio.run(self._judge(items))
        finally:
            self._store.close()
            if self._emits:
                from otel_llm import flush

                if not flush(10.0):
                    tell("not all verdicts could be sent")
        if not self._spent.items:
            tell("no items" + (" match" if self._arguments.since or self._arguments.reason else ""))
        tables.print_tallies(self._tallies.values(), console)
        tables.tell_spent(self._spent)
        return self._code()

    def _items(self) -> Iterator[Item]:
        for item in self._source.items(self._selection):
            self._spent.items += 1
            yield item
        for problem in self._source.problems:
            tell(problem)

    def _due(self, item: Item) -> list[Evaluator]:
        """The evaluators whose verdict on ``item`` is not there yet. Those that are there are counted."""
        due: list[Evaluator] = []
        for evaluator in self._evaluators:
            known = self._kept.of(item, evaluator)
            if known is None:
                due.append(evaluator)
            else:
                self._tallies[evaluator.name].add(known)
                self._tallies[evaluator.name].before += 1
        return due

    async def _judge(self, items: Iterator[Item]) -> None:
        together = not self._arguments.separately

        async def work(item: Item) -> Judgement:
            due = self._due(item)
            return await judge(item, due, self._client, together=together, prices=self._prices)

        async with common.open_client(self._client):
            await common.at_once(self._arguments.concurrency, work, items, self._keep)

    def _keep(self, item: Item, judgement: Judgement) -> None:
        self._spent.add(judgement)
        self._measures.record(judgement)
        for name, lacking in judgement.not_applicable.items():
            self._tallies[name].not_applicable[lacking] += 1
        for verdict in judgement.verdicts:
            self._tallies[verdict.name].add(verdict)
            if self._store.add(verdict):
                self._emitter.emit(verdict, judgement.links(verdict))

    def _dry_run(self, items: Iterator[Item]) -> None:
        """Count what would be asked, and price it."""
        requests = characters = unpriced = 0
        costs: dict[str, float] = {}
        for item in items:
            due = self._due(item)
            planned = plan(item, due, together=not self._arguments.separately)
            for name, lacking in planned.not_applicable.items():
                self._tallies[name].not_applicable[lacking] += 1
            for request in planned.requests:
                requests += 1
                characters += request.characters
                cost = None if self._client is None else self._prices.estimated(self._client, request)
                if cost is None:
                    unpriced += 1
                else:
                    costs[cost.currency] = costs.get(cost.currency, 0.0) + cost.amount
        tables.tell_plan(self._spent.items, self._tallies.values(), requests, characters, costs, unpriced)

    def _code(self) -> int:
        reached = [said for bound in self._arguments.fail_on if (said := bound.reached(self._tallies)) is not None]
        for said in reached:
            tell(said)
        if reached:
            return _REACHED
        return _FAILED if any(_has_errors(tally) for tally in self._tallies.values()) else 0


def _has_errors(tally: Tally) -> bool:
    return bool(tally.errors)
