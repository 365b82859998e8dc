"""`otel-llm eval watch`: judges the items of a dataset as they come, until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sqlite3
from pathlib import Path
from time import monotonic

from otel_llm.cli.judging import common
from otel_llm.cli.judging.session import Session
from otel_llm.cli.terminal import fail, tell
from otel_llm.evaluation.dataset.reader import DatasetError, Item
from otel_llm.evaluation.judges.clients import JudgeError
from otel_llm.evaluation.judges.evaluator import EvaluatorError
from otel_llm.evaluation.judges.kept import results_of
from otel_llm.evaluation.results.store import ResultStore
from otel_llm.evaluation.worker.feed import Feed
from otel_llm.evaluation.worker.worker import NO_BUDGET, BudgetError, Done

#: How often a dataset is looked at for new items, and how long an item whose judging failed is left alone, in seconds.
_LOOK_SECONDS = 2.0
_RETRY_SECONDS = 60.0
_BUDGET_SECONDS = 60.0


def run(arguments: argparse.Namespace) -> int:
    try:
        evaluators = common.evaluators_of(arguments)
        emits = common.set_up_telemetry()
        client = common.judge_of(arguments, evaluators)
        store = ResultStore(arguments.results or results_of(arguments.source))
        session = Session(arguments, evaluators, client, store, emits=emits, retry_seconds=_RETRY_SECONDS)
        if arguments.retry_failed:
            session.leases.revive()
        try:
            asyncio.run(_watch(session, Feed(Path(arguments.source)), arguments))
        finally:
            session.worker.close()
    except (EvaluatorError, JudgeError, DatasetError, BudgetError) as error:
        return fail(str(error))
    except sqlite3.Error as error:
        return fail(f"the verdicts can't be stored: {error}")
    session.report()
    return session.code()


async def _watch(session: Session, feed: Feed, arguments: argparse.Namespace) -> None:
    """Judge what is new whenever `--new` items wait, and at the latest after `--every` seconds."""
    tell(f"waiting for items in {arguments.source}; Ctrl-C stops")
    judged, again = 0.0, None
    async with session.open():
        while not session.stop.is_set():
            waiting = feed.waiting()
            due = monotonic() - judged >= arguments.every
            if waiting >= arguments.new or (waiting and due) or (again is not None and monotonic() >= again):
                judged, again = monotonic(), None

                def done(item: Item, result: Done) -> None:
                    nonlocal again
                    failed = any(verdict.error_type is not None for verdict in result.judgement.verdicts)
                    retry = result.left is not None or failed
                    feed.done(item, again=retry)
                    if retry:
                        again = monotonic() + (_BUDGET_SECONDS if result.left == NO_BUDGET else _RETRY_SECONDS)

                await session.judge(feed.items(), done)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(session.stop.wait(), _LOOK_SECONDS)
