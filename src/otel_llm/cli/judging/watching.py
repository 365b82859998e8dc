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
from otel_llm.evaluation.results.verdict import Verdict
from otel_llm.evaluation.worker.alarms import AlarmError, Alarms
from otel_llm.evaluation.worker.feed import Feed
from otel_llm.evaluation.worker.worker import BudgetError, Done

#: How often a dataset is looked at for new items, and how long an item whose judging failed is left alone, in seconds.
_LOOK_SECONDS = 2.0
_RETRY_SECONDS = 60.0


def run(arguments: argparse.Namespace) -> int:
    try:
        evaluators = common.evaluators_of(arguments)
        emits = common.set_up_telemetry()
        client = common.judge_of(arguments, evaluators)
        store = ResultStore(arguments.results or results_of(arguments.source))
        session = Session(arguments, evaluators, client, store, emits=emits, retry_seconds=_RETRY_SECONDS)
        alarms = Alarms(store.path, arguments.alarm, evaluators, webhook=arguments.webhook)
        if arguments.retry_failed:
            session.leases.revive()
        try:
            asyncio.run(_Watch(session, Feed(Path(arguments.source)), alarms, arguments).run())
        finally:
            session.worker.close()
            alarms.close()
    except (EvaluatorError, JudgeError, DatasetError, BudgetError, AlarmError) as error:
        return fail(str(error))
    except sqlite3.Error as error:
        return fail(f"the verdicts can't be stored: {error}")
    session.report()
    return session.code()


class _Watch:
    def __init__(self, session: Session, feed: Feed, alarms: Alarms, arguments: argparse.Namespace) -> None:
        self._session, self._feed, self._alarms, self._arguments = session, feed, alarms, arguments
        self._looked = 0.0
        #: When items that were left, or whose judging failed, are to be tried again.
        self._again: float | None = None
        self._fresh: list[Verdict] = []

    async def run(self) -> None:
        """Judge what is new whenever `--new` items wait, and at the latest after `--every` seconds."""
        tell(f"waiting for items in {self._arguments.source}; Ctrl-C stops")
        async with self._session.open():
            while not self._session.stop.is_set():
                if self._is_due():
                    self._looked, self._again = monotonic(), None
                    await self._session.judge(self._feed.items(), self._done)
                    fresh, self._fresh = self._fresh, []
                    for said in await asyncio.to_thread(self._alarms.add, fresh):  # a webhook may take a while
                        tell(said)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._session.stop.wait(), _LOOK_SECONDS)

    def _is_due(self) -> bool:
        if self._again is not None and monotonic() >= self._again:
            return True
        waiting = self._feed.waiting()
        late = monotonic() - self._looked >= self._arguments.every
        return waiting >= self._arguments.new or (waiting > 0 and late)

    def _done(self, item: Item, result: Done) -> None:
        verdicts = result.judgement.verdicts
        again = result.left is not None or any(verdict.error_type is not None for verdict in verdicts)
        self._feed.done(item, again=again)
        self._fresh += verdicts
        if again:
            self._again = monotonic() + _RETRY_SECONDS
