"""What both commands need: the evaluators, the judge, and a bounded number of items that are judged at once."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from otel_llm.cli.headers import headers_of
from otel_llm.cli.terminal import tell
from otel_llm.config import UPLOAD
from otel_llm.evaluation.judges.asking import JudgeClient
from otel_llm.evaluation.judges.catalog import find_evaluators
from otel_llm.evaluation.judges.clients import JudgeError, open_judge
from otel_llm.evaluation.judges.clients.stand_in import NAME as STAND_IN
from otel_llm.evaluation.judges.evaluator import Evaluator
from otel_llm.evaluation.worker.sources import Source, open_source

_T = TypeVar("_T")
_R = TypeVar("_R")
#: Variables by which a user says where telemetry goes.
_DESTINATIONS = ("OTEL_EXPORTER_OTLP", "OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER")


def evaluators_of(arguments: argparse.Namespace) -> list[Evaluator]:
    """The evaluators that the arguments name. Functions are also looked for in the current directory.

    :raises EvaluatorError: if one can't be used.
    """
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    return find_evaluators(name.strip() for name in arguments.evaluators.split(",") if name.strip())


def judge_of(arguments: argparse.Namespace, evaluators: Iterable[Evaluator]) -> JudgeClient | None:
    """The judge that the arguments name; ``None`` if no evaluator asks one.

    :raises JudgeError: if there is none, or it can't be used.
    """
    asking = [evaluator.name for evaluator in evaluators if evaluator.asks_a_judge]
    if not asking:
        return None
    if arguments.judge is None:
        raise JudgeError(
            f"{', '.join(asking)} ask a judge: name one by --judge, such as openai:gpt-4o-mini or stand-in"
        )
    if arguments.judge == STAND_IN:
        tell("the stand-in judge compares words and numbers: its verdicts are for tests and demos")
    return open_judge(arguments.judge, base_url=arguments.base_url, timeout=float(arguments.timeout))


def source_of(arguments: argparse.Namespace) -> Source:
    """The source that the arguments name.

    :raises SourceError: if it can't be used.
    :raises HeaderError: if a header can't be used.
    """
    return open_source(
        arguments.source,
        services=arguments.service,
        headers=headers_of(arguments.header),
        timeout=float(arguments.timeout),
        uploads=os.environ.get(UPLOAD, "").strip() or None,
    )


def set_up_telemetry() -> bool:
    """Send telemetry, if the environment says where to, and trace the judge. Return whether it is sent."""
    if not any(os.environ.get(name) for name in os.environ if name.startswith(_DESTINATIONS)):
        return False
    from otel_llm import setup

    os.environ.setdefault("OTEL_SERVICE_NAME", "otel-llm-eval")
    try:
        setup()
    except RuntimeError as error:
        tell(f"verdicts are stored, but not sent: {error}")
        return False
    return True


@asynccontextmanager
async def open_client(client: JudgeClient | None) -> AsyncIterator[None]:
    """Close the connections of ``client`` at the end."""
    try:
        yield
    finally:
        close: Any = getattr(client, "aclose", None)
        if close is not None:
            await close()


async def at_once(
    number: int, work: Callable[[_T], Awaitable[_R]], given: Iterable[_T], done: Callable[[_T, _R], None]
) -> None:
    """Call ``work`` for each of ``given``, at most ``number`` at once, and ``done`` with each result.

    What is given is taken when it is needed, so it may be long.
    """
    waiting = iter(given)

    async def one_after_the_other() -> None:
        for one in waiting:
            done(one, await work(one))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(number):
                group.create_task(one_after_the_other())
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
