"""`otel-llm eval run`: judges the items of a source, stores and emits the verdicts, and sums them up."""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
from collections.abc import Iterator

from otel_llm.cli.headers import HeaderError
from otel_llm.cli.judging import common, tables
from otel_llm.cli.judging.session import Session
from otel_llm.cli.terminal import fail, tell
from otel_llm.evaluation.dataset.reader import DatasetError, Item, Selection
from otel_llm.evaluation.judges.clients import JudgeError
from otel_llm.evaluation.judges.evaluator import EvaluatorError
from otel_llm.evaluation.judges.judging import plan
from otel_llm.evaluation.judges.kept import results_of
from otel_llm.evaluation.results.store import ResultStore
from otel_llm.evaluation.worker.sources import Source, SourceError
from otel_llm.evaluation.worker.worker import BudgetError


def run(arguments: argparse.Namespace) -> int:
    try:
        evaluators = common.evaluators_of(arguments)
        if unknown := [bound.text for bound in arguments.fail_on if bound.name not in {e.name for e in evaluators}]:
            return fail(f"--fail-on {unknown[0]}: that evaluator is not among --evaluators")
        emits = not arguments.dry_run and common.set_up_telemetry()
        client = None if arguments.dry_run and arguments.judge is None else common.judge_of(arguments, evaluators)
        source = common.source_of(arguments)
        store = ResultStore(arguments.results or results_of(arguments.source))
        session = Session(arguments, evaluators, client, store, emits=emits)
        items = _items(source, store, arguments)
        if arguments.dry_run:
            return _dry_run(session, items, arguments)
        if arguments.retry_failed:
            session.leases.revive()
        try:
            asyncio.run(_judge(session, items))
        finally:
            session.worker.close()
    except (EvaluatorError, JudgeError, DatasetError, SourceError, HeaderError, BudgetError) as error:
        return fail(str(error))
    except sqlite3.Error as error:
        return fail(f"the verdicts can't be stored: {error}")
    for problem in source.problems:
        tell(problem)
    if not session.spent.items:
        tell("no items" + (" match" if arguments.since or arguments.reason or arguments.rejudge else ""))
    session.report()
    return session.code()


async def _judge(session: Session, items: Iterator[Item]) -> None:
    async with session.open():
        await session.judge(items)


def _items(source: Source, store: ResultStore, arguments: argparse.Namespace) -> Iterator[Item]:
    selection = Selection(since=arguments.since or "", reason=arguments.reason, limit=arguments.limit)
    for item in source.items(selection):
        if arguments.rejudge is None or any(
            (verdict.revision or "").startswith(arguments.rejudge) for verdict in store.of_trace(item["trace_id"])
        ):
            yield item


def _dry_run(session: Session, items: Iterator[Item], arguments: argparse.Namespace) -> int:
    """Count what would be asked, and price it."""
    count = requests = characters = unpriced = 0
    costs: dict[str, float] = {}
    client = None if arguments.judge is None else common.judge_of(arguments, session.worker.evaluators)
    for item in items:
        count += 1
        known, due = session.worker.due(item)
        for verdict in known:
            session.tallies[verdict.evaluator_id].before += 1
        planned = plan(item, due, together=not arguments.separately)
        for name, lacking in planned.not_applicable.items():
            session.tallies[name].not_applicable[lacking] += 1
        for request in planned.requests:
            requests += 1
            characters += request.characters
            cost = None if client is None else session.prices.estimated(client, request)
            if cost is None:
                unpriced += 1
            else:
                costs[cost.currency] = costs.get(cost.currency, 0.0) + cost.amount
    tables.tell_plan(count, session.tallies.values(), requests, characters, costs, unpriced)
    return 0
