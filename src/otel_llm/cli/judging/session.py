"""What `eval run` and `eval watch` share: a worker, what became of the items, and the end."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator

from otel_llm.cli.judging import common, tables
from otel_llm.cli.judging.spending import Spent
from otel_llm.cli.terminal import open_console, tell
from otel_llm.evaluation.dataset.reader import Item
from otel_llm.evaluation.judges.asking import JudgeClient
from otel_llm.evaluation.judges.evaluator import Evaluator
from otel_llm.evaluation.judges.measures import JudgeMeasures
from otel_llm.evaluation.judges.pricing import JudgePrices
from otel_llm.evaluation.judges.tally import tallies
from otel_llm.evaluation.results.emission import VerdictEmitter
from otel_llm.evaluation.results.store import ResultStore
from otel_llm.evaluation.worker.budget import Budget
from otel_llm.evaluation.worker.leases import Leases
from otel_llm.evaluation.worker.worker import LEASED, NO_BUDGET, Done, Worker

REACHED, FAILED = 1, 3
#: A verdict that a worker stored so long ago and did not send will not be sent by it, in seconds.
_FORGOTTEN = 300.0
_FLUSH_SECONDS = 10.0


class Session:
    """Judges items as the arguments say. `stop` is set by SIGTERM and Ctrl-C: the items in hand are finished."""

    def __init__(
        self,
        arguments: argparse.Namespace,
        evaluators: list[Evaluator],
        client: JudgeClient | None,
        store: ResultStore,
        *,
        emits: bool,
        retry_seconds: float = 0.0,
    ) -> None:
        self.tallies = tallies(evaluators)
        self.spent = Spent()
        self.left: Counter[str] = Counter()
        self._unstored = 0
        self.prices = JudgePrices()
        self._measures = JudgeMeasures()
        self.stop = asyncio.Event()
        self._arguments, self._client, self._emits = arguments, client, emits
        self.leases = Leases(store.path)
        self.worker = Worker(
            store,
            evaluators,
            client,
            together=not arguments.separately,
            prices=self.prices,
            budget=None if arguments.budget is None else Budget(store.path, arguments.budget),
            leases=self.leases,
            emitter=VerdictEmitter() if emits else None,
            retry_seconds=retry_seconds,
        )

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Watch for signals, and close the connections of the judge at the end."""
        with _stopping(self.stop):
            self.worker.send_unsent(_FORGOTTEN)
            async with common.open_client(self._client):
                yield

    async def judge(self, items: Iterable[Item], done: Callable[[Item, Done], None] | None = None) -> None:
        """Judge `items`, and send their verdicts. `done` is told what became of each."""

        def add(item: Item, result: Done) -> None:
            self._add(result)
            if done is not None:
                done(item, result)

        concurrency = self._arguments.concurrency
        try:
            await self.worker.run(self._counted(items), add, concurrency=concurrency, stop=self.stop)
        finally:
            await asyncio.to_thread(self.flush)

    def flush(self) -> None:
        """Send what waits to be sent."""
        if not self._emits:
            return
        from otel_llm import flush

        if flush(_FLUSH_SECONDS):
            self.worker.confirm_sent()
        else:
            tell("not all verdicts could be sent; the next run sends them")

    def _counted(self, items: Iterable[Item]) -> Iterator[Item]:
        for item in items:
            self.spent.items += 1
            yield item

    def _add(self, done: Done) -> None:
        self.spent.add(done.judgement)
        self._measures.record(done.judgement)
        for verdict in done.known:
            self.tallies[verdict.evaluator_id].add(verdict)
            self.tallies[verdict.evaluator_id].before += 1
        for name, lacking in done.judgement.not_applicable.items():
            self.tallies[name].not_applicable[lacking] += 1
        for verdict in done.judgement.verdicts:
            self.tallies[verdict.name].add(verdict)
        if done.left is not None:
            self.left[done.left] += 1
        self._unstored += done.unstored

    def report(self) -> None:
        """Print what became of the items."""
        tables.print_tallies(self.tallies.values(), open_console(no_color=self._arguments.no_color))
        tables.tell_spent(self.spent)
        if self._unstored:
            tell(f"{self._unstored} verdict(s) not stored: their items have no id of a trace")
        if self.left[NO_BUDGET]:
            tell(f"the budget of {self._arguments.budget} is used up: the rest of the items is not judged")
        if dead := len(self.leases.dead()):
            tell(f"{dead} item(s) failed each time and are left alone; --retry-failed tries them again")
        elif self.left[LEASED]:
            tell(f"{self.left[LEASED]} item(s) are being judged by another worker, or were tried a moment ago")
        if self.stop.is_set():
            tell("stopped; the next run judges the rest")

    def code(self) -> int:
        """The exit code, after telling the bounds that are reached."""
        reached = [said for bound in self._arguments.fail_on if (said := bound.reached(self.tallies)) is not None]
        for said in reached:
            tell(said)
        if reached:
            return REACHED
        return FAILED if self.left[NO_BUDGET] or any(tally.errors for tally in self.tallies.values()) else 0


@contextlib.contextmanager
def _stopping(stop: asyncio.Event) -> Iterator[None]:
    """Set `stop` by the first SIGTERM or Ctrl-C. The second does what it does without us."""
    loop = asyncio.get_running_loop()
    caught = []

    def told(number: int) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):  # Windows, or not the main thread
            loop.add_signal_handler(number, told, number)
            caught.append(number)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
