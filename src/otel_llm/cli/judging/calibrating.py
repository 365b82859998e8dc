"""`otel-llm eval calibrate`: judges items whose verdicts people have given, and compares."""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from otel_llm.cli.json_output import as_json, utf8_to_stdout
from otel_llm.cli.judging import common
from otel_llm.cli.terminal import clean, emit, fail, open_console, tell
from otel_llm.evaluation.analysis.rates import Rate
from otel_llm.evaluation.judges.asking import JudgeClient
from otel_llm.evaluation.judges.calibration import labelled
from otel_llm.evaluation.judges.calibration.agreement import Agreement
from otel_llm.evaluation.judges.calibration.labelled import Labelled, LabelsError
from otel_llm.evaluation.judges.clients import JudgeError
from otel_llm.evaluation.judges.evaluator import Evaluator, EvaluatorError
from otel_llm.evaluation.judges.judging import Judgement, judge

_BELOW, _FAILED = 1, 3
_ALL = "all"
_FIGURES = ("sensitivity", "specificity", "balanced_accuracy", "kappa")


def run(arguments: argparse.Namespace) -> int:
    try:
        evaluators = common.evaluators_of(arguments)
        client = common.judge_of(arguments, evaluators)
        common.set_up_telemetry()
        calibration = _Calibration(evaluators)
        asyncio.run(calibration.judge(_items(arguments), client, arguments))
    except (EvaluatorError, JudgeError, LabelsError) as error:
        return fail(str(error))
    if not calibration.agreements:
        return fail(f"no item has a verdict of people for {', '.join(one.name for one in evaluators)}")
    if arguments.json:
        utf8_to_stdout()
        print(as_json(calibration.as_dict()))
    else:
        calibration.show(open_console(no_color=arguments.no_color))
    return calibration.code(arguments.at_least)


def _items(arguments: argparse.Namespace) -> Iterator[Labelled]:
    """The items; with a limit, the first of each task and of the forged ones."""
    forged = not arguments.no_forged
    found = labelled.shipped(forged=forged) if arguments.file is None else labelled.from_file(arguments.file)
    taken: Counter[str] = Counter()
    for one in found:
        kind = "forged" if one.forged else one.task
        taken[kind] += 1
        if arguments.limit is None or taken[kind] <= arguments.limit:
            yield one


class _Calibration:
    def __init__(self, evaluators: list[Evaluator]) -> None:
        self._evaluators = evaluators
        #: By evaluator and task.
        self.agreements: defaultdict[str, defaultdict[str, Agreement]] = defaultdict(lambda: defaultdict(Agreement))
        self._disagreements: list[dict[str, Any]] = []
        self._errors: Counter[str] = Counter()
        #: Forged answers that were judged, and of these the bad ones that the judge passed.
        self._forged = 0
        self._accepted: list[str] = []

    async def judge(self, items: Iterable[Labelled], client: JudgeClient | None, arguments: argparse.Namespace) -> None:
        together = not arguments.separately

        async def work(one: Labelled) -> Judgement:
            known = [evaluator for evaluator in self._evaluators if evaluator.name in one.good]
            return await judge(one.item, known, client, together=together)

        async with common.open_client(client):
            await common.at_once(arguments.concurrency, work, items, self._compare)

    def _compare(self, one: Labelled, judgement: Judgement) -> None:
        for verdict in judgement.verdicts:
            if verdict.error_type is not None:
                self._errors[verdict.error_type] += 1
            elif verdict.passed is not None:
                good = one.good[verdict.name]
                if one.forged is None:
                    for task in (one.task, _ALL):
                        self.agreements[verdict.name][task].add(good=good, passed=verdict.passed)
                else:
                    self._forged += 1
                    if verdict.passed and not good:
                        self._accepted.append(one.id)
                        continue
                if good is not verdict.passed:
                    self._disagreements.append(
                        {
                            "id": one.id,
                            "evaluator": verdict.name,
                            "people": "good" if good else "bad",
                            "judge": verdict.label,
                            "people_say": one.reason,
                            "judge_says": verdict.explanation or "",
                        }
                    )

    def code(self, at_least: float | None) -> int:
        """The exit code; what is below the bound is told."""
        below = False
        for name, tasks in self.agreements.items():
            accuracy = tasks[_ALL].balanced_accuracy
            if at_least is not None and (accuracy is None or accuracy.value < at_least):
                shown = "not known" if accuracy is None else f"{accuracy.value:.3f}"
                tell(f"{name}: the balanced accuracy is {shown}, below {at_least:g}")
                below = True
        if self._accepted:
            tell(f"{len(self._accepted)} forged verdict(s) accepted: {', '.join(self._accepted)}")
            below = True
        if self._errors:
            tell("errors: " + ", ".join(f"{count} {kind}" for kind, count in self._errors.items()))
        return _BELOW if below else _FAILED if self._errors else 0

    def as_dict(self) -> dict[str, Any]:
        """Everything, for `--json`."""
        return {
            "evaluators": [
                {
                    "evaluator": one.name,
                    "revision": one.revision,
                    "tasks": {task: _figures(agreement) for task, agreement in self.agreements[one.name].items()},
                }
                for one in self._evaluators
                if one.name in self.agreements
            ],
            "forged": {"judged": self._forged, "accepted": self._accepted},
            "errors": dict(self._errors),
            "disagreements": self._disagreements,
        }

    def show(self, console: Console) -> None:
        """Print a table, and what people and the judge disagree on."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for heading in ("evaluator", "task"):
            table.add_column(heading, no_wrap=True)
        for heading in ("n", *(name.replace("_", " ") for name in _FIGURES)):
            table.add_column(heading, justify="right", no_wrap=True)
        for name, tasks in self.agreements.items():
            for task in sorted(tasks, key=lambda task: (task == _ALL, task)):
                figures = (getattr(tasks[task], figure) for figure in _FIGURES)
                row = (name, task, str(tasks[task].n), *map(_shown, figures))
                table.add_row(*(Text(clean(cell), style="bold" if task == _ALL else "") for cell in row))
        emit(console, table)
        for one in self._disagreements:
            console.print()
            said = f"{one['id']}  {one['evaluator']}: {one['people']} by people, {one['judge']} by the judge"
            emit(console, Text(clean(said), style="yellow"))
            for who in ("people_say", "judge_says"):
                if one[who]:
                    emit(console, Text(clean(f"  {who.replace('_', ' ')}: {one[who]}"), overflow="fold"))
        if self._forged:
            console.print()
            emit(console, Text(f"forged answers: {len(self._accepted)} of {self._forged} accepted"))


def _shown(figure: Rate | None) -> str:
    return "" if figure is None else f"{figure.value:.2f} ({figure.low:.2f} to {figure.high:.2f})"


def _figures(agreement: Agreement) -> dict[str, Any]:
    figures: dict[str, Any] = {"n": agreement.n}
    for name in _FIGURES:
        figure: Rate | None = getattr(agreement, name)
        figures[name] = None if figure is None else {"value": figure.value, "low": figure.low, "high": figure.high}
    return figures
